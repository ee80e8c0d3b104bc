"""struct VirtQueue: the device's private state, its notifiers, and the ring as QEMU finds it in guest RAM.

Source: QEMU hw/virtio/virtio.c (struct VirtQueue, struct VRing, struct VRingMemoryRegionCaches),
include/exec/memory.h (struct MemoryRegionCache).
"""
from typing import List, NamedTuple, Optional, Tuple

from ..snapshot.device_model import AvailEntry, DeviceState, MsixVector, Notifier, Notify
from ..snapshot.kinds import Hex
from ..snapshot.model import Queue, Rings, RingState
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported, NullPointer, TargetError
from ..target.target import Target
from ..target.view import View
from ..virtio import devices, event, features, split
from .loops import Loop, Loops
from .transport import NO_VECTOR, Msix, has_irqfd, vector_state


class DeviceContext(NamedTuple):
    """What the queues of one device have in common."""

    device: View
    device_id: int
    features: int
    byte_order: str
    """Of the rings: little unless a legacy device serves a big-endian guest."""
    proxy: Optional[int]
    msix: Optional[Msix]
    why_no_msix: str
    is_disk: bool
    loops: Loops


def read_queue(target: Target, queue: View, index: int, count: int, context: DeviceContext) -> Queue:
    """Everything QEMU knows of one queue out of `count`."""
    absent = Absences()
    packed = features.has(context.features, features.RING_PACKED)
    record = Queue(
        queue_index=index,
        role=devices.queue_role(context.device_id, index, count, context.features),
        layout="packed" if packed else "split",
        device=_device(queue),
        notify=_notify(target, queue, index, context),
    )
    num = absent.take("size", _size, queue, packed)
    rings = absent.take("rings", _rings, queue, context)
    if num is None or rings is None or packed:
        reason = absent.get("size") or absent.get("rings") or "packed rings are not decoded yet"
        absent["ring"] = absent["available"] = reason
        return record._replace(size=num, rings=rings, absent=dict(absent))
    ring, available = _ring(target, queue, num, context.byte_order, absent)
    return record._replace(size=num, rings=rings, ring=ring, available=available, absent=dict(absent))


def _size(queue: View, packed: bool) -> int:
    num = queue.uint("vring.num")
    problem = None if packed and 1 <= num <= split.MAX_SIZE else split.size_problem(num)
    if problem:
        raise Corrupt(problem)
    return num


def _rings(queue: View, context: DeviceContext) -> Rings:
    desc = queue.uint("vring.desc")
    if desc == 0:
        raise NotSupported("the driver has not set this queue up")
    space = "iova" if features.has(context.features, features.ACCESS_PLATFORM) else "physical"
    return Rings(Hex(desc), Hex(queue.uint("vring.avail")), Hex(queue.uint("vring.used")), space)


def _device(queue: View) -> DeviceState:
    absent = Absences()
    return DeviceState(
        address=Hex(queue.address),
        last_avail_idx=absent.take("last_avail_idx", queue.uint, "last_avail_idx"),
        shadow_avail_idx=absent.take("shadow_avail_idx", queue.uint, "shadow_avail_idx"),
        used_idx=absent.take("used_idx", queue.uint, "used_idx"),
        signalled_used=absent.take("signalled_used", queue.uint, "signalled_used"),
        signalled_used_valid=absent.take("signalled_used_valid", queue.flag, "signalled_used_valid"),
        notification=absent.take("notification", queue.flag, "notification"),
        inuse=absent.take("inuse", queue.uint, "inuse"),
        absent=dict(absent),
    )


def _ring(target: Target, queue: View, num: int, order: str,
          absent: Absences) -> Tuple[Optional[RingState], Optional[List[AvailEntry]]]:
    try:
        caches = queue.follow("struct VRingMemoryRegionCaches", "vring.caches")
        avail = split.decode_avail(_cached(target, caches, "avail", split.avail_bytes(num)), num, order)
        used = split.decode_used(_cached(target, caches, "used", split.used_bytes(num)), num, order)
    except TargetError as problem:
        absent["ring"] = absent["available"] = str(problem)
        return None, None
    state = RingState(avail.flags, avail.idx, avail.used_event, used.flags, used.idx, used.avail_event)
    seen = queue.uint("last_avail_idx")
    waiting = event.distance(avail.idx, seen)
    if waiting > num:
        absent["available"] = f"avail->idx {avail.idx} is {waiting} ahead of last_avail_idx {seen} in a ring of {num}"
        return state, None
    entries = [(seen + step) & event.MASK for step in range(waiting)]
    return state, [AvailEntry(idx, avail.ring[idx % num]) for idx in entries]


def _cached(target: Target, caches: View, area: str, size: int) -> bytes:
    """One area of the ring, through QEMU's own mapping of it.

    The event index lies behind the area's nominal end; QEMU maps it only when EVENT_IDX is negotiated
    (virtio_queue_get_used_size()), but it is read here either way, as the page holds it.
    """
    pointer = caches.pointer(f"{area}.ptr")
    if pointer == 0:
        raise NullPointer(f"QEMU's mapping of the {area} ring")
    return target.read(pointer, size)


def _notify(target: Target, queue: View, index: int, context: DeviceContext) -> Notify:
    absent = Absences()
    vector = absent.take("vector", queue.uint, "vector")
    loop = absent.take("context", _loop, index, context)
    msix = absent.take("msix", _vector, target, vector, context)
    return Notify(
        vector=vector,
        msix=msix,
        host_notifier=_host_notifier(target, queue, loop),
        guest_notifier=_guest_notifier(target, queue, vector, context),
        context=loop.name if loop else None,
        thread=loop.thread if loop else None,
        polling=absent.take("polling", getattr, loop, "polling") if loop else None,
        absent=dict(absent),
    )


def _loop(index: int, context: DeviceContext) -> Loop:
    if context.is_disk:
        return context.loops.of_disk_queue(context.device, index)
    raise NotSupported("which event loop serves the queue is known for disks only")


def _vector(target: Target, vector: Optional[int], context: DeviceContext) -> MsixVector:
    if context.msix is None:
        raise NotSupported(context.why_no_msix)
    if vector is None or vector == NO_VECTOR:
        raise NotSupported("the queue has no vector")
    return vector_state(target, context.msix, vector)


def _host_notifier(target: Target, queue: View, loop: Optional[Loop]) -> Notifier:
    absent = Absences()
    fd = absent.take("fd", queue.sint, "host_notifier.rfd")
    enabled = absent.take("enabled", queue.flag, "host_notifier_enabled")
    return Notifier(
        fd=fd,
        initialized=absent.take("initialized", queue.flag, "host_notifier.initialized"),
        enabled=enabled,
        eventfd_count=absent.take("eventfd_count", _count, target, fd, enabled),
        handler=absent.take("handler", loop.watches, fd) if loop and fd is not None else None,
        absent=dict(absent),
    )


def _guest_notifier(target: Target, queue: View, vector: Optional[int], context: DeviceContext) -> Notifier:
    absent = Absences()
    fd = absent.take("fd", queue.sint, "guest_notifier.rfd")
    initialized = absent.take("initialized", queue.flag, "guest_notifier.initialized")
    irqfd = None
    if context.msix is not None and context.proxy and vector is not None and vector != NO_VECTOR:
        irqfd = absent.take("irqfd", has_irqfd, target, context.proxy, vector)
    return Notifier(
        fd=fd,
        initialized=initialized,
        eventfd_count=absent.take("eventfd_count", _count, target, fd, initialized),
        handler=absent.take("handler", _watched_by_main, context.loops, fd),
        irqfd=irqfd,
        absent=dict(absent),
    )


def _watched_by_main(loops: Loops, fd: Optional[int]) -> Optional[bool]:
    return None if fd is None else loops.io_handlers().watches(fd)


def _count(target: Target, fd: Optional[int], in_use: Optional[bool]) -> Optional[int]:
    # An EventNotifier that was never set up has rfd 0, which is somebody else's file.
    if fd is None or not in_use:
        raise NotSupported("the notifier is not set up")
    return target.eventfd_count(fd)
