"""`vqcheck explain`."""
import argparse

from ..check.rules.catalogue import BY_NAME
from ..check.rules.elsewhere import ENTRIES
from ..render.escape import shortened
from ..render.report import rule_text
from .verb import OK, Failed, put

NAME = "explain"
SUMMARY = "Print one rule of the checker as a manual page: when it holds, why it shows so, what to do."
EXAMPLES = """\
  vqcheck explain I5
  vqcheck explain lost-kick
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("rule", metavar="RULE", help="its id or its name, as `vqcheck rules` lists them")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    wanted = options.rule.lower()
    for name, rule in BY_NAME.items():
        if name.lower() == wanted:
            put(rule_text.page(rule))
            return OK
    for one in ENTRIES:
        if one.id.lower() == wanted:
            put(rule_text.elsewhere(one))
            return OK
    raise Failed(f"there is no rule {shortened(options.rule, 40)}; `vqcheck rules` lists them")
