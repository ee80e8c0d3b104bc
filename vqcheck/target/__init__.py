"""What a debugger must answer, and nothing else."""
