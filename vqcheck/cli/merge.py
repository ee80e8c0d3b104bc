"""`vqcheck merge`."""
import argparse
import os
import sys
from typing import Optional, Sequence

from ..check.judge import OneSided, judge
from ..check.report import report
from ..check.verdict import Verdict
from ..render import colour
from ..render.escape import escape
from ..render.report import page, sarif, verdict_text
from ..snapshot.model import Snapshot
from ..snapshot.read import read_file
from ..snapshot.write import to_json, write_file
from . import many
from .verb import Failed, put

NAME = "merge"
SUMMARY = "Reconcile a guest's and a host's snapshots: which event was lost, who lost it, and what to do."
EXAMPLES = """\
  vqcheck merge guest.json host.json                 in either order
  vqcheck merge guest.json host.json --verbose       every rule, and why it does not hold
  vqcheck merge guest.json host.json --format html -o report.html
  vqcheck merge guest.json host.json --stuck "fio has not moved for 10 minutes"
  vqcheck merge g1.json h1.json g2.json h2.json      several captures: what stood still is stuck
  vqcheck merge snapshots/                           a folder with the snapshots of many VMs

exit status: 0 healthy, 1 a fault was found, 2 it can't be judged or the input is bad
"""

FORMATS = ("text", "json", "html", "sarif")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("snapshots", metavar="SNAPSHOT.json", nargs="+",
                        help="snapshots of both sides, in any order; or folders of them")
    add_judging(parser)


def add_judging(parser: argparse.ArgumentParser) -> None:
    """The options of a verdict."""
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report to a file instead of printing it")
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
    if any(os.path.isdir(path) for path in options.snapshots):
        fleet = many.judge_fleet(options.snapshots, options)
        put_report(many.rendered(fleet, options), options, f"{len(fleet.judged)} VMs")
        return fleet.exit_status
    return judged([read_file(path) for path in options.snapshots], options, options.snapshots)


def judged(snapshots: Sequence[Snapshot], options: argparse.Namespace, files: Sequence[Optional[str]] = ()) -> int:
    """Judge snapshots and report the verdict as the options ask; returns the exit status."""
    try:
        verdict = judge(*snapshots, stuck=options.stuck, explain=options.verbose)
    except OneSided as problem:
        raise Failed(f"{', '.join(map(str, files))}: {problem}" if files else str(problem))
    put_report(rendered(verdict, snapshots, options, files), options,
               f"{verdict.status}: {escape(verdict.headline)}")
    return verdict.exit_status


def put_report(text: str, options: argparse.Namespace, summary: str) -> None:
    """Print a report, or write it to the file that was asked for and print what it says in a line."""
    if options.output is None:
        put(text)
        return
    write_file(options.output, text.encode("utf-8", "backslashreplace"))
    put(f"{summary}\nthe report is in {options.output}\n")


def rendered(verdict: Verdict, snapshots: Sequence[Snapshot], options: argparse.Namespace,
             files: Sequence[Optional[str]]) -> str:
    """The verdict in the form that was asked for."""
    if options.format == "text":
        paint = colour.plain if options.output else colour.for_stream(sys.stdout)
        return verdict_text.show(verdict, options.verbose, options.all, paint)
    whole = report(verdict, snapshots, files)
    return {"json": to_json, "html": page.show, "sarif": sarif.show}[options.format](whole)


