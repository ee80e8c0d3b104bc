"""struct vring_virtqueue: the driver's private state, and the ring as the guest's memory holds it.

Source: Linux drivers/virtio/virtio_ring.c, include/linux/virtio.h (struct virtqueue).
"""
from typing import NamedTuple, Optional

from ..snapshot.driver_model import DriverState
from ..snapshot.kernel_model import Irq
from ..snapshot.kinds import Hex
from ..snapshot.model import Queue
from ..target.absence import Absences
from ..target.errors import TargetError
from ..target.target import Target
from ..target.view import View, container_of
from ..virtio import devices
from . import packed_ring, split_ring
from .drivers import Driver
from .indicators import NO_IRQ, indicator, on_ccw
from .irqs import Irqs
from .rings import IN_ORDER, PACKED, layout_bits
from .transport import msix_vector

RING_FIELDS = ("size", "rings", "ring", "packed", "used", "in_flight")
"""What needs struct vring_virtqueue, which only virtio_ring's own debug information describes."""

COMMON_FIELDS = ("address", "num_free", "callback", "free_list_problem", "absent")
"""What of the driver's state does not need it."""


NO_CALLBACK = "not applicable: the queue has no callback, the driver polls it"


class DeviceContext(NamedTuple):
    """What the queues of one device have in common."""

    device_id: int
    virtio_device: int
    """Address of its struct virtio_device."""
    features: Optional[int]
    driver: Driver
    irqs: Irqs


def read_queue(target: Target, virtqueue: int, count: Optional[int], context: DeviceContext) -> Queue:
    """Everything the guest knows of one queue out of `count`, None for not known.

    Raises TargetError where nothing at all can be said.
    """
    common = View(target, "struct virtqueue", virtqueue)
    absent = Absences()
    index = common.uint("index")
    irq = bit = None
    if on_ccw(context.driver.device):
        absent["irq"] = NO_CALLBACK if common.pointer("callback") == 0 else NO_IRQ
        bit = absent.take("indicator", indicator, target, context.driver.device, virtqueue, index)
    else:
        irq = _irq(target, common, context, absent)
    queue = Queue(
        queue_index=index & 0xFFFF,
        name=absent.take("name", common.string, "name"),
        role=devices.queue_role(context.device_id, index, count, context.features),
        irq=irq,
        indicator=bit,
    )
    try:
        outer = View(target, "struct vring_virtqueue",
                     container_of(target, virtqueue, "struct vring_virtqueue", "vq"))
    except TargetError as problem:
        absent.update((field, str(problem)) for field in ("layout", *RING_FIELDS))
        queue = queue._replace(driver=_common_state(target, common, str(problem)), absent=dict(absent))
        return context.driver.about_queue(queue)
    queue = _ring(target, outer, queue, context, absent)
    return context.driver.about_queue(queue._replace(absent=dict(absent)))


def _irq(target: Target, common: View, context: DeviceContext, absent: Absences) -> Optional[Irq]:
    """The queue's interrupt with its vector, or None with the reason noted."""
    irq, why = context.irqs.of_queue(common.address, context.virtio_device)
    if irq is None:
        absent["irq"] = NO_CALLBACK if common.pointer("callback") == 0 else why or "not known"
        return None
    lacking = Absences(irq.absent)
    vector = lacking.take("vector", msix_vector, target, context.driver.device, common.address, common.uint("index"))
    return irq._replace(vector=vector, absent=dict(lacking))


def _ring(target: Target, outer: View, queue: Queue, context: DeviceContext, absent: Absences) -> Queue:
    bits = absent.take("layout", layout_bits, outer)
    queue = queue._replace(layout=None if bits is None else "packed" if bits & PACKED else "split",
                           driver=_driver(target, outer, bits))
    if bits is None:
        absent.update((field, absent["layout"]) for field in RING_FIELDS)
        return queue._replace(driver=_common_state(target, outer.embedded("struct virtqueue", "vq"), absent["layout"]))
    read = packed_ring.read if bits & PACKED else split_ring.read
    return read(target, outer, queue, context.features, context.driver, absent)


def _driver(target: Target, outer: View, bits: Optional[int]) -> DriverState:
    common = outer.embedded("struct virtqueue", "vq")
    absent = Absences()
    if bits == PACKED | IN_ORDER:  # virtqueue_vring_attach_packed() leaves it as it was allocated
        absent["free_head"] = "not applicable: a packed in-order queue has no use for it"
    state = DriverState(
        address=Hex(outer.address),
        num_free=absent.take("num_free", common.uint, "num_free"),
        free_head=None if "free_head" in absent else absent.take("free_head", outer.uint, "free_head"),
        num_added=absent.take("num_added", outer.uint, "num_added"),
        in_order=None if bits is None else bool(bits & IN_ORDER),
        broken=absent.take("broken", outer.flag, "broken"),
        indirect=absent.take("indirect", outer.flag, "indirect"),
        event=absent.take("event", outer.flag, "event"),
        # Linux 5.14 brought it (8d622d21d248 "virtio: fix up virtio_disable_cb").
        event_triggered=absent.take("event_triggered", outer.flag, "event_triggered"),
        callback=absent.take("callback", _callback, target, common),
    )
    return state._replace(absent=dict(absent))


def _common_state(target: Target, common: View, why: str) -> DriverState:
    """What struct virtqueue alone tells."""
    absent = Absences((field, why) for field in DriverState._fields if field not in COMMON_FIELDS)
    state = DriverState(
        address=Hex(common.address),
        num_free=absent.take("num_free", common.uint, "num_free"),
        callback=absent.take("callback", _callback, target, common),
    )
    return state._replace(absent=dict(absent))


def _callback(target: Target, common: View) -> Optional[str]:
    address = common.pointer("callback")
    return (target.symbol_name(address) or f"{address:#x}") if address else None
