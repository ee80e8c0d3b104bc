"""struct VirtQueue: the device's private state of a queue, and with it everything else that QEMU knows of the queue.

Source: QEMU hw/virtio/virtio.c (struct VirtQueue, struct VRing).
"""
from ..snapshot.device_model import DeviceState
from ..snapshot.kinds import Hex
from ..snapshot.model import Queue, Rings
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported
from ..target.target import Target
from ..target.view import View
from ..virtio import devices, features, packed, split
from .context import DeviceContext
from .in_order import with_finished
from .indicators import indicator
from .msix import NO_VECTOR
from .notify import notify
from .ring import read_packed, read_split
from .transport import CCW

NOT_PACKED = "not applicable: the ring is split"
NOT_SPLIT = "not applicable: the ring is packed"


def read_queue(target: Target, queue: View, index: int, count: int, context: DeviceContext) -> Queue:
    """Everything QEMU knows of one queue out of `count`."""
    absent = Absences()
    is_packed = features.has(context.features, features.RING_PACKED)
    device = _device(queue, index, is_packed, context)
    record = Queue(
        queue_index=index,
        role=devices.queue_role(context.device_id, index, count, context.features),
        layout="packed" if is_packed else "split",
        device=device,
        notify=notify(target, queue, index, context),
        held=absent.take("held", context.model.held, index, device.inuse),
    )
    if context.transport is not None and context.transport.kind == CCW:
        vector = record.notify.vector if record.notify else None
        record = record._replace(indicator=absent.take(
            "indicator", indicator, context.process, context.transport, NO_VECTOR if vector is None else vector))
    absent["ring" if is_packed else "packed"] = NOT_SPLIT if is_packed else NOT_PACKED
    num = absent.take("size", _size, queue, is_packed)
    if record.held is not None and num is not None:
        record = record._replace(held=with_finished(record.held, queue, num, device, context.features))
    rings = absent.take("rings", _rings, queue, context)
    if num is None or rings is None:
        reason = absent.get("size") or absent["rings"]
        absent["packed" if is_packed else "ring"] = absent["available"] = reason
        return record._replace(size=num, rings=rings, absent=dict(absent))
    live = not context.vhost_started
    if is_packed:
        shared, waiting = read_packed(target, queue, num, device, live, absent)
        return record._replace(size=num, rings=rings, packed=shared, available=waiting, absent=dict(absent))
    ring, waiting = read_split(target, queue, num, context.byte_order, live, absent)
    return record._replace(size=num, rings=rings, ring=ring, available=waiting, absent=dict(absent))


def _size(queue: View, is_packed: bool) -> int:
    num = queue.uint("vring.num")
    problem = packed.size_problem(num) if is_packed else split.size_problem(num)
    if problem:
        raise Corrupt(problem)
    return num


def _rings(queue: View, context: DeviceContext) -> Rings:
    desc = queue.uint("vring.desc")
    if desc == 0:
        raise NotSupported("not applicable: the driver has not set this queue up")
    space = "iova" if features.has(context.features, features.ACCESS_PLATFORM) else "physical"
    return Rings(Hex(desc), Hex(queue.uint("vring.avail")), Hex(queue.uint("vring.used")), space)


def _device(queue: View, index: int, is_packed: bool, context: DeviceContext) -> DeviceState:
    absent = Absences()
    state = DeviceState(
        address=Hex(queue.address),
        last_avail_idx=absent.take("last_avail_idx", queue.uint, "last_avail_idx"),
        shadow_avail_idx=absent.take("shadow_avail_idx", queue.uint, "shadow_avail_idx"),
        used_idx=absent.take("used_idx", queue.uint, "used_idx"),
        signalled_used=absent.take("signalled_used", queue.uint, "signalled_used"),
        signalled_used_valid=absent.take("signalled_used_valid", queue.flag, "signalled_used_valid"),
        notification=absent.take("notification", queue.flag, "notification"),
        inuse=absent.take("inuse", queue.uint, "inuse"),
        num_default=absent.take("num_default", queue.uint, "vring.num_default"),
        enabled=absent.take("enabled", _enabled, index, context),
        tx_waiting=absent.take("tx_waiting", context.model.tx_waiting, index),
    )
    # They are kept for split rings too (the incident's have them), where they mean nothing.
    if is_packed:
        state = state._replace(
            last_avail_wrap_counter=absent.take("last_avail_wrap_counter", queue.flag, "last_avail_wrap_counter"),
            shadow_avail_wrap_counter=absent.take("shadow_avail_wrap_counter", queue.flag,
                                                  "shadow_avail_wrap_counter"),
            used_wrap_counter=absent.take("used_wrap_counter", queue.flag, "used_wrap_counter"))
    else:
        absent.update((name, NOT_PACKED) for name in ("last_avail_wrap_counter", "shadow_avail_wrap_counter",
                                                      "used_wrap_counter"))
    return state._replace(absent=dict(absent))


def _enabled(index: int, context: DeviceContext) -> bool:
    if context.transport is None:
        raise NotSupported(context.why_no_transport)
    return context.transport.enabled(index, context.features)
