"""`vqcheck gdb`."""
import argparse

from .installed import GDB_SCRIPT
from .start import become

NAME = "gdb"
SUMMARY = "Start gdb with the command vq-host loaded; all arguments are gdb's own."
EXAMPLES = """\
  vqcheck gdb -p PID                  pgrep -af qemu shows the VMs
  vqcheck gdb /usr/bin/qemu-system-x86_64 qemu.core
  vqcheck gdb --batch -ex 'vq-host virtio-disk1 -o host.json' /usr/bin/qemu-system-x86_64 qemu.core
  vqcheck gdb -- --help               gdb's own help
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("arguments", nargs="*", metavar="ARG", help="passed on to gdb")


def run(options: argparse.Namespace) -> int:
    """Do it; does not come back."""
    return become("gdb", ["-x", str(GDB_SCRIPT), *options.arguments])
