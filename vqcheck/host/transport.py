"""The transport: where the device sits as the guest sees it, and its MSI-X vectors.

Source: QEMU include/hw/pci/pci_device.h (struct PCIDevice), hw/pci/msix.c, hw/virtio/virtio-pci.c;
PCI Local Bus Specification 3.0, 6.8.2 (MSI-X capability and table).
"""
from typing import NamedTuple, Optional

from ..snapshot.device_model import MsixVector
from ..snapshot.kinds import Hex
from ..snapshot.model import Bus
from ..target.errors import Corrupt, NotSupported
from ..target.target import Target
from ..target.view import View
from .qobject import type_names

QEMU_PCI_CAP_MSIX = 0x2
PCI_SECONDARY_BUS = 0x19
MSIX_CONTROL = 2
MSIX_ENABLE = 1 << 15
MSIX_MASK_ALL = 1 << 14
VECTOR_MASKED = 1
ENTRY_BYTES = 16
MAX_VECTORS = 2048

NO_VECTOR = 0xFFFF
"""VIRTIO_NO_VECTOR: the driver wants no interrupt for this queue."""


class Msix(NamedTuple):
    """A PCI function's MSI-X state, each table read once."""

    control: int
    table: bytes
    pending: bytes
    used: bytes


def bus(target: Target, proxy: int) -> Bus:
    """Bus and address of the device.  PCI's address is the guest's, on segment 0."""
    kinds = type_names(target, proxy)
    if "pci-device" in kinds:
        return Bus("pci", _pci_address(View(target, "struct PCIDevice", proxy)))
    if "virtio-mmio" in kinds:
        return Bus("mmio")
    if "virtio-ccw-device" in kinds:
        return Bus("ccw")
    return Bus(kinds[0])


def _pci_address(device: View) -> str:
    parent = device.follow("struct PCIBus", "qdev.parent_bus").pointer("parent_dev")
    number = 0
    if parent:
        number = device.target.read_uint(
            View(device.target, "struct PCIDevice", parent).pointer("config") + PCI_SECONDARY_BUS, 1)
    slot = device.uint("devfn")
    return f"0000:{number:02x}:{slot >> 3 & 0x1f:02x}.{slot & 7}"


def msix(target: Target, proxy: int) -> Msix:
    """The MSI-X state of a PCI device.  Raises NotSupported where the device uses none."""
    if "pci-device" not in type_names(target, proxy):
        raise NotSupported("the device is not on PCI and has no MSI-X")
    device = View(target, "struct PCIDevice", proxy)
    if not device.uint("cap_present") & QEMU_PCI_CAP_MSIX:
        raise NotSupported("the device has no MSI-X and uses INTx")
    control = target.read_uint(device.pointer("config") + device.uint("msix_cap") + MSIX_CONTROL, 2)
    if not control & MSIX_ENABLE:
        raise NotSupported("MSI-X is not enabled, the device uses INTx")
    vectors = device.uint("msix_entries_nr")
    if not 1 <= vectors <= MAX_VECTORS:
        raise Corrupt(f"msix_entries_nr is {vectors}")
    return Msix(
        control=control,
        table=target.read(device.pointer("msix_table"), ENTRY_BYTES * vectors),
        pending=target.read(device.pointer("msix_pba"), (vectors + 7) // 8),
        used=target.read(device.pointer("msix_entry_used"), 4 * vectors),
    )


def vector_state(target: Target, state: Msix, vector: int) -> MsixVector:
    """One vector of the table.  Raises Corrupt for a vector beyond it."""
    if (vector + 1) * ENTRY_BYTES > len(state.table):
        raise Corrupt(f"vector {vector} is beyond the MSI-X table of {len(state.table) // ENTRY_BYTES}")
    entry = state.table[vector * ENTRY_BYTES:(vector + 1) * ENTRY_BYTES]
    low, high, data, control = (int.from_bytes(entry[at:at + 4], "little") for at in range(0, ENTRY_BYTES, 4))
    return MsixVector(
        enabled=bool(state.control & MSIX_ENABLE),
        function_masked=bool(state.control & MSIX_MASK_ALL),
        masked=bool(control & VECTOR_MASKED),
        pending=bool(state.pending[vector // 8] >> vector % 8 & 1),
        in_use=target.decode_uint(state.used[4 * vector:4 * vector + 4]) > 0,
        address=Hex(high << 32 | low),
        data=Hex(data),
    )


def has_irqfd(target: Target, proxy: int, vector: int) -> Optional[bool]:
    """Whether KVM turns writes to the guest notifier into interrupts by itself (VirtIOPCIProxy.vector_irqfd)."""
    table = View(target, "struct VirtIOPCIProxy", proxy).pointer("vector_irqfd")
    if table == 0:
        return False
    return View(target, "VirtIOIRQFD", table + vector * target.size_of("VirtIOIRQFD")).uint("users") > 0
