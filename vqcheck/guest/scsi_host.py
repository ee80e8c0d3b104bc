"""A SCSI host of the guest and the devices on it.

Source: Linux include/scsi/scsi_host.h (struct Scsi_Host, enum scsi_host_state), include/scsi/scsi_device.h (struct
scsi_device, enum scsi_device_state).
"""
import re
from typing import Dict, Iterator, List, NamedTuple, Optional

from ..snapshot.kernel_model import ScsiHost, ScsiUnit
from ..snapshot.kinds import Hex
from ..target.absence import Absences
from ..target.errors import Corrupt, TargetError
from ..target.target import Target
from ..target.view import View, container_of
from .bus import Below, VirtioDevice

HOST_STATES: Dict[int, str] = {1: "created", 2: "running", 3: "cancel", 4: "del", 5: "recovery", 6: "cancel_recovery",
                               7: "del_recovery"}
"""enum scsi_host_state without SHOST_."""
IN_RECOVERY = (5, 6, 7)
"""scsi_host_in_recovery()."""

DEVICE_STATES: Dict[int, str] = {1: "created", 2: "running", 3: "cancel", 4: "del", 5: "quiesce", 6: "offline",
                                 7: "transport_offline", 8: "block", 9: "created_block"}
"""enum scsi_device_state without SDEV_."""

UNIT = re.compile(r"\d+:\d+:\d+:\d+")
"""What a SCSI device is called on its bus, where hosts and targets are as well."""


def find(target: Target, device: VirtioDevice) -> View:
    """The struct Scsi_Host that a virtio-scsi device is.  Raises TargetError."""
    address = device.view.pointer("priv")
    host = View(target, "struct Scsi_Host", address)
    own = [one.device for one in device.below if one.depth == 1 and one.subsystem == "scsi"]
    if own and host.address_of("shost_gendev") not in own:
        raise Corrupt(f"virtio_device.priv, {address:#x}, is not the SCSI host that hangs on the device")
    return host


def read(host: View, device: VirtioDevice) -> ScsiHost:
    """The host with its devices.  Never raises."""
    absent = Absences()
    state = absent.take("state", host.uint, "shost_state")
    if state is None:
        absent["eh_active"] = absent["state"]
    if device.why_none_below:
        absent["units"] = device.why_none_below
    number = absent.take("name", host.uint, "host_no")
    return ScsiHost(
        name=None if number is None else f"host{number}",
        address=Hex(host.address),
        state=None if state is None else HOST_STATES.get(state, f"state_{state}"),
        failed=absent.take("failed", host.uint, "host_failed"),
        eh_active=None if state is None else state in IN_RECOVERY,
        blocked=absent.take("blocked", host.uint, "host_blocked"),
        units=None if device.why_none_below else [_unit(host, one) for one in _units(device.below)],
        absent=dict(absent),
    )


class _Unit(NamedTuple):
    device: Below
    disk: Optional[str]


def _units(below: List[Below]) -> Iterator[_Unit]:
    """The SCSI devices, each with its disk: that comes after its device and before the next one."""
    for place, one in enumerate(below):
        if one.subsystem != "scsi" or not UNIT.fullmatch(one.name):
            continue
        under = []
        for other in below[place + 1:]:
            if other.depth <= one.depth:
                break
            under.append(other)
        yield _Unit(one, next((other.name for other in disks(under)), None))


def disks(below: List[Below]) -> Iterator[Below]:
    """The disks among what hangs below a device, without their partitions."""
    inside = None
    for one in below:
        if inside is not None and one.depth > inside:
            continue
        inside = None
        if one.subsystem == "block":
            inside = one.depth
            yield one


def _unit(host: View, unit: _Unit) -> ScsiUnit:
    absent = Absences()
    try:
        address = container_of(host.target, unit.device.device, "struct scsi_device", "sdev_gendev")
        device = View(host.target, "struct scsi_device", address)
        if device.pointer("host") != host.address:
            raise Corrupt("it belongs to another host")
        state = device.uint("sdev_state")
    except TargetError as problem:
        return ScsiUnit(unit.device.name, unit.disk, absent={"state": str(problem)})
    if unit.disk is None:
        absent["disk"] = "no disk hangs on it"
    return ScsiUnit(unit.device.name, unit.disk, DEVICE_STATES.get(state, f"state_{state}"), absent=dict(absent))


def unit_name(host: View, device: View) -> str:
    """host:channel:id:lun of a struct scsi_device on a host.  Raises TargetError."""
    return f"{host.uint('host_no')}:{device.uint('channel')}:{device.uint('id')}:{device.uint('lun')}"
