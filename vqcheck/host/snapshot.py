"""QEMU's side of its virtio devices as a snapshot."""
import datetime
from typing import List, NamedTuple, Optional

from .. import __version__
from ..snapshot.device_model import HostDevice, ThreadState
from ..snapshot.kinds import Hex
from ..snapshot.model import HOST, SCHEMA_VERSION, Bus, Capture, Device, Features, Producer, Queue, Snapshot
from ..target.absence import Absences
from ..target.errors import TargetError
from ..target.target import Target, Thread
from ..target.view import View
from ..virtio import devices as virtio_devices
from ..virtio.features import feature_names
from . import block, system, transport, virtqueue
from .devices import Found, choose, devices, display_name, is_disk
from .loops import Loops

QUEUE_MAX = 1024
"""VIRTIO_QUEUE_MAX: VirtIODevice.vq is an array of that many."""

DEVICE_ENDIAN_BIG = 2
"""enum virtio_device_endian."""


class _Process(NamedTuple):
    """What all devices of one process have in common."""

    target: Target
    loops: Loops
    run_state: Optional[str]
    why_no_run_state: Optional[str]


def take(target: Target, name: Optional[str] = None) -> Snapshot:
    """The snapshot of one device, by qdev id, QOM path, block node or index, or of all.  Raises UnknownDevice and
    other TargetErrors."""
    every = devices(target)
    chosen = choose(every, name)
    absent = Absences()
    threads = absent.take("threads", target.threads)
    run_state = absent.take("run_state", system.run_state, target)
    process = _Process(target, Loops(target), run_state, absent.pop("run_state", None))
    identity = target.identity()
    return Snapshot(
        schema=SCHEMA_VERSION,
        side=HOST,
        producer=Producer("vqcheck", __version__, identity.debugger),
        target=system.system(target),
        capture=_capture(target),
        devices=[_device(process, found, display_name(found, every.index(found))) for found in chosen],
        threads=None if threads is None else [_thread(thread) for thread in threads],
        absent=dict(absent),
    )


def _capture(target: Target) -> Capture:
    identity = target.identity()
    moment = None
    if identity.time is not None:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=int(identity.time))
    return Capture(
        method=identity.method,
        time=moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None,
        time_source=identity.time_source,
        source=identity.source,
        absent={} if moment else {"time": "the debugger knows none"},
    )


def _thread(thread: Thread) -> ThreadState:
    absent = {}
    if thread.name is None:
        absent["name"] = "a core does not hold it"
    if thread.functions is None:
        absent["functions"] = thread.reason or "its stack can't be unwound"
    return ThreadState(thread.id, thread.name, None if thread.functions is None else list(thread.functions), absent)


def _device(process: _Process, found: Found, name: str) -> Device:
    view = found.device
    absent = Absences()
    device_id = view.uint("device_id")
    mask = view.uint("guest_features")
    bus: Optional[Bus] = None
    if found.proxy:
        bus = absent.take("bus", transport.bus, process.target, found.proxy)
    else:
        absent["bus"] = found.absent.get("bus", "the device has no transport")
    return Device(
        name=name,
        type=virtio_devices.type_name(device_id),
        device_id=device_id,
        queues=_queues(process, found, device_id, mask),
        bus=bus,
        status=absent.take("status", view.uint, "status"),
        features=Features(Hex(mask), feature_names(mask, device_id), Hex(view.uint("host_features"))),
        host=_host(process, found),
        absent=dict(absent),
    )


def _host(process: _Process, found: Found) -> HostDevice:
    view, target = found.device, process.target
    absent = Absences({key: reason for key, reason in found.absent.items() if key != "bus"})
    if process.why_no_run_state:
        absent["run_state"] = process.why_no_run_state
    disk = is_disk(view)
    return HostDevice(
        qdev_id=found.qdev_id,
        qom_path=found.qom_path,
        type=absent.take("type", view.string, "name"),
        address=Hex(view.address),
        run_state=process.run_state,
        vm_running=absent.take("vm_running", view.flag, "vm_running"),
        broken=absent.take("broken", view.flag, "broken"),
        disabled=absent.take("disabled", view.flag, "disabled"),
        started=absent.take("started", view.flag, "started"),
        isr=absent.take("isr", view.uint, "isr"),
        # Until QEMU 6.2 only the devices that can use vhost kept it, each for itself.
        vhost_started=absent.take("vhost_started", view.flag, "vhost_started"),
        ioeventfd_started=absent.take("ioeventfd_started", _ioeventfd_started, target, view) if disk else None,
        block=absent.take("block", block.block_state, target, view) if disk else None,
        absent=dict(absent),
    )


def _ioeventfd_started(target: Target, device: View) -> bool:
    # dataplane_started became ioeventfd_started when QEMU 9.0 dissolved the dataplane into virtio-blk.
    return View(target, "struct VirtIOBlock", device.address).flag("dataplane_started", "ioeventfd_started")


def _queues(process: _Process, found: Found, device_id: int, mask: int) -> List[Queue]:
    target, view = process.target, found.device
    msix, why_not = None, "the device has no transport"
    if found.proxy:
        try:
            msix = transport.msix(target, found.proxy)
        except TargetError as problem:
            why_not = str(problem)
    big = view.uint("device_endian") == DEVICE_ENDIAN_BIG
    context = virtqueue.DeviceContext(view, device_id, mask, "big" if big else "little", found.proxy, msix, why_not,
                                      is_disk(view), process.loops)
    start, size = view.pointer("vq"), target.size_of("struct VirtQueue")
    queues: List[View] = []
    for index in range(QUEUE_MAX):
        queue = View(target, "struct VirtQueue", start + index * size)
        if queue.uint("vring.num_default") == 0:
            break
        queues.append(queue)
    return [virtqueue.read_queue(target, queue, index, len(queues), context) for index, queue in enumerate(queues)]
