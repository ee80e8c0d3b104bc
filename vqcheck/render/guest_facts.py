"""What the guest's own fields say of a queue, put together: the numbers under tables and sentences."""
from typing import NamedTuple, Optional

from ..snapshot.model import Device, Queue
from ..virtio import packed
from ..virtio.devices import POLLED, queue_class
from ..virtio.event import distance
from ..virtio.packed import Position

MAX_SPLIT = 0x8000
"""The largest split queue (virtio 1.2, 2.7)."""

OLD_NS = 1_000_000_000
"""An age from which a request stands out, as no healthy disk takes that long for most of its requests."""


class Progress(NamedTuple):
    """How far a queue is, in entries: chains, not descriptors.  None where it is not known."""

    outstanding: Optional[int] = None
    """Handed to the device and not got back by the driver."""
    completed: Optional[int] = None
    """Of these, returned by the device."""
    contradiction: Optional[str] = None
    """Why the indexes can't be right; then nothing is derived from them."""


def progress(queue: Queue) -> Progress:
    """How far a queue is, by its indexes where it is split, by its lists where it is packed."""
    return _packed(queue) if queue.layout == "packed" else _split(queue)


def kind_of(device: Device, queue: Queue) -> str:
    """How the queue looks when all is well: one of the classes of vqcheck/virtio/devices.py."""
    return POLLED if is_polled(queue) else queue_class(device.device_id, queue.role)


def is_polled(queue: Queue) -> bool:
    """Whether the driver gave the queue no callback: no interrupt of it is ever handled."""
    return queue.driver is not None and queue.driver.callback is None and "callback" not in queue.driver.absent


def callbacks_on(queue: Queue) -> Optional[bool]:
    """Whether the driver wants interrupts, by its own copy; None where that is not known."""
    driver = queue.driver
    if driver is None:
        return None
    if queue.layout == "packed":
        return None if driver.event_flags_shadow is None else driver.event_flags_shadow != packed.EVENT_DISABLE
    return None if driver.avail_flags_shadow is None else not driver.avail_flags_shadow & 1


def oldest_ns(queue: Queue) -> Optional[int]:
    """Age of the oldest request in flight, in nanoseconds; None where no age is known."""
    return max((one.age_ns for one in queue.in_flight or () if one.age_ns is not None), default=None)


def last_used(queue: Queue) -> Optional[Position]:
    """Where the driver looks for the next used descriptor of a packed ring."""
    driver = queue.driver
    if driver is None or driver.last_used_idx is None or driver.used_wrap_counter is None:
        return None
    return Position(driver.last_used_idx, int(driver.used_wrap_counter))


def next_avail(queue: Queue) -> Optional[Position]:
    """Where the driver puts the next descriptor of a packed ring."""
    driver = queue.driver
    if driver is None or driver.next_avail_idx is None or driver.avail_wrap_counter is None:
        return None
    return Position(driver.next_avail_idx, int(driver.avail_wrap_counter))


def _split(queue: Queue) -> Progress:
    driver, ring = queue.driver, queue.ring
    if driver is None or ring is None or driver.last_used_idx is None or driver.avail_idx_shadow is None:
        return Progress(None if queue.in_flight is None else len(queue.in_flight),
                        None if queue.used is None else len(queue.used))
    completed = distance(ring.used_idx, driver.last_used_idx)
    outstanding = distance(driver.avail_idx_shadow, driver.last_used_idx)
    size = queue.size or MAX_SPLIT
    if completed > size or outstanding > size or completed > outstanding:
        return Progress(contradiction=f"last_used_idx {driver.last_used_idx}, used->idx {ring.used_idx}, "
                        f"avail_idx_shadow {driver.avail_idx_shadow} in a queue of {size}")
    return Progress(outstanding, completed)


def _packed(queue: Queue) -> Progress:
    used, avail, size = last_used(queue), next_avail(queue), queue.size or 0
    if used is not None and avail is not None and size:
        apart = packed.distance(avail, used, size)
        if max(used.offset, avail.offset) >= size or apart > size:
            return Progress(contradiction=f"last_used_idx {place(used)}, next_avail_idx {place(avail)} in a ring of "
                            f"{size}")
    return Progress(None if queue.in_flight is None else len(queue.in_flight),
                    None if queue.used is None else len(queue.used))


def place(position: Optional[Position]) -> Optional[str]:
    """`247:1`: a position in a packed ring and the wrap counter of its lap."""
    return None if position is None else f"{position.offset}:{position.wrap}"
