"""`vqcheck schema`."""
import argparse

from ..snapshot import schema
from .verb import OK, put

NAME = "schema"
SUMMARY = "Print the JSON Schema (2020-12) of a snapshot."
EXAMPLES = """\
  vqcheck schema > snapshot-1.json
  vqcheck schema | jq '."$defs".RingState.properties'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has no options."""


def run(options: argparse.Namespace) -> int:
    """Do it."""
    put(schema.text())
    return OK
