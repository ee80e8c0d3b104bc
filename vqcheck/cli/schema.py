"""`vqcheck schema`."""
import argparse

from ..check import report
from ..snapshot import schema
from .verb import OK, put

NAME = "schema"
SUMMARY = "Print the JSON Schema (2020-12) of a snapshot, or of the checker's report."
EXAMPLES = """\
  vqcheck schema > snapshot-3.json
  vqcheck schema --report > report-2.json
  vqcheck schema | jq '."$defs".RingState.properties'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("--report", action="store_true", help="of what `vqcheck merge --format json` prints")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    put(report.schema_text() if options.report else schema.text())
    return OK
