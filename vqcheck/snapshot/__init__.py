"""The normalized record of one side, its JSON form and its published schema."""
