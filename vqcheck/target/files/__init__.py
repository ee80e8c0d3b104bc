"""What lies in files: ELF, dumps and cores, and where kernels and modules keep theirs.  No debugger in here."""
