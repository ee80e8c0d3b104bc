"""What split and packed rings have in common in struct vring_virtqueue.

Source: Linux drivers/virtio/virtio_ring.c (enum vq_layout, virtqueue_get_desc_addr() and its like).
"""
from typing import List, NamedTuple, Optional, Sequence

from ..snapshot.request_model import Request
from ..target.errors import Corrupt, TargetError
from ..target.target import Target
from ..target.view import View
from ..virtio import features

PACKED = 1
IN_ORDER = 2


def layout_bits(queue: View) -> int:
    """The queue's layout as the bits PACKED and IN_ORDER.  Raises TargetError."""
    if queue.has("packed_ring"):
        return PACKED if queue.flag("packed_ring") else 0
    if queue.has("layout"):  # f6a15d854986 "virtio_ring: add in order support", in Linux 7.2
        value = queue.uint("layout")
        if value > PACKED | IN_ORDER:
            raise Corrupt(f"the queue's layout is {value}")
        return value
    return 0  # before Linux 5.0 there was no other layout than split


def space(mask: Optional[int]) -> str:
    """What kind of addresses the rings have: `physical`, or `iova` behind an IOMMU."""
    return "iova" if mask is not None and features.has(mask, features.ACCESS_PLATFORM) else "physical"


NO_BATCH = 0xFFFFFFFF
"""vring_virtqueue.batch_last.id while the driver is in no batch: UINT_MAX."""


class Batch(NamedTuple):
    """The rest of a batch that the driver has begun to consume: what it keeps of the one used entry for all of it."""

    last: int
    """The head, or buffer id, of the last buffer in it."""
    len: int
    """Bytes that the device wrote into that one."""


def begun_batch(queue: View) -> Optional[Batch]:
    """Where an in-order queue's driver stands inside a batch; None outside of one.  Raises TargetError.

    Source: Linux virtqueue_get_buf_ctx_split_in_order() and virtqueue_get_buf_ctx_packed_in_order().
    """
    last = queue.uint("batch_last.id")
    return None if last == NO_BATCH else Batch(last, queue.uint("batch_last.len"))


class FreeList(NamedTuple):
    """The driver's list of free descriptors, walked."""

    length: int
    problem: Optional[str]


def walk_free_list(following: Sequence[int], head: int, num_free: int) -> FreeList:
    """Follow `following[head]` for as many descriptors as the driver says are free.

    The list has no end mark, its last link is whatever was there before: so a list that is whole is one whose first
    `num_free` entries are all different and inside the table (detach_buf_split(), virtqueue_add_split()).
    """
    size = len(following)
    seen = bytearray(size)
    at = head
    for length in range(num_free):
        if not 0 <= at < size:
            return FreeList(length, f"it leads to descriptor {at} in a queue of {size}")
        if seen[at]:
            return FreeList(length, f"it comes back to descriptor {at}")
        seen[at] = 1
        at = following[at]
    return FreeList(num_free, None)


def states(target: Target, outer: View, layout: str, num: int) -> List[bytes]:
    """The driver's array of one state a head, `split.desc_state` or `packed.desc_state`, as bytes."""
    kind = f"struct vring_desc_state_{layout}"
    size = target.size_of(kind)
    raw = target.read(outer.pointer(f"{layout}.desc_state"), size * num)
    return [raw[at:at + size] for at in range(0, len(raw), size)]


def without_chains(found: List[Request], problem: TargetError) -> List[Request]:
    """The requests, of whose chains nothing is known."""
    return [one._replace(absent={**one.absent, "descriptors": str(problem)}) for one in found]
