"""The guest's side of its virtio devices as a snapshot."""
import datetime
from typing import List, Optional, Tuple

from .. import __version__
from ..snapshot.driver_model import GuestDevice
from ..snapshot.kinds import Hex
from ..snapshot.model import GUEST, SCHEMA_VERSION, Capture, Device, Features, Producer, Queue, Snapshot
from ..target.absence import Absences
from ..target.errors import Corrupt, NotRecorded, TargetError
from ..target.target import Identity, Target
from ..target.view import View
from ..virtio import devices
from ..virtio.features import feature_names
from . import clock, cpus, system, virtqueue
from .bus import VirtioDevice, driver_name, virtio_devices
from .choose import Candidate, Choice, choose
from .drivers import driver_kind
from .drivers.base import MAX_QUEUES
from .irqs import Irqs
from .lists import list_entries

MAX_DEVICE_ID = 0xFFFF
"""PCI and virtio have 16 bits for it."""


def take(target: Target, name: Optional[str] = None) -> Snapshot:
    """The snapshot of one device, or of all virtio devices.

    `name` is a disk, network interface, SCSI disk or host, another Linux name, a device of the virtio bus
    (`virtio3`), a PCI address, or the address of a struct vring_virtqueue.  Raises UnknownDevice and other
    TargetErrors.
    """
    absent = Absences()
    identity = target.identity()
    now = absent.take("clock_ns", clock.clock, target)
    if now is None:
        absent["uptime_ns"] = absent["clock_ns"]
    clock_ns = now and now.monotonic_ns
    every, lost = _candidates(target, clock_ns)
    chosen = choose(target, every, name, lost)
    irqs = Irqs(target)
    time, time_source = _time(identity, now, absent)
    return Snapshot(
        schema=SCHEMA_VERSION,
        side=GUEST,
        producer=Producer("vqcheck", __version__, identity.debugger),
        target=system.system(target),
        capture=Capture(
            method=identity.method,
            time=time,
            time_source=time_source,
            source=identity.source,
            clock_ns=clock_ns,
            uptime_ns=now and now.boottime_ns,
            cpus_online=absent.take("cpus_online", cpus.online, target),
            panicked=absent.take("panicked", cpus.panicked, target),
            warnings=[identity.warning] if identity.warning else None,
            absent=dict(absent),
        ),
        devices=[_device(target, one, irqs) for one in chosen],
        absent={"devices": lost} if lost and name is None else {},
    )


def _time(identity: Identity, now: Optional[clock.Clock], absent: Absences) -> Tuple[Optional[str], Optional[str]]:
    """When it was, and who says so: whoever caught the memory, else the guest."""
    if identity.time is not None:
        return _iso(int(identity.time)), identity.time_source
    if now is None:
        absent["time"] = absent["clock_ns"]
        return None, None
    return _iso(now.realtime), "the guest's clock at its last tick"


def _iso(seconds: float) -> str:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _candidates(target: Target, clock_ns: Optional[int]) -> Tuple[List[Candidate], Optional[str]]:
    """The devices of the virtio bus, and why these are not all.  Raises TargetError where it can't be read at all."""
    found: List[Candidate] = []
    lost = None
    try:
        for device in virtio_devices(target):
            try:
                found.append(_candidate(target, device, clock_ns))
            except TargetError as problem:
                lost = lost or f"{device.name}: {problem}"
    except TargetError as problem:
        if not found:
            raise
        lost = lost or str(problem)
    return found, lost


def _candidate(target: Target, device: VirtioDevice, clock_ns: Optional[int]) -> Candidate:
    device_id = device.view.uint("id.device")
    if device_id > MAX_DEVICE_ID:
        raise Corrupt(f"it claims the virtio device id {device_id}")
    driver = driver_kind(device_id)(target, device, clock_ns)
    name = driver.display_name() or device.name
    queues, _ = _queues(target, device)  # reading the device again will say what is wrong with them
    return Candidate(driver, name, [name, device.name, *(one.name for one in device.below)], queues)


def _queues(target: Target, device: VirtioDevice) -> Tuple[List[int], Optional[str]]:
    """The struct virtqueues on virtio_device.vqs, and why these are not all.

    Each is also the address of its struct vring_virtqueue.
    """
    found: List[int] = []
    try:
        inside = target.member_of("struct virtqueue", "list").offset
        for node in list_entries(target, device.view.address_of("vqs")):
            found.append(node - inside)
            if len(found) > MAX_QUEUES:
                raise Corrupt(f"the device claims more than {MAX_QUEUES} queues")
    except TargetError as problem:
        return found[:MAX_QUEUES], str(problem)
    return found, None


def _features(device: View) -> int:
    """The negotiated features: 128 bits since Linux 6.17 (VIRTIO_DECLARE_FEATURES), of which QEMU has 128 too."""
    try:
        wide = device.has("features_array")
    except NotRecorded:
        wide = False  # recordings of before this was asked have no bits above 63
    if not wide:
        return device.uint("features")
    raw = device.raw("features_array")
    return sum(device.target.decode_uint(raw[at:at + 8]) << 8 * at for at in range(0, len(raw), 8))


def _device(target: Target, choice: Choice, irqs: Irqs) -> Device:
    driver = choice.candidate.driver
    found = driver.device
    absent = Absences(status="not applicable: Linux keeps no copy of it")
    if found.why_no_bus:
        absent["bus"] = found.why_no_bus
    device_id = found.view.uint("id.device")
    mask = absent.take("features", _features, found.view)
    context = virtqueue.DeviceContext(device_id, found.view.address, mask, driver, irqs)
    addresses, why = _queues(target, found)
    if why is not None:
        absent["queues"] = why
    queues = []
    for one in addresses:
        if choice.queue in (None, one):
            try:
                queues.append(virtqueue.read_queue(target, one, None if why else len(addresses), context))
            except TargetError as problem:
                absent["queues"] = str(problem)
    return Device(
        name=choice.candidate.name,
        type=devices.type_name(device_id),
        device_id=device_id,
        queues=sorted(queues, key=_by_index),
        bus=found.bus,
        features=Features(Hex(mask), feature_names(mask, device_id)) if mask is not None else None,
        guest=_guest(choice.candidate),
        absent=dict(absent),
    )


def _by_index(queue: Queue) -> int:
    return queue.queue_index


def _guest(candidate: Candidate) -> GuestDevice:
    driver, found = candidate.driver, candidate.driver.device
    absent = Absences()
    if found.why_none_below:
        absent["linux_names"] = found.why_none_below
    known = GuestDevice(
        virtio_device=found.name,
        driver=absent.take("driver", driver_name, found.view.embedded("struct device", "dev")),
        address=Hex(found.view.address),
        linux_names=list(dict.fromkeys(one.name for one in found.below)),
    )
    known = known._replace(**driver.fields(absent))
    return known._replace(absent=dict(absent))
