"""`vqcheck merge`."""
import argparse
from typing import Optional, Tuple

from ..check.judge import judge
from ..check.verdict import Verdict
from ..render import verdict_text
from ..snapshot.model import GUEST, Snapshot
from ..snapshot.read import read_file
from ..snapshot.write import to_json, to_plain
from .verb import Failed, put

REPORT_VERSION = 1
"""Of the verdict as JSON; members may be added under the same number."""

NAME = "merge"
SUMMARY = "Reconcile a guest's and a host's snapshot: which event was lost, who lost it, and what to do."
EXAMPLES = """\
  vqcheck merge guest.json host.json                 in either order
  vqcheck merge guest.json host.json --format json   for programs
  vqcheck merge guest.json host.json --stuck "fio has not moved for 10 minutes"

exit status: 0 healthy, 1 a fault was found, 2 it can't be judged or the input is bad
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("first", metavar="A.json", help="a snapshot of one side")
    parser.add_argument("second", metavar="B.json", help="a snapshot of the other side")
    add_judging(parser)


def add_judging(parser: argparse.ArgumentParser) -> None:
    """The options of a verdict."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--stuck", metavar="NOTE", type=_note,
                        help="what you saw of the I/O not moving; it counts where the ages of requests are not known")


def _note(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say what you saw")
    return text.strip()


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return report(options.first, options.second, options.format, options.stuck)


def report(first: str, second: str, form: str, stuck: Optional[str]) -> int:
    """Judge two files and print the verdict; returns the exit status."""
    guest, host = _by_side(first, second)
    verdict = judge(guest, host, stuck)
    put(report_json(verdict) if form == "json" else verdict_text.show(verdict))
    return verdict.exit_status


def report_json(verdict: Verdict) -> str:
    """The verdict for programs."""
    return to_json({"report": REPORT_VERSION, **to_plain(verdict)})


def _by_side(first: str, second: str) -> Tuple[Snapshot, Snapshot]:
    one, other = read_file(first), read_file(second)
    if one.side == other.side:
        raise Failed(f"{first} and {second} are both of the {one.side}; merge needs one of the guest and one of the "
                     "host")
    return (one, other) if one.side == GUEST else (other, one)
