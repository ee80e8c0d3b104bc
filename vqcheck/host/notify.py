"""Where a queue's notifications go: host notifier and event loop, guest notifier, vector, irqfd, KVM's route.

Source: QEMU hw/virtio/virtio.c (struct VirtQueue), include/qemu/event_notifier.h, hw/virtio/virtio-pci.c.
"""
from typing import List, Optional

from ..snapshot.device_model import Notifier, Notify
from ..snapshot.transport_model import MsixVector
from ..target.absence import Absences
from ..target.errors import NotSupported
from ..target.target import Target
from ..target.view import View
from . import vhost
from .context import DeviceContext
from .indicators import adapter_route
from .loops import Loop
from .msix import NO_VECTOR, Irqfd, NoIrqfd, irqfd, vector_state
from .transport import CCW

NOT_SET_UP = "not applicable: the notifier is not set up"
NO_VECTOR_HERE = "not applicable: the queue has no vector"
NO_IRQFD = "not applicable: no irqfd is set up, QEMU delivers the interrupt itself"
NO_NOTIFIER = "not applicable: without a host notifier the vCPU that kicks runs the handler itself"


def notify(target: Target, queue: View, index: int, context: DeviceContext) -> Notify:
    """Everything about the notifications of one queue."""
    absent = Absences()
    vector = absent.take("vector", queue.uint, "vector")
    host = _host_notifier(target, queue, context)
    loop = absent.take("context", _serving, queue, index, host, context)
    if loop is None:
        absent["thread"] = absent["polling"] = absent["context"]
    elif loop.thread is None:
        absent["thread"] = "which thread runs the loop is not known"
    by_kvm = absent.take("irqfd_message", _irqfd, context, vector)
    if by_kvm is None:
        for field in ("irqfd_users", "virq", "route"):
            absent[field] = absent["irqfd_message"]
    return Notify(
        vector=vector,
        msix=absent.take("msix", _vector, target, vector, context),
        irqfd_message=by_kvm.message if by_kvm else None,
        irqfd_users=by_kvm.users if by_kvm else None,
        virq=by_kvm.virq if by_kvm else _adapter_route(context, index, absent),
        route=absent.take("route", context.process.routes.message, by_kvm.virq) if by_kvm else None,
        batched=absent.take("batched", context.model.batched, index),
        host_notifier=host,
        guest_notifier=_guest_notifier(target, queue, index, vector, context),
        context=loop.name if loop else None,
        thread=loop.thread if loop else None,
        polling=absent.take("polling", lambda: loop.polling) if loop else None,
        vhost=absent.take("vhost", vhost.queue_state, target, context.vhost, index),
        absent=dict(absent),
    )


def _adapter_route(context: DeviceContext, index: int, absent: Absences) -> Optional[int]:
    """KVM's number for a channel device's queue, which has neither vector nor message."""
    if context.transport is None or context.transport.kind != CCW:
        return None
    absent["virq"] = NO_IRQFD
    found = absent.take("virq", adapter_route, context.transport, index)
    if found is not None:
        del absent["virq"]
    return found


def _serving(queue: View, index: int, notifier: Notifier, context: DeviceContext) -> Loop:
    """The loop that serves a queue: where its host notifier is watched, else where the device would have it."""
    if context.vhost_started:
        raise NotSupported("not applicable: vhost serves the queue")
    if notifier.enabled is False:
        raise NotSupported(NO_NOTIFIER)
    if notifier.handler and notifier.fd is not None:
        loop = context.process.loops.watching(notifier.fd)
        if loop is not None:
            return loop
    return context.model.loop(index)


def _host_notifier(target: Target, queue: View, context: DeviceContext) -> Notifier:
    absent = Absences()
    fd = absent.take("fd", queue.sint, "host_notifier.rfd")
    enabled = absent.take("enabled", queue.flag, "host_notifier_enabled")
    watching = absent.take("handler", _watching, context, fd, enabled)
    if watching is None:
        absent["handler_disabled"] = absent["handler"]
    return Notifier(
        fd=fd,
        initialized=absent.take("initialized", _initialized, queue, "host_notifier"),
        enabled=enabled,
        eventfd_count=absent.take("eventfd_count", _count, target, fd, enabled),
        handler=None if watching is None else bool(watching),
        handler_disabled=None if watching is None else any(loop.disables(fd or 0) for loop in watching),
        absent=dict(absent),
    )


def _initialized(queue: View, notifier: str) -> bool:
    if not queue.has(notifier + ".initialized"):
        raise NotSupported("not applicable: up to QEMU 5.2 notifiers have no such flag")
    return queue.flag(notifier + ".initialized")


def _watching(context: DeviceContext, fd: Optional[int], in_use: Optional[bool]) -> List[Loop]:
    """The loop that watches a file descriptor, in a list; none there where none does."""
    if context.vhost_started:
        raise NotSupported("not applicable: vhost reads it")
    # An EventNotifier that was never set up has rfd 0, which is somebody else's file.
    if fd is None or not in_use:
        raise NotSupported(NOT_SET_UP)
    loop = context.process.loops.watching(fd)
    return [] if loop is None else [loop]


def _guest_notifier(target: Target, queue: View, index: int, vector: Optional[int],
                    context: DeviceContext) -> Notifier:
    absent = Absences()
    fd = absent.take("fd", queue.sint, "guest_notifier.rfd")
    # Where there is no flag the fd says the same: 0 of one that never was, as standard input is never an eventfd, and
    # -1 of one that was taken down (event_notifier_cleanup()).
    initialized = absent.take("initialized", _initialized, queue, "guest_notifier")
    in_use = fd is not None and fd > 0 if initialized is None else initialized
    watching = absent.take("handler", _watching, context, fd, in_use)
    return Notifier(
        fd=fd,
        initialized=initialized,
        eventfd_count=absent.take("eventfd_count", _count, target, fd, in_use),
        handler=None if watching is None else bool(watching),
        irqfd=absent.take("irqfd", _has_irqfd, context, index, vector),
        absent=dict(absent),
    )


def _has_irqfd(context: DeviceContext, index: int, vector: Optional[int]) -> bool:
    if context.transport is not None and context.transport.kind == CCW:
        return adapter_route(context.transport, index) is not None
    try:
        return _irqfd(context, vector).users > 0
    except NoIrqfd:
        return False


def _count(target: Target, fd: Optional[int], in_use: Optional[bool]) -> Optional[int]:
    if fd is None or not in_use:
        raise NotSupported(NOT_SET_UP)
    return target.eventfd_count(fd)


def _vector(target: Target, vector: Optional[int], context: DeviceContext) -> MsixVector:
    if context.msix is None:
        raise NotSupported(context.why_no_msix)
    if vector is None or vector == NO_VECTOR:
        raise NotSupported(NO_VECTOR_HERE)
    return vector_state(target, context.msix, vector)


def _irqfd(context: DeviceContext, vector: Optional[int]) -> Irqfd:
    if context.transport is None or context.msix is None:
        raise NotSupported(context.why_no_msix)
    if vector is None or vector == NO_VECTOR:
        raise NotSupported(NO_VECTOR_HERE)
    return irqfd(context.transport, vector)


