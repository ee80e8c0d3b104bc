"""Two views of one virtqueue, one model, one verdict.

The packages below this one import no debugger; crash_ext and gdb_ext bring the debuggers.
"""

__version__ = "0.1.0"
