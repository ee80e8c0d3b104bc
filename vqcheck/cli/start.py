"""Starting a debugger, or becoming one."""
import os
import subprocess
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
        raise _not_installed(program)


def run_program(program: str, arguments: Sequence[str]) -> int:
    """Run a program that needs nobody at the keyboard; returns its exit status.  Raises Failed."""
    sys.stdout.flush()
    try:
        return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, check=False).returncode
    except FileNotFoundError:
        raise _not_installed(program)


def _not_installed(program: str) -> Failed:
    return Failed(f"{program} is not installed; the package is called {PACKAGES[program]}")
