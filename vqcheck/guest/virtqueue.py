"""struct vring_virtqueue: the driver's private state, and the ring as the guest's memory holds it.

Source: Linux drivers/virtio/virtio_ring.c.  The fields of a split ring lay in vring_virtqueue itself until Linux 5.0
put them into a member `split` beside `packed`; both names are tried everywhere.
"""
from typing import List, NamedTuple, Optional, Tuple

from ..snapshot.driver_model import DriverState
from ..snapshot.kinds import Hex
from ..snapshot.model import Queue, Rings, RingState
from ..snapshot.request_model import Request, UsedEntry
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.target import Target
from ..target.view import View, container_of
from ..virtio import devices, event, features, split
from . import requests
from .irqs import Irqs


class DeviceContext(NamedTuple):
    """What the queues of one device have in common."""

    device_id: int
    virtio_device: int
    features: Optional[int]
    request_queue: Optional[int]
    """Address of the disk's struct request_queue."""
    clock_ns: Optional[int]
    irqs: Irqs


def layout(queue: View) -> str:
    """`split` or `packed`."""
    if queue.has("packed_ring"):
        return "packed" if queue.flag("packed_ring") else "split"
    if queue.has("layout"):  # Linux 7.0 made it an enumeration: split, packed, and both again for in-order
        return "packed" if queue.uint("layout") & 1 else "split"
    return "split"  # before Linux 5.0 there was no other


def read_queue(target: Target, virtqueue: int, context: DeviceContext) -> Queue:
    """Everything the guest knows of one queue.  Raises TargetError where nothing at all can be said."""
    outer = View(target, "struct vring_virtqueue",
                 container_of(target, virtqueue, "struct vring_virtqueue", "vq"))
    absent = Absences()
    common = outer.embedded("struct virtqueue", "vq")
    irq, why = context.irqs.of_queue(virtqueue, context.virtio_device)
    if why is not None:
        absent["irq"] = why
    index = common.uint("index")
    queue = Queue(
        queue_index=index & 0xFFFF,
        name=absent.take("name", common.string, "name"),
        role=devices.queue_role(context.device_id, index),
        layout=absent.take("layout", layout, outer),
        driver=_driver(target, outer, common),
        irq=irq,
    )
    if queue.layout == "packed":
        for field in ("size", "rings", "ring", "used", "in_flight"):
            absent[field] = "packed rings are not decoded yet"
        return queue._replace(absent=dict(absent))
    return _split_parts(target, outer, context, queue, absent)


def _driver(target: Target, outer: View, common: View) -> DriverState:
    absent = Absences()
    callback = absent.take("callback", common.pointer, "callback")
    return DriverState(
        address=Hex(outer.address),
        num_free=absent.take("num_free", common.uint, "num_free"),
        free_head=absent.take("free_head", outer.uint, "free_head"),
        num_added=absent.take("num_added", outer.uint, "num_added"),
        last_used_idx=absent.take("last_used_idx", _last_used_idx, outer),
        avail_idx_shadow=absent.take("avail_idx_shadow", outer.uint, "split.avail_idx_shadow", "avail_idx_shadow"),
        avail_flags_shadow=absent.take("avail_flags_shadow", outer.uint, "split.avail_flags_shadow",
                                       "avail_flags_shadow"),
        broken=absent.take("broken", outer.flag, "broken"),
        indirect=absent.take("indirect", outer.flag, "indirect"),
        event=absent.take("event", outer.flag, "event"),
        event_triggered=absent.take("event_triggered", outer.flag, "event_triggered"),
        callback=(absent.take("callback", target.symbol_name, callback) or f"{callback:#x}") if callback else None,
        absent=dict(absent),
    )


def _last_used_idx(outer: View) -> int:
    return outer.uint("last_used_idx") & event.MASK


def _split_parts(target: Target, outer: View, context: DeviceContext, queue: Queue, absent: Absences) -> Queue:
    num = absent.take("size", _size, outer)
    if num is None:
        for field in ("rings", "ring", "used", "in_flight"):
            absent[field] = absent["size"]
        return queue._replace(absent=dict(absent))
    ring, used = _ring(target, outer, num, queue.driver, absent)
    return queue._replace(
        size=num,
        rings=absent.take("rings", _rings, outer, context),
        ring=ring,
        used=used,
        in_flight=absent.take("in_flight", _in_flight, target, outer, num, context),
        absent=dict(absent),
    )


def _in_flight(target: Target, outer: View, num: int, context: DeviceContext) -> List[Request]:
    found = requests.in_flight(target, outer, num, context.request_queue, context.clock_ns)
    if not found:
        return found
    try:
        raw = target.read(outer.pointer("split.vring.desc", "vring.desc"), split.desc_bytes(num))
    except TargetError as problem:
        return [one._replace(absent={**one.absent, "descriptors": str(problem)}) for one in found]
    table = split.decode_descriptors(raw, target.byte_order)
    chains = [split.walk_chain(table, one.head) for one in found]
    return [one._replace(descriptors=len(chain.descriptors), chain_problem=chain.problem)
            for one, chain in zip(found, chains)]


def _size(outer: View) -> int:
    num = outer.uint("split.vring.num", "vring.num")
    problem = split.size_problem(num)
    if problem:
        raise Corrupt(problem)
    return num


def _rings(outer: View, context: DeviceContext) -> Rings:
    """Guest-physical addresses; as virtqueue_get_avail_addr() computes them, relative to the queue's DMA address."""
    if context.features is None:
        raise NotSupported("the negotiated features are not known")
    base = outer.uint("split.queue_dma_addr", "queue_dma_addr")
    desc, avail, used = (outer.pointer(f"split.vring.{part}", f"vring.{part}") for part in ("desc", "avail", "used"))
    if base == 0:
        raise NotSupported("the driver did not allocate the ring itself and keeps no DMA address of it")
    space = "iova" if features.has(context.features, features.ACCESS_PLATFORM) else "physical"
    return Rings(Hex(base), Hex(base + avail - desc), Hex(base + used - desc), space)


def _ring(target: Target, outer: View, num: int, driver: Optional[DriverState],
          absent: Absences) -> Tuple[Optional[RingState], Optional[List[UsedEntry]]]:
    try:
        avail_at = outer.pointer("split.vring.avail", "vring.avail")
        used_at = outer.pointer("split.vring.used", "vring.used")
        avail = split.decode_avail(target.read(avail_at, split.avail_bytes(num)), num, target.byte_order)
        used = split.decode_used(target.read(used_at, split.used_bytes(num)), num, target.byte_order)
    except TargetError as problem:
        absent["ring"] = absent["used"] = str(problem)
        return None, None
    state = RingState(avail.flags, avail.idx, avail.used_event, used.flags, used.idx, used.avail_event)
    seen = driver.last_used_idx if driver else None
    if seen is None:
        absent["used"] = "the driver's last_used_idx is not known"
        return state, None
    waiting = event.distance(used.idx, seen)
    if waiting > num:
        absent["used"] = f"used->idx {used.idx} is {waiting} ahead of last_used_idx {seen} in a ring of {num}"
        return state, None
    entries = [(seen + step) & event.MASK for step in range(waiting)]
    return state, [UsedEntry(idx, used.ring[idx % num].id, used.ring[idx % num].len) for idx in entries]
