"""`vqcheck diff`."""
import argparse

from ..check.progress import DifferentThings, progress
from ..render.report import progress_text
from ..snapshot.read import read_file
from ..snapshot.write import to_json
from .verb import OK, Failed, put

NAME = "diff"
SUMMARY = "Show what moved between two snapshots of one side, and what stood still with work to do."
EXAMPLES = """\
  vqcheck diff host1.json host2.json
  vqcheck diff guest1.json guest2.json --format json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("first", metavar="A.json", help="a snapshot")
    parser.add_argument("second", metavar="B.json", help="another one of the same side")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    try:
        found = progress(read_file(options.first), read_file(options.second))
    except DifferentThings as problem:
        raise Failed(str(problem))
    put(to_json(found) if options.format == "json" else progress_text.show(found))
    return OK
