"""The ring in guest memory, as far as it can be read without knowing more than QMP tells."""
from typing import List, Optional, Tuple

from ...snapshot.device_model import AvailEntry
from ...snapshot.model import PackedEvent, PackedRing, Rings, RingState
from ...target.absence import Absences
from ...target.errors import NotSupported, TargetError
from ...virtio import event, packed, split
from ..ring import NOT_LIVE
from .memory import Area, GuestMemory

Available = Optional[List[AvailEntry]]

IOVA = ("the ring lies at addresses behind an IOMMU (ACCESS_PLATFORM), and QMP reads guest-physical memory only")
NO_WRAP = "QMP does not tell the wrap counters, without which positions in a packed ring are ambiguous"

WORD = 2
RING = 4
"""Where the entries of a split ring's two areas begin, behind flags and idx."""


def read_split(memory: GuestMemory, rings: Rings, num: int, order: Optional[str], seen: Optional[int],
               absent: Absences) -> Tuple[Optional[RingState], Available]:
    """A split ring, and what waits in it for the device.

    order: byte order of the ring, None where it is not known.
    seen: last_avail_idx, None where it is not that of now.
    """
    try:
        if order is None:
            raise NotSupported("the byte order of the ring is not known")
        avail = _area(memory, rings, rings.avail, split.avail_bytes(num))
        used = _area(memory, rings, rings.used, split.used_bytes(num))
        avail_flags, avail_idx = _words(avail, 0, 2, order)
        used_flags, used_idx = _words(used, 0, 2, order)
        (used_event,) = _words(avail, RING + WORD * num, 1, order)
        (avail_event,) = _words(used, RING + split.USED_ELEMENT_BYTES * num, 1, order)
    except TargetError as problem:
        absent["ring"] = absent["available"] = str(problem)
        return None, None
    state = RingState(avail_flags, avail_idx, used_event, used_flags, used_idx, avail_event)
    return state, absent.take("available", _available, avail, num, order, seen, avail_idx)


def _available(area: Area, num: int, order: str, seen: Optional[int], idx: int) -> List[AvailEntry]:
    """The heads between last_avail_idx and avail->idx."""
    if seen is None:
        raise NotSupported(NOT_LIVE)
    waiting = event.distance(idx, seen)
    if waiting > num:
        raise NotSupported(f"avail->idx {idx} is {waiting} ahead of last_avail_idx {seen} in a ring of {num}")
    heads: List[int] = []
    while len(heads) < waiting:  # twice at most: up to the end of the ring, and on from its start
        place = (seen + len(heads)) % num
        heads += _words(area, RING + WORD * place, min(waiting - len(heads), num - place), order)
    return [AvailEntry((seen + step) & event.MASK, head) for step, head in enumerate(heads)]


def _words(area: Area, offset: int, count: int, order: str) -> List[int]:
    raw = area.read(offset, WORD * count)
    return [int.from_bytes(raw[at:at + WORD], "big" if order == "big" else "little")
            for at in range(0, len(raw), WORD)]


def _area(memory: GuestMemory, rings: Rings, address: int, size: int) -> Area:
    if rings.space != "physical":
        raise NotSupported(IOVA)
    return memory.area(address, size)


def read_packed(memory: GuestMemory, rings: Rings, absent: Absences) -> Optional[PackedRing]:
    """The event areas of a packed ring: its descriptors mean nothing without wrap counters."""
    absent["available"] = NO_WRAP
    lacking = Absences({"descriptors": NO_WRAP})
    shared = PackedRing(lacking.take("driver_event", _event, memory, rings, rings.avail),
                        lacking.take("device_event", _event, memory, rings, rings.used))
    if shared.driver_event is None and shared.device_event is None:
        absent["packed"] = lacking["driver_event"]
        return None
    return shared._replace(absent=dict(lacking))


def _event(memory: GuestMemory, rings: Rings, address: int) -> PackedEvent:
    found = packed.decode_event(_area(memory, rings, address, packed.EVENT_BYTES).read(0, packed.EVENT_BYTES))
    return PackedEvent(found.off_wrap, found.flags)
