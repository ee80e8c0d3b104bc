"""What QEMU's own fields say of a queue, put together: the numbers under tables and sentences of the host's side."""
from typing import List, NamedTuple, Optional

from ..snapshot.held_model import HeldRequest
from ..snapshot.model import Device, Queue
from ..virtio import packed
from ..virtio.devices import queue_class
from ..virtio.event import distance
from ..virtio.packed import Position

MAX_SPLIT = 0x8000
"""The largest split queue (virtio 1.2, 2.7)."""

OLD_NS = 1_000_000_000
"""An age from which a request stands out."""


class Progress(NamedTuple):
    """How far a queue is; None where it is not known."""

    posted: Optional[int] = None
    """Entries that the device has not popped."""
    held: Optional[int] = None
    """Popped and not returned: entries, in a packed ring descriptors."""
    contradiction: Optional[str] = None
    """Why the indexes can't be right; then nothing is derived from them."""


def progress(queue: Queue) -> Progress:
    """How far the device is, by its indexes and the ring."""
    return _packed(queue) if queue.layout == "packed" else _split(queue)


def _split(queue: Queue) -> Progress:
    ring, device = queue.ring, queue.device
    if device is None:
        return Progress()
    popped, used = device.last_avail_idx, device.used_idx
    if ring is None or popped is None or used is None:
        return Progress(held=device.inuse)
    size = queue.size or MAX_SPLIT
    posted, held = distance(ring.avail_idx, popped), distance(popped, used)
    if posted > size or held > size:
        return Progress(contradiction=f"avail->idx {ring.avail_idx}, last_avail_idx {popped}, used_idx {used} in a "
                                      f"queue of {size}")
    return Progress(posted, held)


def _packed(queue: Queue) -> Progress:
    if queue.device is None:
        return Progress()
    return Progress(None if queue.available is None else len(queue.available), queue.device.inuse)


def class_of(device: Device, queue: Queue) -> str:
    """How such a queue looks when all is well: one of the classes of vqcheck/virtio/devices.py."""
    return queue_class(device.device_id, queue.role)


def position(offset: Optional[int], wrap: Optional[bool]) -> Optional[str]:
    """A position in a packed ring as `12:1`, with its wrap counter."""
    if offset is None:
        return None
    return f"{offset}:{'-' if wrap is None else int(wrap)}"


def used_ahead(queue: Queue) -> Optional[int]:
    """How far used_idx is ahead of signalled_used, in entries or descriptors; None where that means nothing."""
    device = queue.device
    if device is None or device.used_idx is None or device.signalled_used is None or not device.signalled_used_valid:
        return None
    if queue.layout != "packed":
        return distance(device.used_idx, device.signalled_used)
    if device.used_wrap_counter is None or not queue.size:
        return None
    now = Position(device.used_idx, int(device.used_wrap_counter))
    return packed.distance(now, packed.latest(device.signalled_used, now), queue.size)


def held_requests(queue: Queue) -> List[HeldRequest]:
    """The requests of a queue that were found, oldest first."""
    return queue.held.requests if queue.held is not None else []


def oldest_ns(queue: Queue) -> Optional[int]:
    """Age of the oldest request that the device holds; None where no age is known."""
    return max((one.age_ns for one in held_requests(queue) if one.age_ns is not None), default=None)


def vhost_serves(device: Device) -> bool:
    """Whether QEMU's own indexes are not live."""
    return device.host is not None and bool(device.host.vhost_started)
