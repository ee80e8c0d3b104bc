"""Packed rings as the guest has them: positions, event areas and descriptors in words.

Source: virtio 1.2, 2.8; Linux drivers/virtio/virtio_ring.c (virtqueue_disable_cb_packed()).
"""
from typing import Any, List, Optional, Sequence

from ..snapshot.model import PackedEvent, Queue
from ..virtio import packed
from ..virtio.packed import EventSuppression, Position
from .guest_facts import last_used, next_avail, place
from .wide import fitting
from .words import hexadecimal, plural

LEGEND = ("Positions are offset:wrap counter.  interrupts: written by the driver, read by the device; when the driver "
          "wants an interrupt (device to driver).  kicks: written by the device, read by the driver; when the device "
          "wants a kick (driver to device).")
"""Which way the two event areas go, as the legend of split rings says it of their indexes."""

DESCRIPTORS = ("position", "id", "len", "addr", "flags", "in words")

DESCRIPTOR_LIMIT = 32
"""Descriptors of a queue shown at most."""


def event_words(event: Optional[PackedEvent]) -> Optional[str]:
    """When the writer of an event suppression area wants to be notified: `always`, `never`, `at 247:1`."""
    if event is None:
        return None
    if event.flags == packed.EVENT_DESC:
        return f"at {place(packed.decode_position(event.off_wrap))}"
    return {packed.EVENT_ENABLE: "always", packed.EVENT_DISABLE: "never"}.get(event.flags, f"flags {event.flags}")


def descriptors(queue: Queue) -> List[str]:
    """A block with the descriptors between the driver's two positions, oldest first; nothing where there are none."""
    found = queue.packed.descriptors if queue.packed is not None else None
    if not found:
        return []
    more = len(found) - DESCRIPTOR_LIMIT
    rest = f"\nand {more} more (all are in the JSON form)" if more > 0 else ""
    return [f"queue {queue.queue_index}: {plural(len(found), 'descriptor')} from last_used_idx to next_avail_idx:\n"
            + fitting(descriptor_rows(queue)[:DESCRIPTOR_LIMIT], DESCRIPTORS) + rest]


def descriptor_rows(queue: Queue) -> List[Sequence[Any]]:
    """One row a descriptor between the driver's two positions, oldest first."""
    used = last_used(queue)
    found = queue.packed.descriptors or () if queue.packed is not None else ()
    rows: List[Sequence[Any]] = []
    for one in found:
        # Beyond the end of the ring a lap begins, with the other wrap counter.
        at = None if used is None else Position(one.position, used.wrap ^ (one.position < used.offset))
        # The device writes id and flags, and the length where it has written into the buffer: the rest is left over.
        is_used = at is not None and packed.is_used(int(one.flags), at.wrap)
        length = None if is_used and not int(one.flags) & packed.DESC_F_WRITE else one.len
        rows.append((place(at) or str(one.position), one.id, length, None if is_used else hexadecimal(one.addr),
                     hexadecimal(one.flags), flag_words(int(one.flags), at)))
    return rows


def flag_words(flags: int, at: Optional[Position]) -> Optional[str]:
    """A descriptor's flags in words; whose it is only where its lap is known."""
    words = [name for bit, name in ((packed.DESC_F_NEXT, "NEXT"), (packed.DESC_F_WRITE, "WRITE"),
                                    (packed.DESC_F_INDIRECT, "INDIRECT")) if flags & bit]
    if at is not None:
        words.insert(0, "used" if packed.is_used(flags, at.wrap) else
                     "available" if packed.is_available(flags, at.wrap) else "of another lap")
    return " ".join(words) or None


def used_from(queue: Queue) -> str:
    """Where the used descriptors begin that the driver has not consumed."""
    used = last_used(queue)
    return "" if used is None else f", from position {place(used)} on"


def books(queue: Queue) -> List[str]:
    """Where the driver's copies differ from the ring, and its positions from its chains."""
    driver, ring, used, avail = queue.driver, queue.packed, last_used(queue), next_avail(queue)
    said = []
    if driver is None or ring is None:
        return []
    shadow, event = driver.event_flags_shadow, ring.driver_event
    # With event_triggered callbacks are disabled in the shadow alone: virtqueue_disable_cb_packed().
    if shadow not in (None, packed.EVENT_DISABLE) and event is not None and event.flags != shadow:
        said.append(f"event_flags_shadow {shadow} is not what the ring says: {event.flags} in the driver's event area")
    if used is not None and avail is not None and queue.size and driver.descriptors_in_use is not None:
        apart = packed.distance(avail, used, queue.size)
        if apart != driver.descriptors_in_use:
            said.append(f"last_used_idx {place(used)} and next_avail_idx {place(avail)} are "
                        f"{plural(apart, 'descriptor')} apart, and the chains in flight take "
                        f"{driver.descriptors_in_use}")
    return said


def interrupts(queue: Queue) -> List[str]:
    """Whether the device owed an interrupt for what the driver has not consumed, its callbacks being on."""
    used, event = last_used(queue), queue.packed.driver_event if queue.packed is not None else None
    end = _end_of_used(queue, used)
    if used is None or event is None or end is None or not queue.size:
        return []
    wanted = packed.decode_position(event.off_wrap)
    if event.flags == packed.EVENT_DESC and packed.position_problem(wanted, queue.size):
        return [f"the driver's event area is corrupt: {packed.position_problem(wanted, queue.size)}"]
    due = packed.is_due(EventSuppression(event.off_wrap, event.flags), end, used, queue.size)
    if due is None:
        return [f"the driver's event area holds the reserved flags {event.flags}"]
    if event.flags == packed.EVENT_DESC:
        if due:
            return [f"the device owed an interrupt when it wrote the used descriptor at {place(wanted)}: callbacks "
                    "are on, and that is one of the descriptors not consumed"]
        return [f"the driver asked for no interrupt for them: it wants one at {place(wanted)}, which is none of these"]
    if due:
        return ["the device owed an interrupt for them: callbacks are on, and the driver's event area says always"]
    return ["the driver asked for no interrupt: its event area says never"]


def _end_of_used(queue: Queue, used: Optional[Position]) -> Optional[Position]:
    """The position behind the used descriptors that the driver has not consumed."""
    taken = {one.head: one.descriptors for one in queue.in_flight or ()}
    lengths = [taken.get(entry.id) for entry in queue.used or ()]
    if used is None or not queue.size or None in lengths:
        return None
    total = sum(length or 0 for length in lengths)
    return packed.advance(used, total, queue.size) if total <= queue.size else None
