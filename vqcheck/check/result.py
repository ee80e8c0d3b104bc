"""What a rule says of a case."""
from typing import List, NamedTuple, Optional, Sequence, Union


class Evidence(NamedTuple):
    """One fact that a finding rests on.

    says: what it means.
    guest: the guest's fields that it was read from, with their values; null where it takes none of them.
    host: the host's.
    """

    says: str
    guest: Optional[str] = None
    host: Optional[str] = None


class Event(NamedTuple):
    """The event that was lost.

    kind: `interrupt` (device to driver) or `kick` (driver to device).
    idx: the ring index at which it was due: free-running, in a packed ring an offset.
    place: the same as people write it, in a packed ring with its wrap counter: `12:1`.
    head: the head of the entry for which it was due; in a packed ring its buffer id.
    request: the guest's request under that head, in words.
    age_ns: how long that request has waited, by the guest's clock.
    through: the vector or notifier that it would have come through.
    """

    kind: str
    idx: int
    place: str
    head: Optional[int] = None
    request: Optional[str] = None
    age_ns: Optional[int] = None
    through: Optional[str] = None


LIKELY = "most likely"
POSSIBLE = "possible"
UNLIKELY = "unlikely"
EXCLUDED = "excluded"

RANKS = (LIKELY, POSSIBLE, UNLIKELY, EXCLUDED)


class Cause(NamedTuple):
    """A mechanism that would explain the finding.

    rank: `most likely`, `possible`, `unlikely` or `excluded`.
    what: the mechanism.
    because: what in the snapshots speaks for or against it; empty where nothing does.
    told_by: what would tell it from the others.
    rules: ids of the rules that look for it.
    """

    rank: str
    what: str
    because: str
    told_by: str
    rules: List[str] = []


class Found(NamedTuple):
    """A rule holds.

    headline: what happened, in one sentence.
    evidence: what it rests on.
    doubts: why it is only suspected; nothing for a finding that is shown.
    against: what speaks against it, or was not known.
    lacking: what was not known and would have made it more certain, in few words each.
    event: the event that was lost.
    blame: who is at fault, where that is more than the rule says.
    causes: what may be behind it, likeliest first.
    actions: what to do, before what the rule says of all such cases.
    one_more: whether one more request un-wedges the queue, and how to send it.
    """

    headline: str
    evidence: Sequence[Evidence] = ()
    doubts: Sequence[str] = ()
    against: Sequence[str] = ()
    lacking: Sequence[str] = ()
    event: Optional[Event] = None
    blame: Optional[str] = None
    causes: Sequence[Cause] = ()
    actions: Sequence[str] = ()
    one_more: Optional[str] = None


class Excused(NamedTuple):
    """What looks odd and is none; said to the reader."""

    why: str


Outcome = Union[Found, Excused, str]
"""A string says why the rule does not hold, for those who ask."""


def listed(values: Sequence[object], limit: int = 8) -> str:
    """Numbers or names for a sentence: `3, 4, 7 and 12 more`."""
    shown: List[str] = [str(value) for value in values[:limit]]
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
