"""Which virtio devices there are, and which one a name means.

Every VirtIODevice registers for run-state changes at realize, in every QEMU from 5.2 to 10.0, so the list of those
handlers is also the list of devices.  Source: QEMU hw/virtio/virtio.c, virtio_init(); softmmu/runstate.c.
"""
from typing import List, NamedTuple, Optional, Sequence

from ..target.absence import Absences
from ..target.errors import TargetError
from ..target.target import Target
from ..target.view import View
from .qobject import chain

HANDLER = "virtio_vmstate_change"


class Found(NamedTuple):
    """A virtio device of the QEMU process."""

    device: View
    """struct VirtIODevice."""
    proxy: Optional[int]
    """Address of the transport's device (VirtIOPCIProxy …) that the user's -device made."""
    qdev_id: Optional[str]
    qom_path: Optional[str]
    node: Optional[str]
    """Node name of its block node, for a disk."""
    absent: Absences


class UnknownDevice(TargetError):
    """QEMU has no virtio device of that name."""


def devices(target: Target) -> List[Found]:
    """All virtio devices, in the order in which they were realized."""
    head = target.read_pointer(target.address_of("vm_change_state_head"))
    return [_found(target, entry.pointer("opaque"))
            for entry in chain(target, head, "struct VMChangeStateEntry", "entries.tqe_next")
            if target.symbol_name(entry.pointer("cb")) == HANDLER]


def _found(target: Target, address: int) -> Found:
    device = View(target, "struct VirtIODevice", address)
    absent = Absences()
    proxy = absent.take("bus", _proxy, device)
    return Found(
        device=device,
        proxy=proxy,
        qdev_id=absent.take("qdev_id", View(target, "struct DeviceState", proxy).string, "id") if proxy else None,
        qom_path=absent.take("qom_path", device.string, "parent_obj.canonical_path"),
        node=Absences().take("node", _node_name, target, device),
        absent=absent,
    )


def _proxy(device: View) -> int:
    return device.follow("struct BusState", "parent_obj.parent_bus").pointer("parent")


def is_disk(device: View) -> bool:
    """Whether the device is QEMU's own virtio-blk: VirtIODevice.name is set by virtio_init()."""
    return device.string("name") == "virtio-blk"


def block_backend(target: Target, device: View) -> View:
    """The BlockBackend of a disk; VirtIOBlock begins with its VirtIODevice."""
    return View(target, "struct VirtIOBlock", device.address).follow("struct BlockBackend", "blk")


def root_node(backend: View) -> View:
    """The BlockDriverState at the root of a BlockBackend."""
    return backend.follow("struct BdrvChild", "root").follow("struct BlockDriverState", "bs")


def _node_name(target: Target, device: View) -> Optional[str]:
    return root_node(block_backend(target, device)).text("node_name") if is_disk(device) else None


def display_name(found: Found, number: int) -> str:
    """What the device is called: the user's id, else its place in QEMU's object tree."""
    if found.qdev_id:
        return found.qdev_id
    return found.qom_path or f"virtio device {number}"


def names(found: Found) -> List[str]:
    """Every name by which the device can be asked for, the usual one first."""
    backend = "/virtio-backend"
    path = found.qom_path
    outer = path[:-len(backend)] if path and path.endswith(backend) else None
    return [name for name in (found.qdev_id, path, outer, found.node) if name]


def choose(every: Sequence[Found], wanted: Optional[str]) -> List[Found]:
    """The device of a qdev id, QOM path, block node name or index; all of them for None.  Raises UnknownDevice."""
    if wanted is None:
        return list(every)
    matching = [found for found in every if wanted in names(found)]
    if not matching and wanted.isdigit() and int(wanted) < len(every):
        matching = [every[int(wanted)]]
    if len(matching) == 1:
        return matching
    there = ", ".join(f"{number}: {display_name(found, number)}" for number, found in enumerate(every)) or "none"
    if matching:
        raise UnknownDevice(f"{wanted!r} means {len(matching)} devices; ask by qdev id or by number ({there})")
    raise UnknownDevice(f"this QEMU has no virtio device {wanted!r}; its virtio devices: {there}")
