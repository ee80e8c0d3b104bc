"""A packed ring and what the driver keeps of it.

Source: Linux drivers/virtio/virtio_ring.c (struct vring_virtqueue_packed, since Linux 5.0).
"""
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..snapshot.driver_model import DriverState
from ..snapshot.kinds import Hex
from ..snapshot.model import PackedDescriptor, PackedEvent, PackedRing, Queue, Rings
from ..snapshot.request_model import Request, UsedEntry
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported
from ..target.target import Target
from ..target.view import View
from ..virtio import packed
from ..virtio.packed import Position
from .drivers import Driver
from .rings import Batch, FreeList, begun_batch, space, walk_free_list

NOT_SPLIT = "not applicable: the ring is packed"


class _State(NamedTuple):
    """One struct vring_desc_state_packed."""

    data: int
    num: int
    """Descriptors of the ring that the chain takes."""


class _Walk(NamedTuple):
    """The ring, and where the driver stands in it."""

    ring: Sequence[packed.Descriptor]
    last_used: Position
    next_avail: Position


def read(target: Target, outer: View, queue: Queue, mask: Optional[int], driver: Driver, absent: Absences) -> Queue:
    """The queue with all that its packed ring tells."""
    assert queue.driver is not None
    absent["ring"] = NOT_SPLIT
    state = _shadows(outer, queue.driver)
    num = absent.take("size", _size, outer)
    if num is None:
        absent.update((field, absent["size"]) for field in ("rings", "packed", "used", "in_flight"))
        return queue._replace(driver=state)
    states = absent.take("in_flight", _states, target, outer, num)
    walk = absent.take("used", _walk, target, outer, state, num)
    found = None
    if states is not None:
        found = [driver.request(queue.role, head, one.data)._replace(descriptors=one.num)
                 for head, one in enumerate(states) if one.data]
    run = None if walk is None else absent.take("used", _run, outer, state, walk, states)
    if found is not None:
        found = _with_tables(found, walk, run, absent.get("used"))
    return queue._replace(
        size=num,
        rings=absent.take("rings", _rings, outer, mask),
        packed=_shared(target, outer, walk, absent.get("used")),
        used=None if run is None else [UsedEntry(one.position.offset, one.id, one.len) for one in run.buffers],
        in_flight=found,
        driver=_accounting(target, outer, state, num, found),
    )


def _shadows(outer: View, state: DriverState) -> DriverState:
    absent = Absences(state.absent)
    absent["avail_idx_shadow"] = absent["avail_flags_shadow"] = NOT_SPLIT
    used = absent.take("last_used_idx", _last_used, outer)
    if used is None:
        absent["used_wrap_counter"] = absent["last_used_idx"]
    state = state._replace(
        last_used_idx=None if used is None else used.offset,
        used_wrap_counter=None if used is None else bool(used.wrap),
        next_avail_idx=absent.take("next_avail_idx", outer.uint, "packed.next_avail_idx"),
        avail_wrap_counter=absent.take("avail_wrap_counter", outer.flag, "packed.avail_wrap_counter"),
        event_flags_shadow=absent.take("event_flags_shadow", outer.uint, "packed.event_flags_shadow"),
    )
    return state._replace(absent=dict(absent))


def _last_used(outer: View) -> Position:
    raw = outer.uint("last_used_idx") & 0xFFFF
    if outer.has("packed.used_wrap_counter"):  # Linux 5.10 has it beside the index, 6.1 in the index's bit 15
        return Position(raw, int(outer.flag("packed.used_wrap_counter")))
    return packed.decode_position(raw)


def _size(outer: View) -> int:
    num = outer.uint("packed.vring.num")
    problem = packed.size_problem(num)
    if problem:
        raise Corrupt(problem)
    return num


def _rings(outer: View, mask: Optional[int]) -> Rings:
    base = outer.uint("packed.ring_dma_addr")
    if base == 0:
        raise NotSupported("the driver keeps no DMA address of the ring")
    return Rings(Hex(base), Hex(outer.uint("packed.driver_event_dma_addr")),
                 Hex(outer.uint("packed.device_event_dma_addr")), space(mask))


def _states(target: Target, outer: View, num: int) -> List[_State]:
    """packed.desc_state[]: what was attached to each buffer id, NULL where nothing is in flight."""
    kind = "struct vring_desc_state_packed"
    size, data, count = target.size_of(kind), target.member_of(kind, "data"), target.member_of(kind, "num")
    raw = target.read(outer.pointer("packed.desc_state"), size * num)
    return list(map(_State, target.decode_pointers(raw, size, data.offset), target.decode_uints(raw, size, count)))


def _walk(target: Target, outer: View, state: DriverState, num: int) -> _Walk:
    known = (state.last_used_idx, state.used_wrap_counter, state.next_avail_idx, state.avail_wrap_counter)
    used, used_wrap, avail, avail_wrap = known
    if used is None or used_wrap is None or avail is None or avail_wrap is None:
        raise NotSupported("the driver's positions in the ring are not known")
    last_used, next_avail = Position(used, int(used_wrap)), Position(avail, int(avail_wrap))
    for position in (last_used, next_avail):
        problem = packed.position_problem(position, num)
        if problem:
            raise Corrupt(problem)
    apart = packed.distance(next_avail, last_used, num)
    if apart > num:
        raise Corrupt(f"next_avail_idx {avail} (wrap counter {avail_wrap:d}) is {apart} descriptors ahead of "
                      f"last_used_idx {used} (wrap counter {used_wrap:d}) in a ring of {num}")
    raw = target.read(outer.pointer("packed.vring.desc"), packed.ring_bytes(num))
    return _Walk(packed.decode_descriptors(raw), last_used, next_avail)


def _from(walk: _Walk, start: Position) -> List[Tuple[Position, packed.Descriptor]]:
    """The descriptors from a position up to where the driver puts the next one."""
    num = len(walk.ring)
    places = [packed.advance(start, step, num) for step in range(packed.distance(walk.next_avail, start, num))]
    return [(place, walk.ring[place.offset]) for place in places]


def _shared(target: Target, outer: View, walk: Optional[_Walk], why_not: Optional[str]) -> PackedRing:
    absent = Absences()
    descriptors = None
    if walk is None:
        absent["descriptors"] = why_not or "not known"
    else:
        descriptors = [PackedDescriptor(place.offset, Hex(one.addr), one.len, one.id, Hex(one.flags))
                       for place, one in _from(walk, walk.last_used)]
    return PackedRing(
        driver_event=absent.take("driver_event", _event, target, outer, "driver"),
        device_event=absent.take("device_event", _event, target, outer, "device"),
        descriptors=descriptors,
        absent=dict(absent),
    )


def _event(target: Target, outer: View, writer: str) -> PackedEvent:
    area = packed.decode_event(target.read(outer.pointer(f"packed.vring.{writer}"), packed.EVENT_BYTES))
    return PackedEvent(area.off_wrap, area.flags)


def _run(outer: View, state: DriverState, walk: _Walk, states: Optional[List[_State]]) -> packed.UsedRun:
    """What the device gave back and the driver has not consumed.  Raises TargetError."""
    if states is None:
        raise NotSupported("the chains in flight are not known, without which used descriptors are not found")
    lengths = {head: one.num for head, one in enumerate(states) if one.data}
    if state.in_order:
        run = _run_in_order(walk, lengths, begun_batch(outer))
    else:
        run = packed.used_buffers(walk.ring, walk.last_used, lengths.get)
    if run.problem:
        raise Corrupt(run.problem)
    return run


def _run_in_order(walk: _Walk, lengths: Dict[int, int], batch: Optional[Batch]) -> packed.UsedRun:
    """The rest of the batch that the driver has begun, of which the ring says nothing, and what was used after it."""
    waiting, at = _oldest_first(walk, lengths), walk.last_used
    begun: List[packed.UsedBuffer] = []
    for head in packed.completed_batch(waiting, batch.last) if batch else ():
        begun.append(packed.UsedBuffer(at, head, None, lengths[head]))
        at = packed.advance(at, lengths[head], len(walk.ring))
    if batch and not begun:
        raise Corrupt(f"the driver is inside a batch up to id {batch.last}, which is not in flight")
    rest = packed.used_buffers(walk.ring, at, lengths.get, waiting[len(begun):])
    return rest._replace(buffers=(*begun, *rest.buffers))


def _oldest_first(walk: _Walk, lengths: Dict[int, int]) -> List[int]:
    """The buffer ids of an in-order queue: each is the place of its chain's first descriptor."""
    num, at, found = len(walk.ring), walk.last_used, []
    left = packed.distance(walk.next_avail, at, num)
    while left > 0:
        taken = lengths.get(at.offset, 0)
        if not 1 <= taken <= left:
            raise Corrupt(f"no chain in flight begins at {at.offset}, where the next one in order has to")
        found.append(at.offset)
        at, left = packed.advance(at, taken, num), left - taken
    return found


def _with_tables(found: List[Request], walk: Optional[_Walk], run: Optional[packed.UsedRun],
                 why_not: Optional[str]) -> List[Request]:
    """The requests with the tables that their descriptors name, as far as the device has not written over them."""
    if walk is None or run is None:
        why_not = why_not or "not known"
        return [one._replace(absent={**one.absent, "indirect": why_not}) for one in found]
    # Ids are given out again before the driver comes to where they stood: the last descriptor with an id is its own.
    own = {one.id: one for place, one in _from(walk, run.end) if packed.is_available(one.flags, place.wrap)}
    return [_with_table(one, own.get(one.head)) for one in found]


def _with_table(one: Request, descriptor: Optional[packed.Descriptor]) -> Request:
    if descriptor is None:
        return one._replace(absent={**one.absent, "indirect": "the device has written over the descriptor"})
    if not descriptor.flags & packed.DESC_F_INDIRECT:
        return one
    return one._replace(indirect=descriptor.len // packed.DESC_BYTES)


def _accounting(target: Target, outer: View, state: DriverState, num: int,
                found: Optional[List[Request]]) -> DriverState:
    """The free list of buffer ids walked, and the descriptors of all chains counted."""
    absent = Absences(state.absent)
    free = absent.take("free_list", _free_list, target, outer, state, num)
    in_use = None if found is None else sum(one.descriptors or 0 for one in found)
    if in_use is None:
        absent["descriptors_in_use"] = "the chains in flight are not known"
    return state._replace(free_list=free and free.length, free_list_problem=free and free.problem,
                          descriptors_in_use=in_use, absent=dict(absent))


def _free_list(target: Target, outer: View, state: DriverState, num: int) -> FreeList:
    """The list of free ids: a chain takes as many off it as it has descriptors, though it uses the first only."""
    if state.in_order:
        raise NotSupported("not applicable: an in-order queue keeps no free list")
    if state.free_head is None or state.num_free is None:
        raise NotSupported("num_free or free_head is not known")
    if outer.has("packed.desc_extra") and target.member("struct vring_desc_extra", "next") is not None:
        # Since Linux 5.14 the links lie in desc_extra; before in desc_state.
        kind, start = "struct vring_desc_extra", outer.pointer("packed.desc_extra")
    else:
        kind, start = "struct vring_desc_state_packed", outer.pointer("packed.desc_state")
    size, member = target.size_of(kind), target.member_of(kind, "next")
    raw = target.read(start, size * num)
    return walk_free_list(target.decode_uints(raw, size, member), state.free_head, state.num_free)
