"""What the checker says, as data."""
from typing import List, NamedTuple, Optional, Sequence

from .result import Cause, Event, Evidence

HEALTHY = "healthy"
FAULT = "fault"
CANNOT_JUDGE = "cannot-judge"

WORST_FIRST = (FAULT, CANNOT_JUDGE, HEALTHY)

EXIT_STATUS = {HEALTHY: 0, FAULT: 1, CANNOT_JUDGE: 2}

SHOWN = "shown"
SUSPECTED = "suspected"


class Confidence(NamedTuple):
    """How sure a finding is.

    level: `high`, `good`, `fair`, or `low` for what is only suspected.
    because: the reasons, in words.
    """

    level: str
    because: str


class Finding(NamedTuple):
    """A rule that holds.

    rule: its id, as in I5.
    slug: its name for reading.
    title: what is wrong, in a few words.
    severity: `critical`, `high`, `medium`, or `note` for what is no fault.
    certainty: `shown` or `suspected`.
    headline: what happened, in one sentence.
    blame: who is at fault.
    event: the event that was lost.
    evidence: what it rests on, with both sides' values.
    against: what speaks against it, or was not known.
    confidence: how sure it is, and why.
    causes: what may be behind it, likeliest first.
    confirm: what would confirm it.
    actions: what to do now, from least to most invasive.
    one_more: whether one more request un-wedges the queue, and how to send it.
    references: specification, sources, fixes.
    consequences: findings that follow from this one.
    """

    rule: str
    slug: str
    title: str
    severity: str
    certainty: str
    headline: str
    blame: str
    event: Optional[Event]
    evidence: List[Evidence]
    against: List[str]
    confidence: Confidence
    causes: List[Cause]
    confirm: List[str]
    actions: List[str]
    one_more: Optional[str]
    references: List[str]
    consequences: List["Finding"] = []

    @property
    def to_do(self) -> List[str]:
        """What to do now, gentlest first: one more request, where it helps or is known not to, before all else."""
        return [*([self.one_more] if self.one_more else []), *self.actions]


class Answer(NamedTuple):
    """One of the three questions of every stuck queue, answered from both sides.

    question: the question.
    answer: yes or no, and how many.
    guest: the guest's fields that it was answered from.
    host: the host's.
    """

    question: str
    answer: str
    guest: str
    host: str


class JoinedRequest(NamedTuple):
    """A request of the guest and where it is, with QEMU's own request where the device holds it.

    head: head of its descriptor chain; in a packed ring its buffer id.
    place: `posted`, `held`, `returned`; `unknown` where that is not known.
    operation: what the guest asked for, or the kind of what it posted.
    bytes: length of the data.
    sector: first sector, of 512 bytes.
    tag: blk-mq tag.
    age_ns: how long the guest has waited for it, by the guest's clock.
    holder: who has it in QEMU, in words.
    host_age_ns: how long QEMU has had it, by QEMU's clock.
    host_age_at_least: it may be longer: a core does not hold the time, only what was noted before it.
    """

    head: int
    place: str
    operation: Optional[str]
    bytes: Optional[int]
    sector: Optional[int]
    tag: Optional[int]
    age_ns: Optional[int]
    holder: Optional[str]
    host_age_ns: Optional[int]
    host_age_at_least: bool


class RingView(NamedTuple):
    """Where both sides stand in the ring: split, free-running indexes; packed, offset plus the size for wrap counter 0.

    layout: `split` or `packed`.
    size: entries.
    driver_avail: where the driver posts next (avail_idx_shadow, next_avail_idx).
    driver_used: where the driver consumes next (last_used_idx).
    device_avail: where the device pops next (last_avail_idx); null while vhost serves the queue.
    device_used: where the device returns next (used_idx); null while vhost serves the queue.
    used_event: the entry for which the driver wants an interrupt; null where it wants one for each, or for none.
    avail_event: the entry for which the device wants a kick; null where it wants one for each, or for none.
    posted: entries posted and not popped; null while vhost serves the queue.
    popped: entries popped and not returned; null while vhost serves the queue.
    returned: entries returned and not consumed.
    """

    layout: str
    size: int
    driver_avail: int
    driver_used: int
    device_avail: Optional[int]
    device_used: Optional[int]
    used_event: Optional[int]
    avail_event: Optional[int]
    posted: Optional[int]
    popped: Optional[int]
    returned: int


class Judgement(NamedTuple):
    """What became of a rule.

    rule: its id.
    outcome: `holds`, `clear`, `excused` or `not judged`.
    why: why it does not hold, or why it was not judged; its headline where it holds.
    """

    rule: str
    outcome: str
    why: str


class QueueVerdict(NamedTuple):
    """The verdict on one pair of queues.

    guest_device: the device, as the guest calls it.
    host_device: the device, as QEMU calls it.
    queue_index: index of the queue in its device.
    role: what the queue is for.
    status: `fault`, `cannot-judge` or `healthy`.
    headline: the verdict, in one sentence.
    ring: where both sides stand; null where that is not known.
    answers: the three questions.
    findings: rules that hold; what follows from another is folded under it.
    requests: what the guest waits for, oldest first.
    reasons: why it could not be judged, or why what looks odd is no fault.
    judged: every rule that was tried, and what became of it; empty unless it was asked for.
    """

    guest_device: str
    host_device: str
    queue_index: int
    role: str
    status: str
    headline: str
    ring: Optional[RingView]
    answers: List[Answer]
    findings: List[Finding]
    requests: List[JoinedRequest]
    reasons: List[str]
    judged: List[Judgement]


class Verdict(NamedTuple):
    """The verdict on the snapshots of a VM.

    status: `fault`, `cannot-judge` or `healthy`.
    headline: the verdict, in one sentence.
    findings: rules that hold for the VM as a whole.
    queues: the verdict on each pair of queues, in the guest's order.
    reasons: what concerns the captures as a whole.
    """

    status: str
    headline: str
    findings: List[Finding]
    queues: List[QueueVerdict]
    reasons: List[str]

    @property
    def exit_status(self) -> int:
        """0 healthy, 1 a fault found, 2 cannot judge."""
        return EXIT_STATUS[self.status]


def worst(statuses: Sequence[str]) -> str:
    """The worst of some statuses; healthy where there is none."""
    return next((one for one in WORST_FIRST if one in statuses), HEALTHY)
