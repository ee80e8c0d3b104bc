"""Synthetic pairs of captures between which a side went on: what waits for it now has not waited for long."""
from functools import partial
from typing import Any, Tuple

from tests.builders import pair

from .cases import Entry, fault, healthy, unsure
from .interrupts import several

MS = 1_000_000
AGELESS = {"guest_queue": {"in_flight": None}, "host_queue": {"held": None, "available": None}}


def at(place: int, returned: int = 0, posted: int = 0, **changes: Any) -> Any:
    """A queue at a place of the ring, with so much returned and not consumed, or posted and not popped."""
    return partial(pair, **{"avail": place + posted, "popped": place, "used": place, "last_used": place - returned,
                            "age_ns": 2 * MS, **changes})


ENTRIES: Tuple[Entry, ...] = (
    healthy("an interrupt is due, and the driver went on", several(at(100, 4), at(200, 4))),
    healthy("a kick is due, and the device went on", several(at(100, posted=2), at(200, posted=2))),
    healthy("the same where no ages are known", several(at(100, 4, **AGELESS), at(200, 4, **AGELESS))),
    fault("the driver went on, and has not for longer than any notification takes", "I0",
          several(at(100, 4), at(200, 4, age_ns=3_000 * MS))),
    fault("the driver stands, and the device goes on", "I0", several(at(100, 4), at(104, 8))),
    unsure("the driver went on, but long ago", "I0", several(at(100, 4, **AGELESS), at(200, 4, **AGELESS), seconds=40)),
)
