"""QEMU's side of its virtio devices as a snapshot."""
import datetime
from typing import List, Optional

from .. import __version__
from ..snapshot.device_model import HostDevice
from ..snapshot.kinds import Hex
from ..snapshot.model import HOST, SCHEMA_VERSION, Bus, Capture, Device, Features, Producer, Queue, Snapshot
from ..target.absence import Absences
from ..target.target import Target
from ..target.view import View
from ..virtio import devices as virtio_devices
from ..virtio.features import feature_names
from . import msix, system, vhost
from .context import DeviceContext
from .devices import Found, byte_order, choose, devices, display_name, feature_mask
from .models import model_of
from .process import Process
from .transport import bus_state
from .virtqueue import read_queue

QUEUE_MAX = 1024
"""VIRTIO_QUEUE_MAX: VirtIODevice.vq is an array of that many."""


def take(target: Target, name: Optional[str] = None) -> Snapshot:
    """The snapshot of one device, by qdev id, QOM path, block node, bus address or index, or of all.

    Raises UnknownDevice and other TargetErrors.
    """
    every = devices(target)
    chosen = choose(every, name)
    process = Process(target, every[0].device.address if every else None)
    identity = target.identity()
    found = [_device(process, one, display_name(one, every.index(one))) for one in chosen]
    return Snapshot(
        schema=SCHEMA_VERSION,
        side=HOST,
        producer=Producer("vqcheck", __version__, identity.debugger),
        target=system.system(target),
        capture=_capture(process),
        devices=found,
        threads=process.threads,
        qemu=process.state(),
        absent={"threads": process.absent["threads"]} if process.threads is None else {},
    )


def _capture(process: Process) -> Capture:
    identity = process.target.identity()
    absent = Absences()
    moment = None
    if identity.time is not None:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=int(identity.time))
    else:
        absent["time"] = "the debugger knows none"
    if process.clock.now is None:
        absent["clock_ns"] = "a core does not hold the time, and QEMU's memory tells none"
    return Capture(
        method=identity.method,
        time=moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None,
        time_source=identity.time_source,
        source=identity.source,
        clock_ns=process.clock.now,
        warnings=[identity.warning] if identity.warning else None,
        absent=dict(absent),
    )


def _device(process: Process, found: Found, name: str) -> Device:
    view, absent = found.device, Absences()
    context = _context(process, found)
    bus: Optional[Bus] = None
    if found.transport:
        bus = absent.take("bus", found.transport.bus)
    else:
        absent["bus"] = context.why_no_transport
    return Device(
        name=name,
        type=virtio_devices.type_name(context.device_id),
        device_id=context.device_id,
        queues=_queues(context),
        bus=bus,
        status=absent.take("status", view.uint, "status"),
        features=Features(Hex(context.features), feature_names(context.features, context.device_id),
                          Hex(feature_mask(view, "host_features"))),
        host=_host(context, found),
        absent=dict(absent),
    )


def _context(process: Process, found: Found) -> DeviceContext:
    absent = Absences()
    table = None
    if found.transport is None:
        absent["msix"] = found.absent.get("bus", "the device has no transport")
    else:
        table = absent.take("msix", msix.msix, found.transport)
    return DeviceContext(
        process=process,
        device=found.device,
        device_id=found.device.uint("device_id"),
        features=feature_mask(found.device, "guest_features"),
        byte_order=byte_order(found.device),
        model=model_of(process, found.device, found.kinds),
        transport=found.transport,
        why_no_transport=found.absent.get("bus", "the device has no transport"),
        msix=table,
        why_no_msix=absent.get("msix", ""),
        vhost=process.vhost.of(found.device),
    )


def _host(context: DeviceContext, found: Found) -> HostDevice:
    view, process = found.device, context.process
    absent = Absences({key: reason for key, reason in found.absent.items() if key != "bus"})
    if process.run_state is None:
        absent["run_state"] = process.absent["run_state"]
    isr = absent.take("isr", view.uint, "isr")
    bus = bus_state(view, absent)
    record = HostDevice(
        qdev_id=found.qdev_id,
        qom_path=found.qom_path,
        type=found.kind,
        address=Hex(view.address),
        run_state=process.run_state,
        vm_running=absent.take("vm_running", view.flag, "vm_running"),
        broken=absent.take("broken", view.flag, "broken"),
        disabled=absent.take("disabled", view.flag, "disabled"),
        started=absent.take("started", view.flag, "started"),
        isr=isr,
        vhost_started=absent.take("vhost_started", _vhost_started, view, context),
        bus_ioeventfd_started=bus.ioeventfd_started,
        bus_ioeventfd_grabbed=bus.ioeventfd_grabbed,
        intx=absent.take("intx", context.transport.intx, isr) if context.transport and isr is not None else None,
        vhost=vhost.states(context.vhost) or None,
        byte_order=context.byte_order,
    )
    if not context.vhost:
        absent["vhost"] = process.vhost.problem or "not applicable: no vhost device serves it"
    return context.model.describe(record, absent)._replace(absent=dict(absent))


def _vhost_started(view: View, context: DeviceContext) -> bool:
    """Whether vhost serves it, by the device's own account and by vhost's; until QEMU 6.2 only the latter tells."""
    return context.vhost_started or (view.has("vhost_started") and view.flag("vhost_started"))


def _queues(context: DeviceContext) -> List[Queue]:
    target, view = context.process.target, context.device
    start, size = view.pointer("vq"), target.size_of("struct VirtQueue")
    queues: List[View] = []
    for index in range(QUEUE_MAX):
        queue = View(target, "struct VirtQueue", start + index * size)
        if queue.uint("vring.num_default") == 0:
            break
        queues.append(queue)
    return [read_queue(target, queue, index, len(queues), context) for index, queue in enumerate(queues)]
