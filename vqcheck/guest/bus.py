"""The guest's virtio bus: its devices, and what Linux has built on top of each.

Source: Linux drivers/virtio/virtio.c (struct bus_type virtio_bus), drivers/base/base.h (struct device_private).
Nothing here needs the debug information of a module: the bus is found by its name among all buses.
"""
from typing import Iterator, List, NamedTuple, Optional

from ..snapshot.model import Bus
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.target import Target
from ..target.view import View, container_of
from .lists import children, subsystem, subsystem_devices

MAX_DEPTH = 8
"""From a virtio device down to a partition of a SCSI disk it is five steps."""

MAX_BELOW = 65536


class Below(NamedTuple):
    """A device that hangs, directly or not, below a virtio device: a disk, a network interface, an input device."""

    name: str
    subsystem: Optional[str]
    """Name of its class or bus."""
    device: int
    """Address of its struct device."""
    depth: int
    """1 for a child of the virtio device."""


class VirtioDevice(NamedTuple):
    """A device on the virtio bus."""

    view: View
    """Its struct virtio_device."""
    name: str
    """Its name on the bus, as `virtio3`."""
    bus: Optional[Bus]
    why_no_bus: Optional[str]
    below: List[Below]
    why_none_below: Optional[str]
    """Why `below` is not all there is."""


def virtio_devices(target: Target) -> Iterator[VirtioDevice]:
    """All devices of the virtio bus, in the order in which they came up.  Raises TargetError."""
    private = subsystem(target, "bus_kset", "virtio")
    if private is None:
        return
    for device in subsystem_devices(target, private, "knode_bus.n_node"):
        yield _virtio_device(target, device)


def _virtio_device(target: Target, device: View) -> VirtioDevice:
    view = View(target, "struct virtio_device", container_of(target, device.address, "struct virtio_device", "dev"))
    bus = why_no_bus = why_none_below = None
    try:
        bus = _transport(target, device.pointer("parent"))
    except TargetError as problem:
        why_no_bus = str(problem)
    below: List[Below] = []
    try:
        for one in _below(target, device, 1):
            below.append(one)
            if len(below) > MAX_BELOW:
                raise Corrupt(f"more than {MAX_BELOW} devices hang below {device_name(device)}")
    except TargetError as problem:
        why_none_below = str(problem)
    return VirtioDevice(view, _name(device) or f"{view.address:#x}", bus, why_no_bus, below, why_none_below)


def _name(device: View) -> Optional[str]:
    try:
        return device_name(device)
    except TargetError:
        return None


def _below(target: Target, device: View, depth: int) -> Iterator[Below]:
    if depth > MAX_DEPTH:
        return
    for child in children(target, device):
        yield Below(device_name(child) or "", subsystem_name(target, child), child.address, depth)
        yield from _below(target, child, depth + 1)


def _transport(target: Target, parent: int) -> Optional[Bus]:
    """The transport's bus: virtio_device.dev hangs on a pci, platform (mmio) or ccw device."""
    device = View(target, "struct device", parent)
    bus = bus_name(target, device)
    return Bus({"platform": "mmio"}.get(bus, bus), device_name(device)) if bus else None


def bus_name(target: Target, device: View) -> Optional[str]:
    """The name of the bus that a device is on, or None for a device without one."""
    bus = device.pointer("bus")
    return View(target, "struct bus_type", bus).string("name") if bus else None


def subsystem_name(target: Target, device: View) -> Optional[str]:
    """The name of a device's class, or else of its bus: what /sys/…/subsystem points at."""
    owner = device.pointer("class")
    return View(target, "struct class", owner).string("name") if owner else bus_name(target, device)


def device_name(device: View) -> Optional[str]:
    """The name of a device as sysfs has it."""
    return device.string("kobj.name")


def driver_name(device: View) -> Optional[str]:
    """The name of the driver that a device is bound to.  Raises NotSupported when there is none."""
    if device.pointer("driver") == 0:
        raise NotSupported("no driver is bound to it")
    return device.follow("struct device_driver", "driver").string("name")
