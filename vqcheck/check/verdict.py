"""What the checker says, as data."""
from typing import List, NamedTuple, Optional

HEALTHY = "healthy"
FAULT = "fault"
CANNOT_JUDGE = "cannot-judge"

EXIT_STATUS = {HEALTHY: 0, FAULT: 1, CANNOT_JUDGE: 2}


class Evidence(NamedTuple):
    """One fact that a finding rests on."""

    fields: str
    """The fields it was read from, with their values."""
    says: str


class Event(NamedTuple):
    """The event that was lost."""

    kind: str
    """`interrupt` (device to driver) or `kick` (driver to device)."""
    idx: int
    """The free-running ring index at which it was due."""
    head: Optional[int]
    request: Optional[str]
    """The guest's request under that head, in words."""
    through: Optional[str]
    """The vector or notifier that it would have come through."""


class Cause(NamedTuple):
    """A mechanism that would explain the finding, and what would tell it from the others."""

    what: str
    told_by: str


class Finding(NamedTuple):
    """A fault."""

    rule: str
    """Stable name, as in `lost-interrupt`."""
    headline: str
    blame: str
    event: Optional[Event]
    evidence: List[Evidence]
    against: List[str]
    """What speaks against it, or was not known."""
    confidence: str
    causes: List[Cause]
    actions: List[str]
    """What to do now, from least to most invasive."""


class Answer(NamedTuple):
    """One of the three questions of every stuck queue, answered from both sides."""

    question: str
    answer: str
    guest: str
    host: str


class QueueVerdict(NamedTuple):
    """The verdict on one pair of queues."""

    guest_device: str
    host_device: str
    queue_index: int
    status: str
    headline: str
    answers: List[Answer]
    findings: List[Finding]
    reasons: List[str]
    """Why it could not be judged, or why what looks odd is no fault."""


class Verdict(NamedTuple):
    """The verdict on two snapshots."""

    status: str
    headline: str
    queues: List[QueueVerdict]
    reasons: List[str]
    """What concerns the two captures as a whole."""

    @property
    def exit_status(self) -> int:
        """0 healthy, 1 a fault found, 2 cannot judge."""
        return EXIT_STATUS[self.status]
