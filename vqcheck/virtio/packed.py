"""The packed virtqueue: one ring of descriptors that driver and device both write, positions in it, event suppression.

A place in the ring is a `Position`: an offset and the wrap counter of the lap.  Positions lie on a circle of two laps,
so that all arithmetic here is modulo twice the queue's size, which need not be a power of two.

There is no byte order to choose, as there is for split rings: feature bit 34 lies beyond the 32 bits of a legacy
device, so whoever negotiates it has VERSION_1 too, and every field is little-endian.

Source: virtio 1.2, 2.8 "Packed Virtqueues"; Linux include/uapi/linux/virtio_ring.h (struct vring_packed_desc and
vring_packed_desc_event) and drivers/virtio/virtio_ring.c; QEMU hw/virtio/virtio.c.  Sizes are in bytes.  The contents
come from memory that may be corrupt or hostile, so every walk is bounded and every index is checked.
"""
import struct
from typing import Callable, List, NamedTuple, Optional, Sequence, Set, Tuple

from .records import Records
from .split import ReadMemory

MAX_SIZE = 32768
"""The largest packed queue (virtio 1.2, 2.8): an offset has 15 bits."""

DESC_F_NEXT = 1
DESC_F_WRITE = 2
DESC_F_INDIRECT = 4
DESC_F_AVAIL = 1 << 7
DESC_F_USED = 1 << 15

EVENT_ENABLE = 0
EVENT_DISABLE = 1
EVENT_DESC = 2
"""Notify when one descriptor is passed; only with EVENT_IDX.  The value 3 is reserved (virtio 1.2, 2.8.10)."""

WRAP_BIT = 15
"""VRING_PACKED_EVENT_F_WRAP_CTR: the bit of a 16-bit position that holds the wrap counter."""

DESC_BYTES = 16
EVENT_BYTES = 4


class Descriptor(NamedTuple):
    """struct vring_packed_desc.

    addr: of the buffer; nothing once the device has used the descriptor.
    len: bytes of the buffer; in a used descriptor the bytes that the device wrote, if WRITE is set.
    id: buffer id, chosen by the driver.
    flags: NEXT, WRITE, INDIRECT, AVAIL and USED.
    """

    addr: int
    len: int
    id: int
    flags: int


class EventSuppression(NamedTuple):
    """struct vring_packed_desc_event: when its writer wants to be notified.

    The one in the driver area is written by the driver and gates interrupts (device to driver); the one in the device
    area is written by the device and gates kicks (driver to device).

    off_wrap: a position; means something with flags EVENT_DESC only.
    flags: EVENT_ENABLE, EVENT_DISABLE or EVENT_DESC.
    """

    off_wrap: int
    flags: int


class Position(NamedTuple):
    """Where one side stands in the ring.

    offset: of the next descriptor, in descriptors.
    wrap: wrap counter of this lap, 0 or 1; both sides begin at offset 0 with wrap 1.
    """

    offset: int
    wrap: int


class Chain(NamedTuple):
    """The descriptors of one available buffer, in order.

    start: position of its first descriptor.
    id: buffer id, from the last descriptor in the ring; None when the walk did not get there.
    descriptors: the buffer's elements, those of an indirect table in place of the descriptor that names it.
    taken: descriptors of the ring that it takes.
    indirect: whether it has an indirect table.
    problem: why the walk ended early, or None when the chain is whole.
    """

    start: Position
    id: Optional[int]
    descriptors: Tuple[Descriptor, ...]
    taken: int
    indirect: bool
    problem: Optional[str]


class UsedBuffer(NamedTuple):
    """One buffer that the device gave back.

    position: where the device wrote, or with IN_ORDER would have written, its used descriptor.
    id: buffer id.
    len: bytes that the device wrote into the buffer; None when it did not say, which it does in a descriptor of its
        own with WRITE set only.
    taken: descriptors of the ring that the buffer took.
    """

    position: Position
    id: int
    len: Optional[int]
    taken: int


class UsedRun(NamedTuple):
    """Buffers that the device gave back and the driver has not consumed, oldest first.

    end: where the walk ended: with no problem, where the device writes its next used descriptor.
    problem: why the walk ended early, or None.
    """

    buffers: Tuple[UsedBuffer, ...]
    end: Position
    problem: Optional[str]


def size_problem(num: int) -> Optional[str]:
    """Why `num` can't be the size of a packed queue, or None when it can (virtio 1.2, 2.8: any up to 2**15)."""
    if not 1 <= num <= MAX_SIZE:
        return f"queue size {num} is outside 1..{MAX_SIZE}"
    return None


def ring_bytes(num: int) -> int:
    """Size of the descriptor ring of a queue of `num` entries; each event suppression area takes EVENT_BYTES."""
    return DESC_BYTES * num


def decode_descriptors(raw: bytes) -> Sequence[Descriptor]:
    """The descriptors in `raw`; an incomplete one at the end is ignored."""
    return Records(Descriptor, "<QIHH", raw)


def decode_event(raw: bytes) -> EventSuppression:
    """Decode EVENT_BYTES bytes.  Raises ValueError when `raw` is shorter."""
    if len(raw) < EVENT_BYTES:
        raise ValueError(f"an event suppression area takes {EVENT_BYTES} bytes, not {len(raw)}")
    return EventSuppression(*struct.unpack_from("<HH", raw))


def is_available(flags: int, wrap: int) -> bool:
    """Whether a descriptor is available to a device whose wrap counter is `wrap`: AVAIL equals it, USED does not.

    It stays so after the device has taken it, until a used descriptor is written over it.
    """
    return bool(flags & DESC_F_AVAIL) == bool(wrap) and bool(flags & DESC_F_USED) != bool(wrap)


def is_used(flags: int, wrap: int) -> bool:
    """Whether a descriptor is used, for a driver whose wrap counter is `wrap`: AVAIL and USED both equal it."""
    return bool(flags & DESC_F_AVAIL) == bool(flags & DESC_F_USED) == bool(wrap)


def decode_position(word: int) -> Position:
    """A position in 16 bits: bit 15 is the wrap counter.

    So lie `off_wrap` of the event suppression areas and Linux's `vring_virtqueue.last_used_idx`.  The latter since
    Linux 6.0 (a7722890fdfb, also in later stable kernels of older series): before it was the plain offset, beside
    `packed.used_wrap_counter`.  Take `Position(last_used_idx, used_wrap_counter)` where that member exists.
    """
    return Position(word & ~(1 << WRAP_BIT) & 0xFFFF, word >> WRAP_BIT & 1)


def encode_position(position: Position) -> int:
    """The 16 bits of a position, as `decode_position` takes them."""
    return position.offset | position.wrap << WRAP_BIT


def position_problem(position: Position, num: int) -> Optional[str]:
    """Why `position` can't be one in a queue of `num` entries, or None when it can."""
    if not 0 <= position.offset < num:
        return f"position {position.offset} is outside the ring of {num}"
    return None


def advance(position: Position, count: int, num: int) -> Position:
    """The position `count` descriptors later, or earlier when `count` is negative."""
    laps, offset = divmod(position.offset + count, num)
    return Position(offset, (position.wrap + laps) & 1)


def distance(newer: Position, older: Position, num: int) -> int:
    """How many descriptors lie between two positions: 0 (empty) to `num` (full, one lap).

    Wrap counters tell empty and full apart, offsets alone would not.  Beyond one lap nothing is known: the count is
    modulo 2 * num, and more than `num` means that `newer` is in fact the older one, or that one of them is wrong.
    """
    lap = num if newer.wrap != older.wrap else 0
    return (newer.offset - older.offset + lap) % (2 * num)


def signed_distance(newer: Position, older: Position, num: int) -> int:
    """As `distance`, but negative, down to `1 - num`, where `newer` is in fact the older one."""
    apart = distance(newer, older, num)
    return apart - 2 * num if apart > num else apart


def latest(offset: int, newer: Position) -> Position:
    """The last position with this offset that is not after `newer`.

    It gives a bare offset its lap back.  QEMU keeps no wrap counter with `signalled_used`, whose owner stands at
    used_idx: since 7.0 (750539c4c4) it clears `signalled_used_valid` whenever used_idx begins a lap.
    """
    return Position(offset, newer.wrap if offset <= newer.offset else 1 - newer.wrap)


def need_event(event: Position, new: Position, old: Position, num: int) -> bool:
    """Whether moving from `old` to `new` passes `event`, so that a notification is owed.

    True exactly when `event` lies in the half-open interval [old, new), of at most one lap.  An event of the other
    lap counts as one lap back, never ahead.  The same as vring_need_event() after `event - num` for an event of
    the other lap: Linux virtqueue_kick_prepare_packed(), where old is `num_added` before `next_avail_idx`; QEMU
    vring_packed_need_event(), where old is `signalled_used` and new is `used_idx`.
    """
    return distance(event, old, num) < distance(new, old, num)


def is_due(event: EventSuppression, new: Position, old: Position, num: int) -> Optional[bool]:
    """Whether moving from `old` to `new` owes a notification to the writer of `event`, or None for reserved flags.

    `num` is the queue's size; the positions and its own off_wrap must lie in the ring, or the answer means nothing.
    """
    if event.flags == EVENT_DESC:
        return need_event(decode_position(event.off_wrap), new, old, num)
    if event.flags in (EVENT_ENABLE, EVENT_DISABLE):
        return event.flags == EVENT_ENABLE and new != old
    return None


def walk_chain(ring: Sequence[Descriptor], start: Position, read: Optional[ReadMemory] = None) -> Chain:
    """Follow the available buffer that starts at `start`: with NEXT it goes on in the following descriptor.

    `read(address, size)` reads an indirect table; without it an indirect buffer holds its one outer descriptor.  In
    the table all entries count, and of their flags only WRITE (virtio 1.2, 2.8.7).

    Only what the device has not taken is whole: of buffers in its hands the used descriptors of others, which come
    back in any order, may have overwritten any part.  A chain that leaves what is available, runs around the ring or
    mixes directions ends with its `problem`.
    """
    problem = position_problem(start, len(ring))
    if problem:
        return Chain(start, None, (), 0, False, problem)
    descriptors, problem = _follow(ring, start)
    taken = len(descriptors)
    last = descriptors[-1].id if problem is None else None
    if problem is None and descriptors[0].flags & DESC_F_INDIRECT:
        descriptors, problem = _table(descriptors[0], read)
        return Chain(start, last, descriptors, taken, True, problem)
    return Chain(start, last, descriptors, taken, False, problem or _direction_problem(descriptors))


def _follow(ring: Sequence[Descriptor], start: Position) -> Tuple[Tuple[Descriptor, ...], Optional[str]]:
    found: List[Descriptor] = []
    at = start
    while len(found) < len(ring):
        descriptor = ring[at.offset]
        if not is_available(descriptor.flags, at.wrap):
            return tuple(found), f"descriptor {at.offset} is not available"
        found.append(descriptor)
        more = bool(descriptor.flags & DESC_F_NEXT)
        if descriptor.flags & DESC_F_INDIRECT and (more or len(found) > 1):
            return tuple(found), "an indirect descriptor is part of a chain"
        if not more:
            return tuple(found), None
        at = advance(at, 1, len(ring))
    return tuple(found), "the chain runs around the whole ring"


def _table(outer: Descriptor, read: Optional[ReadMemory]) -> Tuple[Tuple[Descriptor, ...], Optional[str]]:
    if outer.len == 0 or outer.len % DESC_BYTES or outer.len > DESC_BYTES * MAX_SIZE:
        return (outer,), f"an indirect table of {outer.len} bytes"
    if read is None:
        return (outer,), None
    inner = tuple(decode_descriptors(read(outer.addr, outer.len)))
    return inner, _direction_problem(inner)


def _direction_problem(descriptors: Sequence[Descriptor]) -> Optional[str]:
    for one, following in zip(descriptors, descriptors[1:]):
        if one.flags & DESC_F_WRITE and not following.flags & DESC_F_WRITE:
            return "a device-readable descriptor follows a device-writable one"
    return None


def available_chains(ring: Sequence[Descriptor], start: Position, read: Optional[ReadMemory] = None) -> List[Chain]:
    """The buffers posted from `start` on, where `start` is the position up to which the device has taken them.

    The packed ring has no index of what the driver made available: the flags of the next descriptor say it (QEMU
    virtio_queue_packed_empty_rcu()).  The last chain has a `problem` if the walk met one.
    """
    found: List[Chain] = []
    at, room = start, len(ring)
    while room > 0 and position_problem(at, len(ring)) is None and is_available(ring[at.offset].flags, at.wrap):
        chain = walk_chain(ring, at, read)
        found.append(chain)
        if chain.problem:
            break
        room -= chain.taken
        at = advance(at, chain.taken, len(ring))
    return found


Lengths = Callable[[int], Optional[int]]
"""How many descriptors of the ring the buffer of an id takes, or None when none is in flight under that id."""


def used_buffers(ring: Sequence[Descriptor], last_used: Position, lengths: Lengths,
                 in_order: Optional[Sequence[int]] = None) -> UsedRun:
    """The buffers given back from the driver's position `last_used` on.

    Only the driver knows how far apart used descriptors lie: `lengths` answers from its own books (Linux
    `packed.desc_state[id].num`), for ids from memory, so it must check them.

    in_order: with IN_ORDER the ids in flight, oldest first.  The device may then write one used descriptor for a
    batch, with the id of the batch's last buffer in the place of its first (virtio 1.2, 2.8.8).  A driver that stands
    in the middle of a batch has kept that id (Linux 7.2 `batch_last.id`), and the ring no longer tells.
    """
    found: List[UsedBuffer] = []
    seen: Set[int] = set()
    at, room = last_used, len(ring)
    problem = position_problem(last_used, len(ring))
    while problem is None and room > 0 and is_used(ring[at.offset].flags, at.wrap):
        written = ring[at.offset]
        batch = (written.id,) if in_order is None else completed_batch(in_order[len(found):], written.id)
        if not batch:
            problem = f"id {written.id} at {at.offset} is not in flight"
        for buffer_id in batch:
            taken = lengths(buffer_id)
            problem = _buffer_problem(buffer_id, taken, at, room, buffer_id in seen)
            if taken is None or problem:
                break
            known = buffer_id == written.id and written.flags & DESC_F_WRITE
            found.append(UsedBuffer(at, buffer_id, written.len if known else None, taken))
            seen.add(buffer_id)
            room -= taken
            at = advance(at, taken, len(ring))
    return UsedRun(tuple(found), at, problem)


def _buffer_problem(buffer_id: int, taken: Optional[int], at: Position, room: int, again: bool) -> Optional[str]:
    if again:
        return f"id {buffer_id} at {at.offset} was given back before"
    if taken is None:
        return f"id {buffer_id} at {at.offset} is not in flight"
    if not 1 <= taken <= room:
        return f"id {buffer_id} at {at.offset} takes {taken} descriptors, {room} are left"
    return None


def completed_batch(in_flight: Sequence[int], last: int) -> Tuple[int, ...]:
    """The ids that one used entry completes under IN_ORDER: those in flight, oldest first, up to `last`.

    It holds for both layouts: a device that uses buffers in order may write one entry for a batch, which carries the
    id of the last buffer and the length of that one only; the others count as used completely.  In a packed ring
    the entry lies at the first descriptor of the batch (virtio 1.2, 2.8.8).  In a split ring it lies at the first
    slot of the batch and used->idx moves by the batch's size, so that the other slots hold entries of earlier laps
    (virtio 1.2, 2.7.9).  Empty when `last` is not in flight.
    """
    for place, one in enumerate(in_flight):
        if one == last:
            return tuple(in_flight[:place + 1])
    return ()
