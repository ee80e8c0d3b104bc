"""From the name of a disk to its gendisk and the device that it hangs on.

Source: Linux block/genhd.c (block_class, disk_type), drivers/base/class.c.
"""
from typing import Iterator, List, NamedTuple, Optional

from ..target.errors import TargetError
from ..target.target import Target
from ..target.view import View, container_of
from .lists import subsystem_devices


class Disk(NamedTuple):
    """A block device of the guest."""

    name: str
    gendisk: View
    parent: int
    """Address of the `struct device` that the disk hangs on; 0 where there is none."""


class UnknownDisk(TargetError):
    """The guest has no disk of that name, or it is no virtio disk."""


def disks(target: Target) -> Iterator[Disk]:
    """All disks of the guest, without partitions, in the order in which they came up."""
    disk_type = target.address_of("disk_type")
    for device in subsystem_devices(target, "struct class", target.address_of("block_class")):
        if device.pointer("type") == disk_type:
            gendisk = _gendisk(target, device.address)
            yield Disk(gendisk.text("disk_name"), gendisk, device.pointer("parent"))


def _gendisk(target: Target, device: int) -> View:
    if target.member("struct block_device", "bd_device") is not None:
        block_device = View(target, "struct block_device",
                            container_of(target, device, "struct block_device", "bd_device"))
        return block_device.follow("struct gendisk", "bd_disk")
    # Until 5.10 the device was part of the disk's first partition (0d02129e76ed "block: merge struct block_device and
    # struct hd_struct", Linux 5.11).
    return View(target, "struct gendisk", container_of(target, device, "struct gendisk", "part0.__dev"))


def device_bus(target: Target, device: int) -> Optional[str]:
    """The name of the bus that a device is on, or None for a device without one."""
    if device == 0:
        return None
    bus = View(target, "struct device", device).pointer("bus")
    return View(target, "struct bus_type", bus).string("name") if bus else None


def device_name(target: Target, device: int) -> Optional[str]:
    """The name of a device as sysfs has it."""
    return View(target, "struct device", device).string("kobj.name")


def find_disks(target: Target, wanted: Optional[str]) -> List[Disk]:
    """The virtio disk of a name (`vdb` or `/dev/vdb`), or all of them.  Raises UnknownDisk."""
    every = list(disks(target))
    virtio = [disk for disk in every if device_bus(target, disk.parent) == "virtio"]
    if wanted is None:
        return virtio
    name = wanted[len("/dev/"):] if wanted.startswith("/dev/") else wanted
    for disk in virtio:
        if disk.name == name:
            return [disk]
    there = ", ".join(disk.name for disk in virtio) or "none"
    for disk in every:
        if disk.name == name:
            bus = device_bus(target, disk.parent)
            raise UnknownDisk(f"{name} is not a virtio disk but on {f'bus {bus}' if bus else 'no bus'}; "
                              f"virtio disks of this guest: {there}")
    raise UnknownDisk(f"this guest has no disk {name!r}; its virtio disks: {there}")
