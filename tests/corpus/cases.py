"""One entry of the corpus."""
from typing import Callable, List, NamedTuple, Tuple

from vqcheck.check.judge import judge
from vqcheck.check.rule import NOTE
from vqcheck.check.verdict import CANNOT_JUDGE, FAULT, HEALTHY, SHOWN, Verdict
from vqcheck.snapshot.model import Snapshot

Snapshots = Callable[[], Tuple[Snapshot, ...]]


class Entry(NamedTuple):
    """Snapshots, and what must be said of them."""

    name: str
    snapshots: Snapshots
    status: str
    rules: Tuple[str, ...]
    """Ids of the rules: of a fault those that are shown to hold, roots only; of what can't be judged the first one that
    is suspected, or that says why."""
    synthetic: bool = True


def fault(name: str, rule: str, snapshots: Snapshots) -> Entry:
    """A synthetic fault."""
    return Entry(name, snapshots, FAULT, (rule,))


def unsure(name: str, rule: str, snapshots: Snapshots) -> Entry:
    """A synthetic pair of which nothing may be said for sure, and the rule that says why; `-` for none."""
    return Entry(name, snapshots, CANNOT_JUDGE, () if rule == "-" else (rule,))


def healthy(name: str, snapshots: Snapshots) -> Entry:
    """A synthetic pair in which nothing is wrong."""
    return Entry(name, snapshots, HEALTHY, ())


def verdict_of(entry: Entry) -> Verdict:
    """What the checker says of it."""
    return judge(*entry.snapshots())


def said(verdict: Verdict) -> List[str]:
    """The rules that the verdict rests on, as `Entry.rules` has them."""
    findings = [*verdict.findings, *(one for queue in verdict.queues for one in queue.findings)]
    if verdict.status == FAULT:
        return [one.rule for one in findings if one.certainty == SHOWN and one.severity != NOTE]
    return [one.rule for one in findings[:1]]
