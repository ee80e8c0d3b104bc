"""Which queue of the guest is which queue of the host.

By the ring's addresses first: they can't be equal by chance.  Where a side does not know them, by the address on
their bus and queue index.  Linear in the number of queues.
"""
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..snapshot.model import Device, Queue, Snapshot

RingKey = Tuple[int, int, int, str]
PlaceKey = Tuple[str, str, int]


class Pair(NamedTuple):
    """One virtqueue, seen from both sides."""

    guest_device: Device
    guest: Queue
    host_device: Device
    host: Queue
    by: str
    """How they were found to belong together: `ring address` or `bus address`."""


class Pairing(NamedTuple):
    """All pairs, in the guest's order, and what has no partner."""

    pairs: List[Pair]
    guest_only: List[Tuple[Device, Queue]]
    host_only: List[Tuple[Device, Queue]]


def pair(guest: Snapshot, host: Snapshot) -> Pairing:
    """Pair the queues of two sides."""
    by_ring: Dict[RingKey, Tuple[Device, Queue]] = {}
    by_place: Dict[PlaceKey, Tuple[Device, Queue]] = {}
    for device, queue in _queues(host):
        ring, place = _ring_key(queue), _place_key(device, queue)
        if ring:
            by_ring.setdefault(ring, (device, queue))
        if place:
            by_place.setdefault(place, (device, queue))
    pairs: List[Pair] = []
    alone: List[Tuple[Device, Queue]] = []
    taken = set()
    for device, queue in _queues(guest):
        ring, place = _ring_key(queue), _place_key(device, queue)
        partner, by = (by_ring.get(ring) if ring else None), "ring address"
        if partner is None:
            partner, by = (by_place.get(place) if place else None), "bus address"
        if partner is None or id(partner[1]) in taken:
            alone.append((device, queue))
            continue
        taken.add(id(partner[1]))
        pairs.append(Pair(device, queue, partner[0], partner[1], by))
    return Pairing(pairs, alone, [(device, queue) for device, queue in _queues(host) if id(queue) not in taken])


def _queues(snapshot: Snapshot) -> Iterator[Tuple[Device, Queue]]:
    for device in snapshot.devices:
        for queue in device.queues:
            yield device, queue


def _ring_key(queue: Queue) -> Optional[RingKey]:
    rings = queue.rings
    return (rings.desc, rings.avail, rings.used, rings.space) if rings else None


def _place_key(device: Device, queue: Queue) -> Optional[PlaceKey]:
    bus = device.bus
    return (bus.type, bus.address, queue.queue_index) if bus and bus.address else None
