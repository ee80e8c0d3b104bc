"""Which virtio devices there are, and which one a name means."""
import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ...snapshot.model import Bus
from ...target.absence import Absences
from ...target.errors import TargetError
from ..devices import UnknownDevice
from .ask import COMMAND_NOT_FOUND, Answer, Qom, Refused, ask_record, ask_records
from .bus import Buses
from .careful import Careful

NO_DEVICES = "No virtio devices found"
"""What QEMU 8.0 and later call an empty list (hw/virtio/virtio-qmp.c, qmp_x_query_virtio())."""

IDS: Dict[str, int] = {
    "virtio-net": 1, "virtio-blk": 2, "virtio-serial": 3, "virtio-rng": 4, "virtio-balloon": 5, "virtio-iomem": 6,
    "virtio-rpmsg": 7, "virtio-scsi": 8, "virtio-9p": 9, "virtio-mac-wlan": 10, "virtio-rproc-serial": 11,
    "virtio-caif": 12, "virtio-mem-balloon": 13, "virtio-gpu": 16, "virtio-clk": 17, "virtio-input": 18,
    "vhost-vsock": 19, "virtio-crypto": 20, "virtio-signal": 21, "virtio-pstore": 22, "virtio-iommu": 23,
    "virtio-mem": 24, "virtio-sound": 25, "virtio-user-fs": 26, "virtio-pmem": 27, "virtio-rpmb": 28,
    "virtio-mac-hwsim": 29, "virtio-vid-encoder": 30, "virtio-vid-decoder": 31, "virtio-scmi": 32,
    "virtio-nitro-sec-mod": 33, "vhost-user-i2c": 34, "virtio-watchdog": 35, "virtio-can": 36, "virtio-dmabuf": 37,
    "virtio-param-serv": 38, "virtio-audio-pol": 39, "virtio-bluetooth": 40, "virtio-gpio": 41,
}
"""VirtIODevice.name to the device's id (QEMU hw/virtio/virtio.c, virtio_device_names[])."""

PERIPHERAL = re.compile(r"/machine/peripheral/([^/]+)(?:/|$)")
BACKEND = "/virtio-backend"


class Found(NamedTuple):
    """A virtio device of QEMU's."""

    path: str
    """Its place in QEMU's object tree."""
    name: str
    """VirtIODevice.name."""
    kind: str
    """Its QOM type."""
    drive: Optional[str]
    """What the user's -device has as its drive: the name of a block node, or of a -drive."""
    bus: Optional[Bus]
    why_no_bus: str

    @property
    def qdev_id(self) -> Optional[str]:
        """The id that the user's -device gave."""
        return qdev_id(self.path)


class TooOld(TargetError):
    """This QEMU says nothing of virtqueues over QMP."""


def devices(ask: Careful, wanted: Optional[str] = None) -> List[Found]:
    """All virtio devices, by bus address, as QEMU lists them in no order; or the one of a name.

    Raises TooOld, UnknownDevice and other TargetErrors.
    """
    buses, qom = Buses(ask), Qom(ask)
    listed = _listed(ask)
    by_path = [one for one in listed if wanted in _by_path(one.text("path"))]
    if len(by_path) == 1:  # nothing need be asked of all the others
        return [_found(by_path[0], qom, buses)]
    return choose(sorted((_found(one, qom, buses) for one in listed), key=_order), wanted)


def _listed(ask: Careful) -> List[Answer]:
    try:
        return ask_records(ask, "x-query-virtio")
    except Refused as problem:
        if problem.text == NO_DEVICES:
            return []
        if problem.kind != COMMAND_NOT_FOUND:
            raise
        raise TooOld(f"QEMU {version(ask)} tells nothing of virtqueues over QMP, which it has done since 7.2 "
                     f"({problem.text}); read it with `vqcheck host --pid`")


def version(ask: Careful) -> str:
    """QEMU's version as `7.2.22`."""
    said = ask_record(ask, "query-version").record("qemu")
    return ".".join(str(said.number(part, 9999)) for part in ("major", "minor", "micro"))


def _found(one: Answer, qom: Qom, buses: Buses) -> Found:
    path, absent = one.text("path"), Absences()
    return Found(
        path=path,
        name=one.text("name"),
        kind=qom.kind(path),
        drive=Absences().take("", qom.text, path, "drive") if one.text("name") == "virtio-blk" else None,
        bus=absent.take("bus", buses.bus, path),
        why_no_bus=absent.get("bus", ""),
    )


def _order(found: Found) -> Tuple[str, str, str]:
    return found.bus.type if found.bus else "?", (found.bus and found.bus.address) or "", found.path


def display_name(found: Found) -> str:
    """What the device is called: the user's id, else its place in QEMU's object tree."""
    return found.qdev_id or found.path


def qdev_id(path: str) -> Optional[str]:
    """The id of a device that the user's -device made, by its place in QEMU's object tree."""
    match = PERIPHERAL.match(path)
    return match.group(1) if match else None


def _by_path(path: str) -> List[str]:
    """The names of a device that its path alone tells."""
    outer = path[:-len(BACKEND)] if path.endswith(BACKEND) else None
    return [name for name in (qdev_id(path), path, outer) if name]


def names(found: Found) -> List[str]:
    """Every name by which the device can be asked for."""
    address = found.bus.address if found.bus else None
    short = address[5:] if address and address.startswith("0000:") else None
    return _by_path(found.path) + [name for name in (found.drive, address, short) if name]


def choose(every: Sequence[Found], wanted: Optional[str]) -> List[Found]:
    """The device of a qdev id, QOM path, drive, bus address or index; all of them for None.  Raises UnknownDevice."""
    if wanted is None:
        return list(every)
    matching = [found for found in every if wanted in names(found)]
    if not matching and wanted.isdecimal() and int(wanted) < len(every):
        matching = [every[int(wanted)]]
    if len(matching) == 1:
        return matching
    there = ", ".join(f"{number}: {display_name(found)}" for number, found in enumerate(every)) or "none"
    if matching:
        raise UnknownDevice(f"{wanted!r} means {len(matching)} devices; ask by qdev id or by number ({there})")
    raise UnknownDevice(f"this QEMU has no virtio device {wanted!r}; its virtio devices: {there}")
