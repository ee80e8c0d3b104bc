"""What a verdict says, for tests."""
from typing import Iterator, List

from vqcheck.check.verdict import SHOWN, Finding, Verdict


def findings(verdict: Verdict) -> Iterator[Finding]:
    """All roots, those of the VM as a whole first."""
    yield from verdict.findings
    for queue in verdict.queues:
        yield from queue.findings


def shown(verdict: Verdict) -> List[str]:
    """Rules that are shown to hold, without what follows from them."""
    return [one.slug for one in findings(verdict) if one.certainty == SHOWN and one.severity != "note"]


def open_matters(verdict: Verdict) -> List[str]:
    """Rules that are only suspected, and notes."""
    return [one.slug for one in findings(verdict) if one.certainty != SHOWN or one.severity == "note"]


def said(verdict: Verdict) -> str:
    """Everything that is said in support of the verdict."""
    found = [verdict.headline, *verdict.reasons]
    for queue in verdict.queues:
        found += [queue.headline, *queue.reasons]
    for one in findings(verdict):
        found += [one.headline, one.blame, *one.against, one.confidence.because]
        found += [" ".join(filter(None, evidence)) for evidence in one.evidence]
    return "\n".join(found)
