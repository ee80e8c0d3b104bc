"""Whether a state lasts.

Every healthy queue passes through the states of a lost event all the time; what makes them a fault is that they stay.
"""
from typing import List, NamedTuple, Optional

from ..snapshot.driver_model import Request
from ..snapshot.model import Snapshot
from .facts import ages

EVENT_SECONDS = 1.0
"""A notification that is not there after this long is lost: it takes microseconds, on a busy host milliseconds."""

BACKEND_SECONDS = 5.0
"""A request that QEMU holds longer than this is called stuck; slow storage with a full cache may well take a second."""


class Persistence(NamedTuple):
    """What is known of how long a state has lasted."""

    lasts: bool
    evidence: Optional[str]
    """What shows that it lasts."""
    doubt: str
    """What is known instead, where nothing shows it."""


def observed(guest: Snapshot, host: Snapshot, stuck: Optional[str]) -> Optional[str]:
    """What a person saw: from the command line, or noted in a snapshot."""
    if stuck:
        return stuck
    for snapshot in (guest, host):
        observation = snapshot.capture.observation
        if observation is not None and observation.stuck:
            return observation.note
    return None


def persistence(requests: Optional[List[Request]], limit: float, seen: Optional[str]) -> Persistence:
    """Whether requests have waited longer than `limit` seconds, all of them, or a person saw that they don't move.

    Of several requests the youngest counts: an old one may have come back from slow storage just now.
    """
    known = ages(requests or [])
    if known and known[-1] >= limit:
        youngest = f", the youngest {known[-1]:.1f} s" if len(known) > 1 else ""
        return Persistence(True, f"the oldest request concerned has waited {known[0]:.1f} s{youngest}", "")
    if seen:
        return Persistence(True, f"observed: {seen}", "")
    if known:
        return Persistence(False, None, f"of the requests concerned the youngest has waited {_short(known[-1])}, "
                           f"the oldest {_short(known[0])}, by the guest's clock")
    return Persistence(False, None, "how long the requests have waited is not known")


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if abs(seconds) >= 1 else f"{seconds * 1000:.0f} ms"
