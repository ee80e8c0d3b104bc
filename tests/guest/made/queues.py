"""Virtqueues of a made-up guest: struct vring_virtqueue as its kernel has it, and the ring in memory."""
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .guest import Guest

NO_LINK = 0xFFFF
"""What a descriptor table has for links where the driver keeps its own copy of them."""

WRITE, INDIRECT, AVAIL, USED = 2, 4, 1 << 7, 1 << 15
CHAIN = 3
"""Descriptors in each indirect table: header, data, status."""


class Split(NamedTuple):
    """A queue at work.  Every head stands for an indirect table."""

    size: int
    last_used: int
    avail: int
    used: int
    heads: Sequence[int] = ()
    tokens: Sequence[int] = ()
    event: bool = True
    used_event: int = 0
    avail_event: int = 0


class Packed(NamedTuple):
    """A packed queue at work: the device has used what lies between the driver's two positions."""

    size: int
    last_used: int
    next_avail: int
    ids: Sequence[int] = ()
    tokens: Sequence[int] = ()
    wrap: int = 1


class Place(NamedTuple):
    """Where the areas of a queue go; None for anywhere."""

    queue: Optional[int] = None
    desc: Optional[int] = None
    avail: Optional[int] = None
    used: Optional[int] = None
    states: Optional[int] = None


ANYWHERE = Place()


class Common(NamedTuple):
    """What struct virtqueue holds, and the queue's DMA address."""

    name: str
    index: int = 0
    callback: int = 0
    dma: int = 0x80000000


def split(guest: Guest, common: Common, ring: Split, modern: bool = True, place: Place = ANYWHERE) -> int:
    """A split queue; returns the address of its struct vring_virtqueue."""
    order = "little" if modern else guest.byte_order
    free = _free(ring.size, ring.heads)
    desc, avail, used = _areas(guest, ring, free, order, place)
    queue = _queue(guest, common, len(free), free, place)
    inside = "split." if guest.member("struct vring_virtqueue", "split.vring.num") else ""
    values = {"vring.num": ring.size, "vring.desc": desc, "vring.avail": avail, "vring.used": used,
              "avail_idx_shadow": ring.avail, "queue_dma_addr": common.dma}
    guest.set("vring_virtqueue", queue, last_used_idx=ring.last_used, event=int(ring.event),
              **_known(guest, {inside + path: value for path, value in values.items()}))
    _attach(guest, queue, ring, free, inside, place)
    return queue


def _known(guest: Guest, values: Dict[str, Any]) -> Dict[str, Any]:
    """Those members that this kernel has."""
    members = guest.types["struct vring_virtqueue"][1]
    return {path: value for path, value in values.items() if path in members}


def _free(size: int, taken: Sequence[int]) -> List[int]:
    return [one for one in range(size) if one not in taken]


def _following(size: int, free: Sequence[int]) -> List[int]:
    """The links of the free list; that of its last entry is left over from before."""
    found = [0] * size
    for at, after in zip(free, free[1:]):
        found[at] = after
    return found


def _queue(guest: Guest, common: Common, num_free: int, free: Sequence[int], place: Place) -> int:
    queue = guest.struct("vring_virtqueue", f"queue {common.name}", place.queue, vq__name=common.name,
                         vq__index=common.index, vq__num_free=num_free, vq__callback=common.callback, indirect=1,
                         free_head=free[0] if free else 0)
    guest.set("vring_virtqueue", queue, **_known(guest, {"event_triggered": 1}))
    return queue


def _areas(guest: Guest, ring: Split, free: Sequence[int], order: str, place: Place) -> Sequence[int]:
    def word(value: int, width: int) -> bytes:
        return value.to_bytes(width, order)

    # Linux 5.14 moved the links out of the device's reach, into desc_extra.
    own_links = guest.member("struct vring_virtqueue", "split.desc_extra") is not None
    links = [NO_LINK] * ring.size if own_links else _following(ring.size, free)
    table = [word(0x100000 + 0x1000 * number, 8) + word(16 * CHAIN, 4)
             + word(INDIRECT if number in ring.heads else 0, 2) + word(link, 2) for number, link in enumerate(links)]
    elements = [word(0, 4) + word(0, 4)] * ring.size
    posted = [0] * ring.size
    for step, head in enumerate(ring.heads):
        posted[(ring.avail - len(ring.heads) + step) % ring.size] = head
        if step < (ring.used - ring.last_used) % 0x10000:
            elements[(ring.last_used + step) % ring.size] = word(head, 4) + word(1, 4)
    avail = word(0, 2) + word(ring.avail, 2) + b"".join(word(head, 2) for head in posted) + word(ring.used_event, 2)
    used = word(0, 2) + word(ring.used, 2) + b"".join(elements) + word(ring.avail_event, 2)
    return (guest.new("descriptor table", b"".join(table), place.desc), guest.new("available ring", avail, place.avail),
            guest.new("used ring", used, place.used))


def _attach(guest: Guest, queue: int, ring: Split, free: Sequence[int], inside: str, place: Place) -> None:
    """What stands for each head: in an array behind the struct, or one that it points at."""
    if guest.member("struct vring_virtqueue", "data") is not None:
        tokens = dict(zip(ring.heads, ring.tokens))
        guest.memory[queue] += b"".join(guest.pointer(tokens.get(number, 0)) for number in range(ring.size))
        return
    kind = "vring_desc_state_split" if inside else "vring_desc_state"
    states = _array(guest, kind, ring.size, {head: {"data": token} for head, token in zip(ring.heads, ring.tokens)})
    if not inside:
        guest.memory[queue] += states
        return
    guest.set("vring_virtqueue", queue, split__desc_state=guest.new("desc_state", states, place.states))
    if guest.member("struct vring_virtqueue", "split.desc_extra") is not None:
        extra = _links(guest, "vring_desc_extra", ring.size, free)
        guest.set("vring_virtqueue", queue, split__desc_extra=guest.new("desc_extra", extra))


def _array(guest: Guest, kind: str, count: int, values: Dict[int, Dict[str, int]]) -> bytes:
    size, members = guest.types[f"struct {kind}"]
    raw = bytearray(size * count)
    for number, fields in values.items():
        for path, value in fields.items():
            offset, width = members[path]
            raw[number * size + offset:number * size + offset + width] = guest.encode(value, width)
    return bytes(raw)


def _links(guest: Guest, kind: str, count: int, free: Sequence[int]) -> bytes:
    return _array(guest, kind, count, {number: {"next": link} for number, link in enumerate(_following(count, free))})


def packed(guest: Guest, common: Common, ring: Packed, place: Place = ANYWHERE) -> int:
    """A packed queue, whose ring is little-endian always; returns the address of its struct vring_virtqueue."""
    free = _free(ring.size, ring.ids)
    queue = _queue(guest, common, len(free), free, place)
    guest.set("vring_virtqueue", queue, **_known(guest, {
        "packed_ring": 1, "layout": 1, "event": 1,
        "packed.vring.num": ring.size, "packed.vring.desc": guest.new("packed ring", _packed_ring(ring), place.desc),
        "packed.vring.driver": guest.new("driver event area", _event(2, ring.last_used, ring.wrap), place.avail),
        "packed.vring.device": guest.new("device event area", _event(2, ring.next_avail, ring.wrap), place.used),
        "packed.avail_wrap_counter": ring.wrap, "packed.next_avail_idx": ring.next_avail,
        "packed.event_flags_shadow": 2, "packed.ring_dma_addr": common.dma,
        "packed.driver_event_dma_addr": common.dma + 0x800, "packed.device_event_dma_addr": common.dma + 0x804}))
    # The wrap counter lay beside the index in Linux 5.10, and lies in its bit 15 in 6.1.
    if guest.member("struct vring_virtqueue", "packed.used_wrap_counter") is not None:
        guest.set("vring_virtqueue", queue, last_used_idx=ring.last_used, packed__used_wrap_counter=ring.wrap)
    else:
        guest.set("vring_virtqueue", queue, last_used_idx=ring.last_used | ring.wrap << 15)
    _packed_states(guest, queue, ring, free, place)
    return queue


def _packed_states(guest: Guest, queue: int, ring: Packed, free: Sequence[int], place: Place) -> None:
    """Where the links of the free list lie: in desc_state in Linux 5.10, in desc_extra in 6.1."""
    kind = "vring_desc_state_packed"
    values: Dict[int, Dict[str, int]] = {number: {"data": token, "num": 1}
                                         for number, token in zip(ring.ids, ring.tokens)}
    if guest.member(f"struct {kind}", "next") is not None:
        for number, link in enumerate(_following(ring.size, free)):
            values.setdefault(number, {})["next"] = link
    else:
        extra = _links(guest, "vring_desc_extra", ring.size, free)
        guest.set("vring_virtqueue", queue, packed__desc_extra=guest.new("desc_extra", extra))
    states = guest.new("desc_state", _array(guest, kind, ring.size, values), place.states)
    guest.set("vring_virtqueue", queue, packed__desc_state=states)


def _packed_ring(ring: Packed) -> bytes:
    descriptors = [bytes(16)] * ring.size
    for step, one in enumerate(ring.ids):
        flags = (AVAIL | USED) * ring.wrap | WRITE  # the device says WRITE where it has written anything
        descriptors[ring.last_used + step] = b"".join(
            value.to_bytes(width, "little") for value, width in ((0x100000 + 0x1000 * one, 8), (1, 4), (one, 2),
                                                                 (flags, 2)))
    return b"".join(descriptors)


def _event(flags: int, position: int, wrap: int) -> bytes:
    return (position | wrap << 15).to_bytes(2, "little") + flags.to_bytes(2, "little")
