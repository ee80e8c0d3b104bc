"""One virtio device, as far as QMP tells of it."""
from typing import List, NamedTuple, Optional

from ...snapshot.device_model import HostDevice
from ...snapshot.model import Device, Features
from ...snapshot.transport_model import NetClient
from ...target.absence import Absences
from ...target.errors import NotSupported, TargetError
from ...virtio import devices as virtio_devices
from ...virtio import features as virtio_features
from . import words
from .allowed import BY_QEMU, BY_QEMU_OR_VHOST
from .ask import U8, U16, ask_record
from .careful import Backend
from .devices import IDS, Found, display_name
from .disks import Disks
from .queue import UNTOLD, lacking
from .served import Served, Status, Surroundings, backend_of, served

UNSAFE = "not asked: QMP's x-query-virtio-status can end a QEMU that has such a device"

UNTOLD_FIELDS = ("address", "bus_ioeventfd_started", "bus_ioeventfd_grabbed", "intx")
"""Fields of HostDevice that QMP tells nothing of."""

UNTOLD_OF_DISKS = ("ioeventfd_started", "ioeventfd_starting", "ioeventfd_stopping", "ioeventfd_disabled")
UNTOLD_BY_KIND = {"virtio-blk-device": (*UNTOLD_OF_DISKS, "batch_notifications"),
                  "virtio-scsi-device": (*UNTOLD_OF_DISKS, "resetting")}


class Read(NamedTuple):
    """A device with the first readings of its queues, and with the second."""

    first: Device
    again: Device


class Unnamed(TargetError):
    """A device of which not even the type can be told."""


class _Subject(NamedTuple):
    """A device on its way into a snapshot."""

    around: Surroundings
    found: Found
    status: Status
    device_id: int
    backend: Optional[Backend]
    why_no_backend: str
    features: Optional[Features] = None


def read_device(around: Surroundings, found: Found, block: Disks) -> Read:
    """Everything QMP tells of one device.  Raises Unnamed."""
    absent = Absences()
    subject = _subject(around, found)
    status, device_id = subject.status, subject.device_id
    features = absent.take("features", lambda: words.features(status.get(), device_id))
    subject = subject._replace(features=features)
    if features is not None and features.offered is None:
        absent["features.offered"] = "QEMU offers a feature whose bit is not known"
    queues = absent.take("queues", served, around, found, status, device_id, _negotiated(features),
                         subject.backend) or Served([])
    if queues.problem:
        absent["queues"] = queues.problem
    if found.bus is None:
        absent["bus"] = found.why_no_bus
    device = Device(
        name=display_name(found),
        type=virtio_devices.type_name(device_id),
        device_id=device_id,
        queues=[first for first, _ in queues.queues],
        bus=found.bus,
        status=absent.take("status", lambda: words.status_byte(status.get())),
        features=features,
        host=_host(subject, queues, block),
    )
    device = device._replace(absent=dict(absent))
    return Read(device, device._replace(queues=[again for _, again in queues.queues]))


def _subject(around: Surroundings, found: Found) -> _Subject:
    status = _status(around, found)
    absent = Absences()
    backend = absent.take("", backend_of, around.ask, found) if status else None
    return _Subject(around, found, status, _device_id(found, status), backend, absent.get("", ""))


def _status(around: Surroundings, found: Found) -> Status:
    if found.kind not in BY_QEMU | BY_QEMU_OR_VHOST:
        return Status(None, UNSAFE)
    absent = Absences()
    said = absent.take("", ask_record, around.ask, "x-query-virtio-status", {"path": found.path})
    return Status(said, absent.get("", ""))


def _device_id(found: Found, status: Status) -> int:
    if status:
        return status.get().number("device-id", U16)
    if found.name in IDS:
        return IDS[found.name]
    raise Unnamed(f"{display_name(found)} is left out: QMP does not tell what it is ({found.name}, {found.kind})")


def _negotiated(features: Optional[Features]) -> Optional[int]:
    return None if features is None else int(features.negotiated)


def _host(subject: _Subject, queues: Served, block: Disks) -> HostDevice:
    found, status = subject.found, subject.status
    absent = Absences()
    started = queues.vhost.started if queues.vhost else absent.take("vhost_started", status.flag, "vhost-started")
    if subject.around.run_state is None:
        absent["run_state"] = "QEMU did not tell it"
    if queues.vhost is None:
        absent["vhost"] = "not applicable: no vhost device serves it" if started is False else UNTOLD
    record = block.describe(found, HostDevice(
        qdev_id=found.qdev_id,
        qom_path=found.path,
        type=found.kind,
        run_state=subject.around.run_state,
        vm_running=absent.take("vm_running", status.flag, "vm-running"),
        broken=absent.take("broken", status.flag, "broken"),
        disabled=absent.take("disabled", status.flag, "disabled"),
        started=absent.take("started", status.flag, "started"),
        isr=absent.take("isr", lambda: status.get().number("isr", U8)),
        vhost_started=started,
        vhost=[queues.vhost] if queues.vhost else None,
        net=_clients(subject, absent),
        byte_order=absent.take("byte_order", _byte_order, status, _negotiated(subject.features)),
    ), absent)
    told: HostDevice = lacking(record._replace(absent=dict(absent)), UNTOLD,
                               UNTOLD_FIELDS + UNTOLD_BY_KIND.get(found.kind, ()))
    return told


def _clients(subject: _Subject, absent: Absences) -> Optional[List[NetClient]]:
    """The backends of a network card: which they are, QMP tells, and nothing of what waits in them."""
    if subject.found.kind != "virtio-net-device":
        return None
    backend = subject.backend
    if backend is None:
        absent["net"] = subject.why_no_backend or "not applicable: the card has no backend"
        return None
    return [lacking(NetClient(pair=pair, peer=backend.name), UNTOLD) for pair in backend.pairs]


def _byte_order(status: Status, mask: Optional[int]) -> str:
    """As devices.byte_order() has it: what QEMU tells is the guest's own order, which modern devices do not go by."""
    if mask is not None and virtio_features.has(mask, virtio_features.VERSION_1):
        return "little"
    endian = status.get().text("device-endian")
    if endian not in ("little", "big"):
        raise NotSupported(f"QEMU says: {endian}")
    return endian
