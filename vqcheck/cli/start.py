"""Becoming a debugger."""
import os
import sys
from typing import NoReturn, Sequence

from .verb import Failed

PACKAGES = {"gdb": "gdb", "crash": "crash"}
"""The package that brings each program, under the same name in Debian, Fedora, RHEL and SUSE."""


def become(program: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by a program.  Raises Failed where it is not installed."""
    sys.stdout.flush()
    try:
        os.execvp(program, [program, *arguments])
    except FileNotFoundError:
        raise Failed(f"{program} is not installed; the package is called {PACKAGES[program]}")
