"""Synthetic pairs about rings: packed ones, corruption, skew, and those that vhost serves."""
from functools import partial
from typing import Any, Callable, Tuple

from tests.builders import fleet, packed_pair, pair
from vqcheck.snapshot.device_model import AvailEntry
from vqcheck.snapshot.model import PackedEvent, Queue, Snapshot
from vqcheck.snapshot.request_model import UsedEntry
from vqcheck.snapshot.transport_model import Vhost

from .cases import Entry, fault, healthy, unsure
from .interrupts import several

MS = 1_000_000
IRQ = pair()[0].devices[0].queues[0].irq
FOUR = {"avail": 43936, "last_used": 43932}


LOST = partial(pair, **FOUR)


def changed(side: int, change: Callable[[Queue], Queue], make: Any = LOST) -> Any:
    """A pair with the queue of one side (0 guest, 1 host) changed."""
    def snapshots() -> Tuple[Snapshot, ...]:
        sides = list(make())
        device = sides[side].devices[0]
        sides[side] = sides[side]._replace(devices=[device._replace(queues=[change(device.queues[0])])])
        return tuple(sides)
    return snapshots


def in_flight(place: int, **changes: Any) -> Callable[[Queue], Queue]:
    """A change of one of the driver's requests."""
    def change(queue: Queue) -> Queue:
        requests = list(queue.in_flight or [])
        requests[place] = requests[place]._replace(**changes)
        return queue._replace(in_flight=requests)
    return change


AT_WORK = ["virtqueue_flush", "virtio_blk_req_complete", "aio_poll"]

CORRUPT = (
    fault("avail->idx too far ahead", "C1", partial(pair, avail=104, popped=100, host_ring={"avail_idx": 300},
                                                    guest_ring={
        "avail_idx": 104})),
    fault("head that the queue lacks, posted", "C2", changed(1, lambda one: one._replace(
        available=[AvailEntry(100, 500)]), partial(pair, avail=101, popped=100))),
    fault("chain that loops", "C3", changed(0, in_flight(1, chain_problem="the chain loops"))),
    fault("id that the queue lacks, returned", "C7",
          changed(0, lambda one: one._replace(used=[UsedEntry(43932, 500, 1)]))),
    fault("returned twice", "C8", changed(0, lambda one: one._replace(used=[(one.used or [])[0]] * 4))),
    fault("returned, and not in flight", "C8", changed(0, in_flight(0, head=99))),
    fault("used->idx is not what QEMU wrote", "C10", partial(pair, **FOUR, ring={"used_idx": 43930})),
    fault("inuse is wrong", "B9", partial(pair, avail=104, popped=104, used=102, device={"inuse": 5})),
    fault("avail->idx is not what the driver wrote", "C11", partial(pair, avail=104, popped=103, used=103, ring={
        "avail_idx": 110}, driver={"avail_idx_shadow": 104})),
    fault("descriptors leaked", "G5", partial(pair, **FOUR, driver={"num_free": 100, "descriptors_in_use": 4})),
    fault("free list damaged", "G5", partial(pair, **FOUR, driver={"num_free": 124, "free_list": 3,
                                                                   "free_list_problem": "it loops"})),
    fault("head posted and held at once", "C9", changed(1, lambda one: one._replace(
        available=[AvailEntry(103, 102)]), partial(pair, avail=104, popped=103, used=102))),
    unsure("fields of another queue", "S4", partial(pair, **FOUR, device={"signalled_used": 43940})),
    unsure("inuse while the thread is at work", "B9",
           partial(pair, avail=104, popped=104, used=102, device={"inuse": 3},
                                                        stack=AT_WORK)),
    unsure("used->idx while the thread is at work", "C10",
           partial(pair, **FOUR, ring={"used_idx": 43937}, stack=AT_WORK)),
    unsure("avail->idx while a CPU may be adding", "C11",
           partial(pair, avail=104, popped=103, used=103, age_ns=2 * MS, ring={
        "avail_idx": 103}, device={"shadow_avail_idx": 103})),
)

SKEW = (
    unsure("the host is later", "S1", lambda: (pair(**FOUR)[0], pair(avail=43940, popped=43938, last_used=43932)[1])),
    unsure("the guest is later", "S1", lambda: (pair(**FOUR)[0], pair(avail=43930)[1])),
    unsure("busy queue in several captures", "I0", lambda: (
        *several(partial(pair, avail=200, popped=199, used=198, last_used=197, age_ns=2 * MS),
                 partial(pair, avail=900, popped=899, used=898, last_used=897, age_ns=2 * MS))()[:3],
        several(pair, partial(pair, avail=1900, popped=1899, used=1898, last_used=1897))()[3])),
    fault("a third capture encloses", "I0", lambda: (
        *several(partial(pair, **FOUR, age_ns=MS), partial(pair, **FOUR, age_ns=MS))(),
        several(pair, partial(pair, avail=43990, popped=43985, used=43985, last_used=43932), seconds=9)()[3])),
)

PACKED = (
    healthy("packed, idle", packed_pair),
    healthy("packed, under way", partial(packed_pair, (1, 3, 2), 2, 1, age_ns=2 * MS, guest_queue={
        "irq": IRQ._replace(in_progress=True)}, stack=["virtio_queue_notify_vq", "aio_poll"])),
    fault("packed, interrupt lost over the wrap", "I0", partial(packed_pair, (3, 4, 3), returned=3)),
    fault("packed, kick lost", "K1", partial(packed_pair, (3, 4, 3), 0)),
    fault("packed, held", "B1", partial(packed_pair, (3, 4, 3))),
    fault("packed, callbacks off", "I13", partial(packed_pair, (3,), returned=1, driver={
        "event_flags_shadow": 1}, guest_queue={"irq": IRQ})),
    fault("packed, always notify", "I0", changed(0, lambda one: one._replace(packed=one.packed._replace(
        driver_event=PackedEvent(0, 0))), changed(1, lambda one: one._replace(packed=one.packed._replace(
            driver_event=PackedEvent(0, 0))), partial(packed_pair, (3,), returned=1)))),
    fault("packed, stale device event", "K3", changed(0, lambda one: one._replace(packed=one.packed._replace(
        device_event=PackedEvent(100 | 0x8000, 2))), changed(1, lambda one: one._replace(packed=one.packed._replace(
            device_event=PackedEvent(100 | 0x8000, 2))), partial(packed_pair, (3,), 0)))),
    fault("packed, wrap counter wrong", "B9", partial(packed_pair, (3, 4, 3), returned=3,
                                                      device={"used_wrap_counter": True})),
)

VHOST = {"host_part": {"vhost_started": True, "type": "vhost-user-blk", "block": None, "vhost": [
    Vhost("user", True, 0, 1)]}, "host_queue": {"available": None, "held": None}}
GONE = {"host_part": {"vhost_started": False, "type": "vhost-user-blk", "block": None}}

SERVED_BY_VHOST = (
    healthy("vhost, idle", partial(pair, **VHOST)),
    healthy("vhost, young", partial(pair, avail=104, popped=90, used=100, last_used=100, age_ns=2 * MS, **VHOST,
                                    device={"used_idx": 90, "inuse": 0})),
    fault("vhost does not return", "V0", partial(pair, avail=104, popped=90, used=100, last_used=100, **VHOST,
                                                 device={"used_idx": 90, "inuse": 0})),
    fault("vhost lost an interrupt", "I0", partial(pair, **FOUR, **VHOST,
                                                   device={"used_idx": 90, "last_avail_idx": 90})),
    unsure("vhost backend gone, seen once", "V1", partial(pair, **GONE)),
    fault("vhost backend gone", "V1", several(partial(pair, **GONE), partial(pair, **GONE))),
)

ENTRIES: Tuple[Entry, ...] = (*CORRUPT, *SKEW, *PACKED,
                              *SERVED_BY_VHOST, healthy("a fleet of disks", partial(fleet, 3, 4)))

