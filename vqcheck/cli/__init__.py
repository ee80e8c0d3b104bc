"""The command `vqcheck`: one module a verb."""
