"""A split ring and what the driver keeps of it.

Source: Linux drivers/virtio/virtio_ring.c.  The fields of a split ring lay in vring_virtqueue itself until Linux 5.0
put them into a member `split` beside `packed`; both names are tried everywhere.
"""
from typing import List, Optional, Sequence, Tuple

from ..snapshot.driver_model import DriverState
from ..snapshot.kinds import Hex
from ..snapshot.model import Queue, Rings, RingState
from ..snapshot.request_model import Request, UsedEntry
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.target import Target
from ..target.view import View
from ..virtio import event, features, split
from ..virtio.packed import completed_batch
from .drivers import Driver
from .rings import FreeList, begun_batch, space, walk_free_list, without_chains


def read(target: Target, outer: View, queue: Queue, mask: Optional[int], driver: Driver, absent: Absences) -> Queue:
    """The queue with all that its split ring tells."""
    assert queue.driver is not None
    state = _shadows(outer, queue.driver)
    num = absent.take("size", _size, outer)
    if num is None:
        absent.update((field, absent["size"]) for field in ("rings", "ring", "used", "in_flight"))
        return queue._replace(driver=state)
    order = _byte_order(target, mask)
    ring, used = _ring(target, outer, num, order, state, absent)
    table, why = _table(target, outer, num, order)
    found = absent.take("in_flight", _in_flight, target, outer, queue.role, num, driver)
    if found is not None:
        found = without_chains(found, why) if why else _with_chains(target, found, table, order)
    return queue._replace(
        size=num,
        rings=absent.take("rings", _rings, outer, mask),
        ring=ring,
        used=used,
        in_flight=found,
        driver=_accounting(target, outer, state, num, table if why is None else None, found),
    )


def _byte_order(target: Target, mask: Optional[int]) -> str:
    """Little-endian with VERSION_1, else the guest's own (virtio 1.2, 2.7.1 and 2.7.3, "Legacy Interface")."""
    modern = mask is not None and features.has(mask, features.VERSION_1)
    return "little" if modern else target.byte_order


def _shadows(outer: View, state: DriverState) -> DriverState:
    absent = Absences(state.absent)
    # Without the shadows, up to Linux 4.3 and in RHEL 7, the driver counts in avail->idx itself: what `ring` holds is
    # then the driver's own index.
    state = state._replace(
        last_used_idx=absent.take("last_used_idx", _last_used_idx, outer),
        avail_idx_shadow=absent.take("avail_idx_shadow", outer.uint, "split.avail_idx_shadow", "avail_idx_shadow"),
        avail_flags_shadow=absent.take("avail_flags_shadow", outer.uint, "split.avail_flags_shadow",
                                       "avail_flags_shadow"),
    )
    return state._replace(absent=dict(absent))


def _last_used_idx(outer: View) -> int:
    return outer.uint("last_used_idx") & event.MASK


def _size(outer: View) -> int:
    num = outer.uint("split.vring.num", "vring.num")
    problem = split.size_problem(num)
    if problem:
        raise Corrupt(problem)
    return num


def _rings(outer: View, mask: Optional[int]) -> Rings:
    """Guest-physical addresses; as virtqueue_get_avail_addr() computes them, relative to the queue's DMA address."""
    if mask is None:
        raise NotSupported("the negotiated features are not known")
    if not outer.has("split.queue_dma_addr") and not outer.has("queue_dma_addr"):
        # 780bc7903a32 "virtio_ring: Support DMA APIs" brought it in Linux 4.6; before, the transport told the device
        # virt_to_phys() of the ring.
        raise NotSupported("this kernel's driver keeps only the ring's virtual addresses")
    base = outer.uint("split.queue_dma_addr", "queue_dma_addr")
    desc, avail, used = (outer.pointer(f"split.vring.{part}", f"vring.{part}") for part in ("desc", "avail", "used"))
    if base == 0:
        raise NotSupported("the driver did not allocate the ring itself and keeps no DMA address of it")
    if avail < desc or used < desc:
        raise Corrupt("the available or the used ring lies before the descriptor table")
    return Rings(Hex(base), Hex(base + avail - desc), Hex(base + used - desc), space(mask))


def _ring(target: Target, outer: View, num: int, order: str, state: DriverState,
          absent: Absences) -> Tuple[Optional[RingState], Optional[List[UsedEntry]]]:
    try:
        avail_at = outer.pointer("split.vring.avail", "vring.avail")
        used_at = outer.pointer("split.vring.used", "vring.used")
        avail = split.decode_avail(target.read(avail_at, split.avail_bytes(num)), num, order)
        used = split.decode_used(target.read(used_at, split.used_bytes(num)), num, order)
    except TargetError as problem:
        absent["ring"] = absent["used"] = str(problem)
        return None, None
    ring = RingState(avail.flags, avail.idx, avail.used_event, used.flags, used.idx, used.avail_event)
    seen = state.last_used_idx
    if seen is None:
        absent["used"] = "the driver's last_used_idx is not known"
        return ring, None
    waiting = event.distance(used.idx, seen)
    if waiting > num:
        absent["used"] = f"used->idx {used.idx} is {waiting} ahead of last_used_idx {seen} in a ring of {num}"
        return ring, None
    entries = [(seen + step) & event.MASK for step in range(waiting)]
    if state.in_order:
        return ring, absent.take("used", _used_in_order, outer, avail, used, entries, num)
    return ring, [UsedEntry(idx, used.ring[idx % num].id, used.ring[idx % num].len) for idx in entries]


def _used_in_order(outer: View, avail: split.AvailRing, used: split.UsedRing, entries: List[int],
                   num: int) -> List[UsedEntry]:
    """What the device has used, in the order in which it was made available.

    One entry may stand for a batch; the slots of the others hold what an earlier lap has left.
    """
    heads = [avail.ring[idx % num] for idx in entries]
    batch = begun_batch(outer)
    found: List[UsedEntry] = []
    while len(found) < len(entries):
        idx = entries[len(found)]
        element = used.ring[idx % num]
        last, length = (element.id, element.len) if batch is None else batch
        done = completed_batch(heads[len(found):], last)
        if not done:
            raise Corrupt(f"used entry {idx} stands for all up to head {last}, which is not the head of one of the "
                          f"{len(entries) - len(found)} that are used")
        found += [UsedEntry(at, head, length if head == last else None) for at, head in zip(entries[len(found):], done)]
        batch = None
    return found


def _in_flight(target: Target, outer: View, role: str, num: int, driver: Driver) -> List[Request]:
    """The heads that the driver has handed out and not got back, lowest first.  Raises TargetError."""
    return [driver.request(role, head, token) for head, token in enumerate(_tokens(target, outer, num)) if token]


def _tokens(target: Target, outer: View, num: int) -> List[int]:
    """desc_state[].data of every head; NULL where nothing is in flight."""
    if outer.has("data"):  # up to Linux 4.5, and RHEL 7: a plain array of tokens
        start, size, offset = outer.address_of("data"), target.pointer_size, 0
    else:
        flat = not outer.has("split.desc_state")
        state = "struct vring_desc_state"
        if target.type_size(state) is None:  # renamed when the packed ring came, Linux 5.0
            state = "struct vring_desc_state_split"
        size, offset = target.size_of(state), target.member_of(state, "data").offset
        start = outer.address_of("desc_state") if flat else outer.pointer("split.desc_state")
    return target.decode_pointers(target.read(start, size * num), size, offset)


def _table(target: Target, outer: View, num: int,
           order: str) -> Tuple[Sequence[split.Descriptor], Optional[TargetError]]:
    try:
        raw = target.read(outer.pointer("split.vring.desc", "vring.desc"), split.desc_bytes(num))
    except TargetError as problem:
        return [], problem
    return split.decode_descriptors(raw, order), None


def _with_chains(target: Target, found: List[Request], table: Sequence[split.Descriptor], order: str) -> List[Request]:
    return [_with_chain(target, one, table, order) for one in found]


def _with_chain(target: Target, one: Request, table: Sequence[split.Descriptor], order: str) -> Request:
    chain = split.walk_chain(table, one.head)
    indirect = None
    if chain.indirect and chain.problem is None:
        indirect = chain.descriptors[-1].len // split.DESC_BYTES
    return one._replace(descriptors=len(chain.descriptors), indirect=indirect, chain_problem=chain.problem)


def _accounting(target: Target, outer: View, state: DriverState, num: int, table: Optional[Sequence[split.Descriptor]],
                found: Optional[List[Request]]) -> DriverState:
    """The free list walked, and the descriptors of all chains counted: together they must be all there are."""
    absent = Absences(state.absent)
    free = absent.take("free_list", _free_list, target, outer, state, num, table)
    in_use = None
    if found is None or any(one.descriptors is None for one in found):
        absent["descriptors_in_use"] = "the chains in flight are not known"
    else:
        in_use = sum(one.descriptors or 0 for one in found)
    return state._replace(free_list=free and free.length, free_list_problem=free and free.problem,
                          descriptors_in_use=in_use, absent=dict(absent))


def _free_list(target: Target, outer: View, state: DriverState, num: int,
               table: Optional[Sequence[split.Descriptor]]) -> FreeList:
    if state.in_order:
        raise NotSupported("not applicable: an in-order queue keeps no free list")
    if state.num_free is None or state.free_head is None:
        raise NotSupported("num_free or free_head is not known")
    if outer.has("split.desc_extra"):
        # The driver's own copy of the links, as the table is the device's to corrupt: Linux 5.14 (72b5e8958738
        # "virtio-ring: store DMA metadata in desc_extra for split virtqueue").
        size = target.size_of("struct vring_desc_extra")
        member = target.member_of("struct vring_desc_extra", "next")
        raw = target.read(outer.pointer("split.desc_extra"), size * num)
        following = target.decode_uints(raw, size, member)
    elif table is not None:
        following = [one.next for one in table]
    else:
        raise NotSupported("the descriptor table is not known")
    return walk_free_list(following, state.free_head, state.num_free)
