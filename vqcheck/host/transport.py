"""The transport: where the device sits as the guest sees it, which queues the driver enabled, the interrupt line.

Source: QEMU include/hw/pci/pci_device.h (struct PCIDevice), hw/virtio/virtio-pci.h, virtio-mmio.h,
hw/s390x/virtio-ccw.h, css.h; PCI Local Bus Specification 3.0, 6.2; Linux drivers/s390/cio/device.c
(io_subchannel_create_ccwdev() names devices 0.SSID.DEVNO).
"""
from typing import NamedTuple, Optional

from ..snapshot.model import Bus
from ..snapshot.transport_model import Intx
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.target import Target
from ..target.view import View
from ..virtio import features
from .qobject import type_names

PCI, MMIO, CCW = "pci", "mmio", "ccw"
KINDS = {"pci-device": PCI, "virtio-mmio": MMIO, "virtio-ccw-device": CCW}

PCI_COMMAND, PCI_COMMAND_INTX_DISABLE = 0x04, 1 << 10
PCI_HEADER_TYPE, PCI_HEADER_BRIDGE = 0x0E, 1
PCI_SECONDARY_BUS = 0x19
PCI_INTERRUPT_PIN = 0x3D


class Transport:
    """The device that the user's -device made, with the VirtIODevice in it: VirtIOPCIProxy and the like."""

    def __init__(self, target: Target, proxy: int) -> None:
        self.target = target
        self.proxy = proxy
        self.kinds = type_names(target, proxy)
        self.kind: Optional[str] = next((KINDS[one] for one in self.kinds if one in KINDS), None)
        """`pci`, `mmio` or `ccw`; None for one that is not known."""

    def bus(self) -> Bus:
        """Bus and address of the device.  Raises TargetError where the address can't be told."""
        if self.kind == PCI:
            return Bus(PCI, _pci_address(self.pci_device()))
        if self.kind == MMIO:
            return Bus(MMIO, f"{self._mmio_base():#x}")
        if self.kind == CCW:
            return Bus(CCW, _ccw_address(self.subchannel()))
        return Bus(self.kinds[0])

    def pci_device(self) -> View:
        """struct PCIDevice.  Raises NotSupported for a device that is not on PCI."""
        if self.kind != PCI:
            raise NotSupported(f"not applicable: the device is on {self.kind or self.kinds[0]}, not on PCI")
        return View(self.target, "struct PCIDevice", self.proxy)

    def ccw_device(self) -> View:
        """struct VirtioCcwDevice.  Raises NotSupported for a device that is not on CCW."""
        if self.kind != CCW:
            raise NotSupported(f"not applicable: the device is on {self.kind or self.kinds[0]}, not on CCW")
        return View(self.target, "struct VirtioCcwDevice", self.proxy)

    def subchannel(self) -> View:
        """struct SubchDev of a device on CCW."""
        return View(self.target, "struct CcwDevice", self.proxy).follow("struct SubchDev", "sch")

    def _mmio_base(self) -> int:
        """Where the first of its register windows lies: the first member of the first entry of an array."""
        return self.target.decode_uint(View(self.target, "struct SysBusDevice", self.proxy).raw("mmio")[:8])

    def enabled(self, index: int, mask: int) -> bool:
        """Whether the driver has enabled a queue.  Legacy drivers enable none: they set its address."""
        if not features.has(mask, features.VERSION_1):
            raise NotSupported("not applicable: legacy drivers do not enable queues")
        if self.kind == PCI:
            return self._enabled("struct VirtIOPCIProxy", "struct VirtIOPCIQueue", index)
        if self.kind == MMIO:
            return self._enabled("struct VirtIOMMIOProxy", "struct VirtIOMMIOQueue", index)
        raise NotSupported(f"not applicable: {self.kind} keeps no such flag")

    def _enabled(self, proxy: str, queue: str, index: int) -> bool:
        start = View(self.target, proxy, self.proxy).address_of("vqs")
        return View(self.target, queue, start + index * self.target.size_of(queue)).flag("enabled")

    def intx(self, isr: int) -> Intx:
        """The interrupt line.  Raises NotSupported for a transport that has none."""
        if self.kind == MMIO:  # virtio_mmio_update_irq() sets the line to whether ISR is not 0
            return Intx(level=isr != 0)
        if self.kind == CCW:
            raise NotSupported("not applicable: channel devices have no interrupt line")
        device = self.pci_device()
        config = self.target.read(device.pointer("config"), 0x40)
        pin = config[PCI_INTERRUPT_PIN]
        if pin == 0:
            raise NotSupported("not applicable: the device has no interrupt pin")
        command = int.from_bytes(config[PCI_COMMAND:PCI_COMMAND + 2], "little")
        return Intx(level=bool(device.uint("irq_state") >> pin - 1 & 1),
                    disabled=bool(command & PCI_COMMAND_INTX_DISABLE), pin=pin)


def _pci_address(device: View) -> str:
    slot = device.uint("devfn")
    return f"0000:{_bus_number(device):02x}:{slot >> 3 & 0x1f:02x}.{slot & 7}"


def _bus_number(device: View) -> int:
    """The number of the bus that a device is on: the guest gave it to the bridge above."""
    bridge = device.follow("struct PCIBus", "qdev.parent_bus").pointer("parent_dev")
    if bridge == 0:
        return 0
    above = View(device.target, "struct PCIDevice", bridge)
    config = device.target.read(above.pointer("config"), 0x40)
    if config[PCI_HEADER_TYPE] & 0x7F == PCI_HEADER_BRIDGE:
        return config[PCI_SECONDARY_BUS]
    if any(kind.startswith("pxb") for kind in type_names(device.target, bridge)):
        return View(device.target, "struct PXBDev", bridge).uint("bus_nr")
    raise Corrupt("the bus that the device is on belongs to neither a bridge nor an expander")


def _ccw_address(channel: View) -> str:
    return f"0.{channel.uint('ssid'):x}.{channel.uint('devno'):04x}"


class BusState(NamedTuple):
    """Of the virtio bus between transport and device (struct VirtioBusState)."""

    ioeventfd_started: Optional[bool]
    ioeventfd_grabbed: Optional[int]


def bus_state(device: View, absent: Absences) -> BusState:
    """What the bus of a VirtIODevice knows of host notifiers."""
    try:
        bus = device.follow("struct VirtioBusState", "parent_obj.parent_bus")
    except TargetError as problem:
        absent["bus_ioeventfd_started"] = absent["bus_ioeventfd_grabbed"] = str(problem)
        return BusState(None, None)
    return BusState(absent.take("bus_ioeventfd_started", bus.flag, "ioeventfd_started"),
                    absent.take("bus_ioeventfd_grabbed", bus.sint, "ioeventfd_grabbed"))


