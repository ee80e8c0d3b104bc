"""`vqcheck demo`."""
import argparse
import pathlib

from ..snapshot.read import read_file
from .merge import add_judging, judged
from .verb import Failed

NAME = "demo"
SUMMARY = "Run merge on a bundled hang, captured from a real guest kernel in a real QEMU."
EXAMPLES = """\
  vqcheck demo
  vqcheck demo --format json

exit status: that of merge, so 1, as there is a fault to find
"""

FOLDER = pathlib.Path(__file__).parent / "demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    add_judging(parser)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    guest, host = FOLDER / "guest.json", FOLDER / "host.json"
    if not (guest.exists() and host.exists()):
        raise Failed(f"the bundled hang is not installed: {FOLDER} lacks guest.json or host.json")
    return judged([read_file(str(guest)), read_file(str(host))], options)
