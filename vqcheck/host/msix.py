"""MSI-X: the vectors as QEMU emulates them, and the irqfds by which KVM is told to raise them itself.

Source: QEMU hw/pci/msix.c, include/hw/pci/pci_device.h (struct PCIDevice), hw/virtio/virtio-pci.h (VirtIOIRQFD);
PCI Local Bus Specification 3.0, 6.8.2 (MSI-X capability and table).
"""
from typing import NamedTuple

from ..snapshot.kinds import Hex
from ..snapshot.transport_model import MsiMessage, MsixVector
from ..target.errors import Corrupt, NotSupported
from ..target.target import Target
from ..target.view import View
from .transport import Transport

QEMU_PCI_CAP_MSIX = 0x2
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


def msix(transport: Transport) -> Msix:
    """The MSI-X state of a PCI device.  Raises NotSupported where the device uses none."""
    target, device = transport.target, transport.pci_device()
    if not device.uint("cap_present") & QEMU_PCI_CAP_MSIX:
        raise NotSupported("not applicable: the device has no MSI-X and uses INTx")
    control = target.read_uint(device.pointer("config") + device.uint("msix_cap") + MSIX_CONTROL, 2)
    if not control & MSIX_ENABLE:
        raise NotSupported("not applicable: MSI-X is not enabled, the device uses INTx")
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


class Irqfd(NamedTuple):
    """VirtIOIRQFD: a vector that KVM raises by itself when the guest notifier is written to."""

    users: int
    virq: int
    message: MsiMessage


class NoIrqfd(NotSupported):
    """QEMU has set up none: it delivers interrupts itself."""


def irqfd(transport: Transport, vector: int) -> Irqfd:
    """The irqfd of a vector.  Raises NoIrqfd where there is none."""
    table = View(transport.target, "struct VirtIOPCIProxy", transport.proxy).pointer("vector_irqfd")
    if table == 0:
        raise NoIrqfd("not applicable: no irqfd is set up, QEMU delivers the interrupt itself")
    entry = View(transport.target, "VirtIOIRQFD", table + vector * transport.target.size_of("VirtIOIRQFD"))
    return Irqfd(entry.uint("users"), entry.sint("virq"),
                 MsiMessage(Hex(entry.uint("msg.address")), Hex(entry.uint("msg.data"))))
