"""Whether a state lasts.

Every healthy queue passes through the states of a lost event all the time; what makes them a fault is that they stay.
Several captures show it, or a request's age, as far as it is known: it counts from the request's issue or allocation,
not from the event, and stands still with the guest's clock.
"""
from typing import List, NamedTuple, Optional, Sequence, Union

from ..snapshot.held_model import HeldRequest
from ..snapshot.model import Snapshot
from ..snapshot.request_model import Request
from .history import NS, Stood

EVENT_SECONDS = 1.0
"""A notification that is not there after this long is lost: it takes microseconds, on a busy host milliseconds."""

BACKEND_SECONDS = 5.0
"""A request that QEMU holds longer than this is called stuck; slow storage with a full cache may well take a second."""

MOVING_SECONDS = 10.0
"""A side that moved on within so many seconds does not hang: what waits for it now came after that.  Captures that are
further apart show nothing of the kind."""

Aged = Union[Request, HeldRequest]


def is_stuck(age_ns: Optional[int]) -> bool:
    """Whether a request of that age, where it is known, is older than any that is merely slow."""
    return age_ns is not None and age_ns >= BACKEND_SECONDS * NS


class Persistence(NamedTuple):
    """What is known of how long a state has lasted."""

    evidence: Optional[str]
    """What shows that it lasts; None where nothing does."""
    known: bool
    """Whether the ages are known: then no evidence means that the state is young, by the guest's clock."""
    doubt: str
    """What is known instead, where nothing shows that it lasts."""

    @property
    def young(self) -> bool:
        """It is known not to have lasted, by the guest's clock."""
        return self.known and self.evidence is None


class Observed(NamedTuple):
    """What a person saw of the I/O."""

    stuck: bool
    note: str


def observed(snapshots: Sequence[Snapshot], stuck: Optional[str]) -> Optional[Observed]:
    """What a person saw: from the command line, or noted in a snapshot."""
    if stuck:
        return Observed(True, stuck)
    for snapshot in snapshots:
        if snapshot.capture.observation is not None:
            return Observed(snapshot.capture.observation.stuck, snapshot.capture.observation.note)
    return None


def of_event(requests: Optional[Sequence[Aged]], seen: Optional[Observed], still: Optional[Stood],
             what: str) -> Persistence:
    """For entries that wait for a notification: the youngest decides, as an old one may have come back just now."""
    return _persistence(requests, EVENT_SECONDS, -1, seen, still, what)


def of_backend(requests: Optional[Sequence[Aged]], seen: Optional[Observed], still: Optional[Stood],
               what: str) -> Persistence:
    """For requests in the device's hands: the oldest decides, as each is held by itself."""
    return _persistence(requests, BACKEND_SECONDS, 0, seen, still, what)


def _persistence(requests: Optional[Sequence[Aged]], limit: float, deciding: int, seen: Optional[Observed],
                 still: Optional[Stood], what: str) -> Persistence:
    if still is not None and still.seconds >= limit:
        return Persistence(f"{still.captures} captures over {still.seconds:.1f} s: {what}", True, "")
    ages = _ages(requests or [])
    complete = bool(ages) and len(ages) == len(requests or [])
    enough = bool(ages) if deciding == 0 else complete  # one that is old enough is enough, the others are as they are
    if enough and ages[deciding] >= limit:
        return Persistence(_spelled(requests or [], ages), True, "")
    if not complete and seen is not None and seen.stuck:
        return Persistence(f"observed: {seen.note}", False, "")
    if complete:
        return Persistence(None, True, f"of the requests concerned the youngest has waited {short(ages[-1])}, the "
                           f"oldest {short(ages[0])}, by the guest's clock")
    return Persistence(None, False, "how long the requests have waited is not known" if not ages else
                       "how long some of the requests have waited is not known")


def _ages(requests: Sequence[Aged]) -> List[float]:
    """Seconds since each request was issued, oldest first; since it was allocated, where that is all there is."""
    known = [_age(request) for request in requests]
    return sorted((age / NS for age in known if age is not None), reverse=True)


def _age(request: Aged) -> Optional[int]:
    issued = getattr(request, "issued_ns", None)
    return issued if issued is not None else request.age_ns


def _spelled(requests: Sequence[Aged], ages: List[float]) -> str:
    exact = all(getattr(request, "issued_ns", None) is not None for request in requests)
    since = "issued" if exact else "allocated"
    caveat = "" if exact else " (time in the guest's I/O scheduler included)"
    if len(ages) == 1:
        return f"the request concerned was {since} {ages[0]:.1f} s ago{caveat}"
    newest, oldest = f"{ages[-1]:.1f}", f"{ages[0]:.1f}"
    when = newest if newest == oldest else f"between {newest} and {oldest}"
    return f"the {len(ages)} requests concerned were {since} {when} s ago{caveat}"


def short(seconds: float) -> str:
    """A short time for a sentence."""
    return f"{seconds:.1f} s" if abs(seconds) >= 1 else f"{seconds * 1000:.0f} ms"
