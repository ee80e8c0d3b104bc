"""`vqcheck validate`."""
import argparse
import sys

from ..render.escape import escape, shortened
from ..snapshot.read import BadSnapshot, read_file
from .verb import FAILED, OK, put

NAME = "validate"
SUMMARY = "Check snapshots: one line each that says what is in it, or where it is wrong and what was expected there."
EXAMPLES = """\
  vqcheck validate guest.json host.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("snapshots", nargs="+", metavar="X.json", help="a snapshot")


def run(options: argparse.Namespace) -> int:
    """Do it; every file is looked at, whatever the ones before it are."""
    return max(_check(path) for path in options.snapshots)


def _check(path: str) -> int:
    try:
        snapshot = read_file(path)
    except BadSnapshot as problem:
        sys.stderr.write(f"vqcheck: {shortened(str(problem), 1000)}\n")
        return FAILED
    queues = sum(len(device.queues) for device in snapshot.devices)
    put(f"{escape(path)}: valid; {snapshot.side}, {len(snapshot.devices)} device(s), {queues} queue(s)\n")
    return OK
