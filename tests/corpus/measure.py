"""Precision and recall of every rule on the corpus, and which status was taken for which."""
from typing import Dict, Iterable, List, NamedTuple, Sequence, Tuple

from vqcheck.check.rules.catalogue import RULES
from vqcheck.check.verdict import CANNOT_JUDGE, FAULT, HEALTHY

from .cases import Entry, said, verdict_of

STATUSES = (FAULT, CANNOT_JUDGE, HEALTHY)


class Outcome(NamedTuple):
    """An entry and what the checker said."""

    entry: Entry
    status: str
    rules: Tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether that is what was expected."""
        return (self.status, self.rules) == (self.entry.status, self.entry.rules)


class Score(NamedTuple):
    """How a rule did."""

    rule: str
    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Of the entries for which it held, those for which it should."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Of the entries for which it should hold, those for which it did."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def measure(entries: Iterable[Entry]) -> List[Outcome]:
    """What the checker says of each."""
    found = []
    for entry in entries:
        verdict = verdict_of(entry)
        found.append(Outcome(entry, verdict.status, tuple(said(verdict))))
    return found


def scores(outcomes: Sequence[Outcome]) -> List[Score]:
    """Every rule's."""
    found = []
    for rule in RULES:
        expected = [rule.id in one.entry.rules for one in outcomes]
        held = [rule.id in one.rules for one in outcomes]
        pairs = list(zip(expected, held))
        found.append(Score(rule.id, pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))))
    return found


def confusion(outcomes: Sequence[Outcome]) -> Dict[Tuple[str, str], int]:
    """How often each expected status was given which."""
    return {(expected, given): sum((one.entry.status, one.status) == (expected, given) for one in outcomes)
            for expected in STATUSES for given in STATUSES}


def page(outcomes: Sequence[Outcome]) -> str:
    """The table of the documentation."""
    synthetic = sum(one.entry.synthetic for one in outcomes)
    lines = [
        "<!-- Made by `make corpus`; not to be edited by hand. -->\n", "# The corpus, and how the checker does on it\n",
        f"{len(outcomes)} entries: {len(outcomes) - synthetic} recorded from real kernels in real QEMUs, {synthetic} "
        "synthetic ones for what the lab cannot make and for what looks like a fault and is none.  A rule counts "
        "where it "
        "is shown to hold and follows from no other.\n",
        "| expected | " + " | ".join(f"said: {status}" for status in STATUSES) + " |", "|---|---|---|---|"]
    table = confusion(outcomes)
    lines += [f"| {expected} | " + " | ".join(str(table[expected, given]) for given in STATUSES) + " |"
              for expected in STATUSES]
    lines += ["", "| rule | held rightly | wrongly | missed | precision | recall | recorded |",
              "|---|---|---|---|---|---|---|"]
    for score in scores(outcomes):
        real = sum(score.rule in one.rules and not one.entry.synthetic for one in outcomes)
        lines.append(f"| {score.rule} | {score.right} | {score.wrong} | {score.missed} | {score.precision:.2f} | "
                     f"{score.recall:.2f} | {real} |")
    return "\n".join(lines) + "\n"
