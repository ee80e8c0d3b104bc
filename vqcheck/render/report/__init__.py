"""The checker's verdict and its rules, for people and for other programs."""
