"""VIRTIO_F_IN_ORDER: elements that the device has finished and not returned, because one before them is not finished.

QEMU notes each popped element in VirtQueue.used_elems, at the place of its available entry, and marks it there when it
is filled; a flush returns those from used_idx on that are marked.  Nothing else of QEMU's has such an element any more.
Source: QEMU hw/virtio/virtio.c, virtqueue_ordered_fill(), virtqueue_ordered_flush() (since commit b44135daa3, 9.1).
"""
from typing import Iterator, NamedTuple

from ..snapshot.device_model import DeviceState
from ..snapshot.held_model import Held, HeldRequest
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.view import View
from ..virtio import features
from .models.base import ELEMENT, element, of_element

WAITS = "in order"
UNFLUSHED = "unflushed"
DETAILS = {WAITS: "done, waits for its turn", UNFLUSHED: "done, its turn has come"}
LOOKED_IN = "elements that are done out of order (VirtQueue.used_elems)"


class Noted(NamedTuple):
    """A popped element in QEMU's book."""

    element: View
    filled: bool


def with_finished(held: Held, queue: View, num: int, device: DeviceState, negotiated: int) -> Held:
    """All that has the queue's elements, those that are done besides."""
    if not features.has(negotiated, features.IN_ORDER) or not device.inuse:
        return held
    try:
        requests = list(_finished(_noted(queue, num, device)))
    except TargetError as problem:
        return held._replace(complete=False, absent={**held.absent, "complete": str(problem)})
    return held._replace(requests=[*held.requests, *requests], looked_in=[*held.looked_in, LOOKED_IN])


def _noted(queue: View, num: int, device: DeviceState) -> Iterator[Noted]:
    """The elements that were popped and not returned, in the order of the ring.  Raises TargetError."""
    target, left, used = queue.target, device.inuse, device.used_idx
    if left is None or used is None:
        raise NotSupported("the device's place in the ring is not known")
    elements, size, place = queue.pointer("used_elems"), target.size_of(ELEMENT), used % num
    while left > 0:
        one = element(target, elements + place * size)
        taken = one.uint("ndescs")
        if not 0 < taken <= min(left, num):
            raise Corrupt(f"VirtQueue.used_elems[{place}] takes {taken} descriptors, {left} are in use")
        yield Noted(one, one.flag("in_order_filled"))
        left, place = left - taken, (place + taken) % num


def _finished(book: Iterator[Noted]) -> Iterator[HeldRequest]:
    holder = UNFLUSHED
    for one in book:
        if one.filled:
            yield of_element(one.element, DETAILS[holder], holder)
        else:
            holder = WAITS
