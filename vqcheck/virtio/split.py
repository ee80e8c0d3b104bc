"""The split virtqueue as it lies in memory: descriptor table, available ring and used ring.

Source: virtio 1.2, 2.7 "Split Virtqueues"; Linux include/uapi/linux/virtio_ring.h.  Sizes are in bytes.  The contents
come from memory that may be corrupt or hostile, so every walk is bounded and every index is checked.
"""
import struct
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

from .records import Records

MAX_SIZE = 32768
"""The largest split queue (virtio 1.2, 2.7)."""

DESC_F_NEXT = 1
DESC_F_WRITE = 2
DESC_F_INDIRECT = 4

DESC_BYTES = 16
USED_ELEMENT_BYTES = 8

ReadMemory = Callable[[int, int], bytes]


class Descriptor(NamedTuple):
    """struct vring_desc: one buffer, guest-physical (or an IOVA when ACCESS_PLATFORM is negotiated)."""

    addr: int
    len: int
    flags: int
    next: int


class AvailRing(NamedTuple):
    """struct vring_avail, with the `used_event` that follows it; the driver writes all of it."""

    flags: int
    idx: int
    ring: Tuple[int, ...]
    used_event: int


class UsedElement(NamedTuple):
    """struct vring_used_elem: a head that the device gave back and how many bytes it wrote into its buffers."""

    id: int
    len: int


class UsedRing(NamedTuple):
    """struct vring_used, with the `avail_event` that follows it; the device writes all of it."""

    flags: int
    idx: int
    ring: Sequence[UsedElement]
    avail_event: int


class Chain(NamedTuple):
    """A descriptor chain: the buffers of one request, in order."""

    head: int
    descriptors: Tuple[Descriptor, ...]
    indirect: bool
    problem: Optional[str]
    """Why the walk ended early, or None when the chain is whole."""


def size_problem(num: int) -> Optional[str]:
    """Why `num` can't be the size of a split queue, or None when it can (virtio 1.2, 2.7: a power of two)."""
    if not 1 <= num <= MAX_SIZE:
        return f"queue size {num} is outside 1..{MAX_SIZE}"
    if num & (num - 1):
        return f"queue size {num} is not a power of two, as a split ring must be"
    return None


def desc_bytes(num: int) -> int:
    """Size of the descriptor table of a queue of `num` entries."""
    return DESC_BYTES * num


def avail_bytes(num: int) -> int:
    """Size of the available ring with flags, idx and used_event."""
    return 6 + 2 * num


def used_bytes(num: int) -> int:
    """Size of the used ring with flags, idx and avail_event."""
    return 6 + USED_ELEMENT_BYTES * num


def _format(order: str, rest: str) -> str:
    return (">" if order == "big" else "<") + rest


def decode_descriptors(raw: bytes, order: str = "little") -> Sequence[Descriptor]:
    """The descriptors in `raw`; an incomplete one at the end is ignored."""
    return Records(Descriptor, _format(order, "QIHH"), raw)


def decode_avail(raw: bytes, num: int, order: str = "little") -> AvailRing:
    """Decode `avail_bytes(num)` bytes.  Raises ValueError when `raw` is shorter."""
    if len(raw) < avail_bytes(num):
        raise ValueError(f"an available ring of {num} takes {avail_bytes(num)} bytes, not {len(raw)}")
    words = struct.unpack_from(_format(order, f"{num + 3}H"), raw)
    return AvailRing(words[0], words[1], tuple(words[2:-1]), words[-1])


def decode_used(raw: bytes, num: int, order: str = "little") -> UsedRing:
    """Decode `used_bytes(num)` bytes.  Raises ValueError when `raw` is shorter."""
    if len(raw) < used_bytes(num):
        raise ValueError(f"a used ring of {num} takes {used_bytes(num)} bytes, not {len(raw)}")
    flags, idx = struct.unpack_from(_format(order, "HH"), raw)
    end = 4 + USED_ELEMENT_BYTES * num
    (event,) = struct.unpack_from(_format(order, "H"), raw, end)
    return UsedRing(flags, idx, Records(UsedElement, _format(order, "II"), raw[4:end]), event)


def walk_chain(table: Sequence[Descriptor], head: int, read: Optional[ReadMemory] = None,
               order: str = "little") -> Chain:
    """Follow the descriptor chain that starts at `head`.

    `read(address, size)` reads an indirect table; without it an indirect chain holds its one outer descriptor.
    A chain that leaves the table, loops or mixes directions ends with its `problem` (virtio 1.2, 2.7.5; the
    messages of QEMU's hw/virtio/virtio.c, virtqueue_split_pop() name the same faults).
    """
    if not 0 <= head < len(table):
        return Chain(head, (), False, f"head {head} is outside the table of {len(table)}")
    descriptors, problem = _follow(table, head)
    if problem is None and descriptors[-1].flags & DESC_F_INDIRECT:  # one indirect table may end a chain
        return _with_table(head, descriptors, read, order)
    return Chain(head, descriptors, False, problem)


def _with_table(head: int, outer: Tuple[Descriptor, ...], read: Optional[ReadMemory], order: str) -> Chain:
    last = outer[-1]
    if last.len == 0 or last.len % DESC_BYTES or last.len > DESC_BYTES * MAX_SIZE:
        return Chain(head, outer, True, f"an indirect table of {last.len} bytes")
    if read is None:
        return Chain(head, outer, True, None)
    inner, problem = _follow(decode_descriptors(read(last.addr, last.len), order), 0)
    if any(descriptor.flags & DESC_F_INDIRECT for descriptor in inner):
        problem = "an indirect table inside an indirect table"
    return Chain(head, outer[:-1] + inner, True, problem)


def _follow(table: Sequence[Descriptor], start: int) -> Tuple[Tuple[Descriptor, ...], Optional[str]]:
    found: List[Descriptor] = []
    at = start
    while True:
        if len(found) == len(table):
            return tuple(found), "the chain loops"
        descriptor = table[at]
        if found and found[-1].flags & DESC_F_WRITE and not descriptor.flags & DESC_F_WRITE:
            return tuple(found), "a device-readable descriptor follows a device-writable one"
        found.append(descriptor)
        if descriptor.flags & DESC_F_INDIRECT and descriptor.flags & DESC_F_NEXT:
            return tuple(found), "an indirect descriptor also has NEXT set"
        if not descriptor.flags & DESC_F_NEXT:
            return tuple(found), None
        at = descriptor.next
        if at >= len(table):
            return tuple(found), f"next {at} is outside the table of {len(table)}"
