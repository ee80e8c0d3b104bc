"""One thread of a process stopped, while the others go on."""
import contextlib
import ctypes
import os
from typing import Iterator

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
"""Of ptrace(2)."""

ANY_THREAD = 0x40000000
"""__WALL of waitpid(2)."""


@contextlib.contextmanager
def stopped(thread: int) -> Iterator[None]:
    """Hold a thread by its kernel id, wherever it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4

    def ptrace(request: int) -> None:
        if libc.ptrace(request, thread, 0, 0):
            raise OSError(ctypes.get_errno(), "ptrace")
    ptrace(SEIZE)
    try:
        ptrace(INTERRUPT)
        os.waitpid(thread, ANY_THREAD)
        yield
    finally:
        ptrace(DETACH)
