"""Layout files: what debug information says of a few hundred structs, saved, and standing in where there is none."""
