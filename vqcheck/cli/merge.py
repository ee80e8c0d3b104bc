"""`vqcheck merge`."""
import argparse
import sys
from typing import Sequence

from ..check.judge import OneSided, judge
from ..check.verdict import Verdict
from ..render import colour
from ..render.report import verdict_text
from ..snapshot.model import Snapshot
from ..snapshot.read import read_file
from ..snapshot.write import to_json, to_plain
from .verb import Failed, put

REPORT_VERSION = 2
"""Of the verdict as JSON; members may be added under the same number."""

NAME = "merge"
SUMMARY = "Reconcile a guest's and a host's snapshots: which event was lost, who lost it, and what to do."
EXAMPLES = """\
  vqcheck merge guest.json host.json                 in either order
  vqcheck merge guest.json host.json --verbose       every rule, and why it does not hold
  vqcheck merge guest.json host.json --format json   for programs
  vqcheck merge guest.json host.json --stuck "fio has not moved for 10 minutes"
  vqcheck merge g1.json h1.json g2.json h2.json      several captures: what stood still is stuck

exit status: 0 healthy, 1 a fault was found, 2 it can't be judged or the input is bad
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("snapshots", metavar="SNAPSHOT.json", nargs="+", help="snapshots of both sides, in any order")
    add_judging(parser)


def add_judging(parser: argparse.ArgumentParser) -> None:
    """The options of a verdict."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--verbose", action="store_true", help="every rule that was tried, and why it does not hold")
    parser.add_argument("--all", action="store_true", help="a summary, and then every queue in full, the worst first")
    parser.add_argument("--stuck", metavar="NOTE", type=_note,
                        help="what you saw of the I/O not moving; it counts where the ages of requests are not known")


def _note(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say what you saw")
    return text.strip()


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return report([read_file(path) for path in options.snapshots], options)


def report(snapshots: Sequence[Snapshot], options: argparse.Namespace) -> int:
    """Judge snapshots and print the verdict; returns the exit status."""
    try:
        verdict = judge(*snapshots, stuck=options.stuck)
    except OneSided as problem:
        raise Failed(str(problem))
    put(rendered(verdict, options))
    return verdict.exit_status


def rendered(verdict: Verdict, options: argparse.Namespace) -> str:
    """The verdict in the form that was asked for."""
    if options.format == "json":
        return to_json({"report": REPORT_VERSION, **to_plain(verdict)})
    return verdict_text.show(verdict, options.verbose, options.all, colour.for_stream(sys.stdout))


