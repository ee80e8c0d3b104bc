"""Which virtio devices there are, and which one a name means.

Every VirtIODevice registers for run-state changes at realize, in every QEMU from 5.2 to 10.2, so the list of those
handlers is also the list of devices.  Where that can't be read, they are found by going down the tree of buses.
Source: QEMU hw/virtio/virtio.c (virtio_init()), system/runstate.c, hw/core/bus.c, include/hw/qdev-core.h.
"""
from typing import Iterator, List, NamedTuple, Optional, Sequence, Set

from ..target.absence import Absences
from ..target.errors import Corrupt, TargetError
from ..target.target import Target
from ..target.view import View
from ..virtio import features
from .block.graph import block_backend, root_node
from .qobject import chain, static_pointer, type_names
from .transport import Transport

HANDLER = "virtio_vmstate_change"
DEVICE_TYPE = "virtio-device"
DISK_TYPE = "virtio-blk-device"

DEVICE_ENDIAN_BIG = 2
"""enum virtio_device_endian."""

MAX_BUSES = 4096


class Found(NamedTuple):
    """A virtio device of the QEMU process."""

    device: View
    """struct VirtIODevice."""
    kinds: List[str]
    """Its QOM type and its ancestors."""
    transport: Optional[Transport]
    qdev_id: Optional[str]
    """The id of the transport's device, which the user's -device made."""
    qom_path: Optional[str]
    node: Optional[str]
    """Node name of its block node, for a disk."""
    absent: Absences

    @property
    def kind(self) -> str:
        """The QOM type: `virtio-blk-device`, `vhost-user-blk` …"""
        return self.kinds[0] if self.kinds else "?"


class UnknownDevice(TargetError):
    """QEMU has no virtio device of that name."""


def devices(target: Target) -> List[Found]:
    """All virtio devices, in the order in which they were realized."""
    addresses: List[int] = []
    problem: Optional[TargetError] = None
    try:
        addresses = by_run_state_handlers(target)
    except TargetError as reason:
        problem = reason
    if not addresses:
        try:
            addresses = by_buses(target)
        except TargetError:
            if problem is not None:
                raise problem  # what is missing there is missing for everything
    return [_found(target, address) for address in addresses]


def by_run_state_handlers(target: Target) -> List[int]:
    """The addresses of all VirtIODevices, by the handlers that they have registered."""
    head = target.read_pointer(target.address_of("vm_change_state_head"))
    return [entry.pointer("opaque") for entry in chain(target, head, "struct VMChangeStateEntry", "entries.tqe_next")
            if HANDLER in (target.symbol_name(function) for function in _functions(entry))]


def _functions(entry: View) -> List[int]:
    """The functions that a handler may be: one that returns something has a member of its own since QEMU 10.2."""
    return [entry.pointer(name) for name in ("cb", "cb_ret") if entry.has(name)]


def by_buses(target: Target) -> List[int]:
    """The addresses of all VirtIODevices, by the tree of buses and devices."""
    waiting = [View(target, "struct BusState", static_pointer(target, "main_system_bus"))]
    seen: Set[int] = set()
    found: List[int] = []
    while waiting:
        bus = waiting.pop()
        if bus.address in seen or len(seen) > MAX_BUSES:
            raise Corrupt("QEMU's tree of buses has no end")
        seen.add(bus.address)
        for child in chain(target, bus.pointer("children.tqh_first"), "struct BusChild", "sibling.tqe_next"):
            device = child.follow("struct DeviceState", "child")
            if DEVICE_TYPE in type_names(target, device.address):
                found.append(device.address)
            waiting += _buses(device)
    return found


def _buses(device: View) -> Iterator[View]:
    return chain(device.target, device.pointer("child_bus.lh_first"), "struct BusState", "sibling.le_next")


def _found(target: Target, address: int) -> Found:
    device = View(target, "struct VirtIODevice", address)
    absent = Absences()
    kinds = absent.take("type", type_names, target, address) or []
    transport = absent.take("bus", _transport, target, device)
    proxy = transport.proxy if transport else None
    return Found(
        device=device,
        kinds=kinds,
        transport=transport,
        qdev_id=absent.take("qdev_id", _qdev_id, device, proxy) if proxy else None,
        qom_path=absent.take("qom_path", device.string, "parent_obj.canonical_path"),
        node=Absences().take("", lambda: root_node(block_backend(target, device)).text("node_name"))
        if DISK_TYPE in kinds else None,
        absent=absent,
    )


def _qdev_id(device: View, proxy: int) -> Optional[str]:
    """The id that the user gave: to the transport where that makes the device, else (virtio-mmio) to the device."""
    return View(device.target, "struct DeviceState", proxy).string("id") or device.string("parent_obj.id")


def _transport(target: Target, device: View) -> Transport:
    return Transport(target, device.follow("struct BusState", "parent_obj.parent_bus").pointer("parent"))


def byte_order(device: View) -> str:
    """Of what the device shares with its driver: little-endian unless a legacy device serves a big-endian guest.

    QEMU include/hw/virtio/virtio.h, virtio_is_big_endian().
    """
    if features.has(feature_mask(device, "guest_features"), features.VERSION_1):
        return "little"
    return "big" if device.uint("device_endian") == DEVICE_ENDIAN_BIG else "little"


def feature_mask(device: View, which: str) -> int:
    """A mask of feature bits: host_features, guest_features; of 128 bits since QEMU 10.2 (VIRTIO_DECLARE_FEATURES)."""
    if not device.has(which + "_ex"):
        return device.uint(which)
    raw = device.raw(which + "_ex")
    return sum(device.target.decode_uint(raw[at:at + 8]) << 8 * at for at in range(0, len(raw), 8))


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
    bus = Absences().take("", found.transport.bus) if found.transport else None
    address = bus.address if bus else None
    short = address[5:] if address and address.startswith("0000:") else None
    return [name for name in (found.qdev_id, path, outer, found.node, address, short) if name]


def choose(every: Sequence[Found], wanted: Optional[str]) -> List[Found]:
    """The device of a qdev id, QOM path, block node name, bus address or index; all of them for None.

    Raises UnknownDevice.
    """
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
