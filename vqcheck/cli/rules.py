"""`vqcheck rules`."""
import argparse

from ..render.report import rule_text
from .verb import OK, put

NAME = "rules"
SUMMARY = "List the rules of the checker."
EXAMPLES = """\
  vqcheck rules
  vqcheck explain I5      one of them in full
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options: none."""


def run(options: argparse.Namespace) -> int:
    """Do it."""
    put(rule_text.every())
    return OK
