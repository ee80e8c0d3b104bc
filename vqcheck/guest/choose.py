"""Which device a user means: by a Linux name, a name on the virtio bus, a PCI address or a vring_virtqueue."""
import re
from typing import List, NamedTuple, Optional, Sequence

from ..target.errors import TargetError
from ..target.target import Target
from ..target.view import View
from .bus import bus_name, device_name
from .drivers import Driver
from .lists import subsystem, subsystem_devices

ADDRESS = re.compile(r"0x([0-9a-f]{1,16})|([0-9a-f]{8,16})", re.IGNORECASE)

CLASSES = ("block", "net", "scsi_host", "input", "tty")
"""Where a name is looked for that no virtio device has, to be able to say what it is instead."""

LISTED = 40
"""Names in an error message at most."""


class UnknownDevice(TargetError):
    """The guest has no virtio device of that name."""


class Candidate(NamedTuple):
    """A virtio device under all the names that a user may call it by."""

    driver: Driver
    name: str
    """The name it is shown under."""
    names: List[str]
    queues: List[int]
    """Addresses of its struct virtqueues."""


class Choice(NamedTuple):
    """A device that is to be shown, and of it a single queue where only that was asked for."""

    candidate: Candidate
    queue: Optional[int]


def choose(target: Target, every: Sequence[Candidate], wanted: Optional[str],
           lost: Optional[str] = None) -> List[Choice]:
    """The device of a name, or all for None; `lost` is why `every` is not.  Raises UnknownDevice."""
    if wanted is None:
        return [Choice(one, None) for one in every]
    name = wanted[len("/dev/"):] if wanted.startswith("/dev/") else wanted
    address = _address(name)
    for one in every:
        if name in one.names or _same_place(one, name):
            return [Choice(one, None)]
        if address is not None and address in one.queues:
            return [Choice(one, address)]
    raise UnknownDevice(_refusal(target, every, name) + (f"; not all could be read: {lost}" if lost else ""))


def _address(name: str) -> Optional[int]:
    found = ADDRESS.fullmatch(name)
    return int(found.group(1) or found.group(2), 16) if found else None


def _same_place(one: Candidate, name: str) -> bool:
    bus = one.driver.device.bus
    if bus is None or bus.address is None:
        return False
    return name == bus.address or bus.type == "pci" and f"0000:{name}" == bus.address


def _refusal(target: Target, every: Sequence[Candidate], name: str) -> str:
    names = [one.name for one in every]
    there = ", ".join(names[:LISTED]) or "none"
    if len(names) > LISTED:
        there += f" and {len(names) - LISTED} more"
    where = _elsewhere(target, name)
    if where is not None:
        return f"{name} is no virtio device: {where}; virtio devices of this guest: {there}"
    return f"this guest has no virtio device {name!r}; it has: {there}"


def _elsewhere(target: Target, name: str) -> Optional[str]:
    """What a name stands for that is of some other kind."""
    for kind in CLASSES:
        try:
            private = subsystem(target, "class_kset", kind)
            if private is None:
                continue
            for device in subsystem_devices(target, private, "knode_class.n_node"):
                if device_name(device) == name:
                    return f"class {kind}, {_parentage(target, device)}"
        except TargetError:
            continue
    return None


def _parentage(target: Target, device: View) -> str:
    parent = device.pointer("parent")
    if parent == 0:
        return "on no bus"
    above = View(target, "struct device", parent)
    bus = bus_name(target, above)
    return f"on {device_name(above)}" + (f" of bus {bus}" if bus else "")
