"""The ring as QEMU finds it in guest RAM, through its own mapping.

Source: QEMU hw/virtio/virtio.c (struct VRing, struct VRingMemoryRegionCaches), include/exec/memory.h
(struct MemoryRegionCache; since QEMU 10.1 include/system/memory_cached.h).
"""
from typing import List, Optional, Tuple

from ..snapshot.device_model import AvailEntry, DeviceState
from ..snapshot.kinds import Hex
from ..snapshot.model import PackedDescriptor, PackedEvent, PackedRing, RingState
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported, NullPointer, TargetError
from ..target.target import Target
from ..target.view import View
from ..virtio import event, packed, split
from ..virtio.packed import Position

Available = Optional[List[AvailEntry]]


class Areas:
    """The three areas of a queue in guest RAM."""

    def __init__(self, target: Target, queue: View) -> None:
        """Raises NullPointer for a queue that QEMU has not mapped."""
        self._target = target
        self._caches = queue.follow("struct VRingMemoryRegionCaches", "vring.caches")

    def read(self, area: str, size: int) -> bytes:
        """Bytes of `desc`, `avail` or `used`.

        The event index lies behind an area's nominal end; QEMU maps it only when EVENT_IDX is negotiated
        (virtio_queue_get_used_size()), but it is read here either way, as the page holds it.
        """
        pointer = self._caches.pointer(f"{area}.ptr")
        if pointer == 0:
            raise NullPointer(f"QEMU's mapping of the {area} ring")
        return self._target.read(pointer, size)


def read_split(target: Target, queue: View, num: int, order: str, live: bool,
               absent: Absences) -> Tuple[Optional[RingState], Available]:
    """A split ring, and what waits in it for the device; `live`: QEMU's own indexes are those of now."""
    try:
        areas = Areas(target, queue)
        avail = split.decode_avail(areas.read("avail", split.avail_bytes(num)), num, order)
        used = split.decode_used(areas.read("used", split.used_bytes(num)), num, order)
    except TargetError as problem:
        absent["ring"] = absent["available"] = str(problem)
        return None, None
    state = RingState(avail.flags, avail.idx, avail.used_event, used.flags, used.idx, used.avail_event)
    if not live:
        absent["available"] = NOT_LIVE
        return state, None
    seen = queue.uint("last_avail_idx")
    waiting = event.distance(avail.idx, seen)
    if waiting > num:
        absent["available"] = f"avail->idx {avail.idx} is {waiting} ahead of last_avail_idx {seen} in a ring of {num}"
        return state, None
    entries = [(seen + step) & event.MASK for step in range(waiting)]
    return state, [AvailEntry(idx, avail.ring[idx % num]) for idx in entries]


NOT_LIVE = "not known: vhost serves the queue, and only it knows how far it has come"


def read_packed(target: Target, queue: View, num: int, device: DeviceState, live: bool,
                absent: Absences) -> Tuple[Optional[PackedRing], Available]:
    """A packed ring, and what waits in it for the device."""
    lacking = Absences()
    try:
        areas = Areas(target, queue)
        driver_event = lacking.take("driver_event", _event, areas, "avail")
        device_event = lacking.take("device_event", _event, areas, "used")
        ring = packed.decode_descriptors(areas.read("desc", packed.ring_bytes(num)))
    except TargetError as problem:
        absent["packed"] = absent["available"] = str(problem)
        return None, None
    shared = PackedRing(driver_event, device_event, None, dict(lacking))
    if not live:
        absent["available"] = lacking["descriptors"] = NOT_LIVE
        return shared._replace(absent=dict(lacking)), None
    places = absent.take("available", _positions, device, num)
    if places is None:
        lacking["descriptors"] = absent["available"]
        return shared._replace(absent=dict(lacking)), None
    used, seen = places
    chains = packed.available_chains(ring, seen)
    entries = [AvailEntry(one.start.offset, one.id or 0) for one in chains if one.problem is None]
    if chains and chains[-1].problem:
        absent["available"] = f"the buffer at position {chains[-1].start.offset} is damaged: {chains[-1].problem}"
    end = packed.advance(seen, sum(one.taken for one in chains), num)
    steps = min(packed.distance(end, used, num), num)
    descriptors = [_descriptor(ring[place.offset], place)
                   for place in (packed.advance(used, step, num) for step in range(steps))]
    return shared._replace(descriptors=descriptors), None if "available" in absent else entries


def _event(areas: Areas, area: str) -> PackedEvent:
    """An event suppression area: the driver's lies where a split queue has its available ring, the device's in the
    place of the used ring."""
    found = packed.decode_event(areas.read(area, packed.EVENT_BYTES))
    return PackedEvent(found.off_wrap, found.flags)


def _positions(device: DeviceState, num: int) -> Tuple[Position, Position]:
    """Where the device returns the next buffer, and where it pops the next one."""
    known = (device.used_idx, device.used_wrap_counter, device.last_avail_idx, device.last_avail_wrap_counter)
    used, used_wrap, avail, avail_wrap = known
    if used is None or used_wrap is None or avail is None or avail_wrap is None:
        raise NotSupported("the device's positions in the ring are not known")
    places = Position(used, int(used_wrap)), Position(avail, int(avail_wrap))
    for place in places:
        problem = packed.position_problem(place, num)
        if problem:
            raise Corrupt(problem)
    if packed.distance(places[1], places[0], num) > num:
        raise Corrupt(f"last_avail_idx {avail} (wrap counter {avail_wrap:d}) and used_idx {used} (wrap counter "
                      f"{used_wrap:d}) are more than one lap of {num} apart")
    return places


def _descriptor(one: packed.Descriptor, place: Position) -> PackedDescriptor:
    return PackedDescriptor(place.offset, Hex(one.addr), one.len, one.id, Hex(one.flags))
