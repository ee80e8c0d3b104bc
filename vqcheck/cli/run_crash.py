"""`vqcheck crash`."""
import argparse
import os
from typing import List, Tuple

from .installed import crash_loader
from .start import become

NAME = "crash"
SUMMARY = "Start crash with the command vqstate loaded; all arguments are crash's own."
EXAMPLES = """\
  vqcheck crash /usr/lib/debug/boot/vmlinux-6.1.0-56-cloud-amd64 guest.kdump
  vqcheck crash -s vmlinux guest.kdump < commands
  vqcheck crash -- --help             crash's own help
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("arguments", nargs="*", metavar="ARG", help="passed on to crash")


def run(options: argparse.Namespace) -> int:
    """Do it; does not come back."""
    theirs, rest = _own_commands(options.arguments)
    commands = f"extend {crash_loader()}\n".encode() + theirs
    return become("crash", ["-i", _in_memory(commands), *rest])


def _own_commands(arguments: List[str]) -> Tuple[bytes, List[str]]:
    """The contents of the file that the user's own `-i` names, as crash takes only one, and the other arguments."""
    if "-i" not in arguments[:-1]:
        return b"", arguments
    at = arguments.index("-i")
    with open(arguments[at + 1], "rb") as source:
        return source.read(), arguments[:at] + arguments[at + 2:]


def _in_memory(commands: bytes) -> str:
    """A path that crash can read the commands from; there is no file to be left behind."""
    descriptor = os.memfd_create("vqcheck.crashrc", 0)  # 0: it outlives the exec
    os.write(descriptor, commands)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return f"/proc/self/fd/{descriptor}"
