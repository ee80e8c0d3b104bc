"""Where a device sits as the guest sees it.

Source: QEMU hw/pci/pci-qmp-cmds.c (query-pci; until 7.2 hw/pci/pci.c), hw/core/qdev-properties-system.c
(qdev_prop_pci_devfn), hw/virtio/virtio-mmio.c, system/memory.c (properties of a memory region), hw/s390x/css.c.
"""
import re
from typing import Iterator, List, Optional, Tuple

from ...snapshot.model import Bus
from ...target.errors import Corrupt, NotSupported
from .ask import U8, Answer, Qom, ask_records
from .careful import Careful

PCI, MMIO, CCW = "pci", "mmio", "ccw"
KINDS = {"virtio-pci-bus": PCI, "virtio-mmio-bus": MMIO, "virtio-ccw-bus": CCW}
"""Types of the bus between transport and device."""

REGION = "child<memory-region>"

MAX_DEPTH = 32
"""Of bridges behind bridges, and of memory regions in memory regions."""

DEVFN = re.compile(r"([0-9a-f]{1,2})\.([0-7])")
CCW_ID = re.compile(r"[0-9a-f]{1,2}\.([0-3])\.([0-9a-f]{4})")

Place = Tuple[int, int, int]
"""Bus, slot, function."""


class Buses:
    """The buses of a VM, read on first use."""

    def __init__(self, ask: Careful) -> None:
        self._ask = ask
        self._qom = Qom(ask)
        self._pci: Optional[List[Answer]] = None

    def transport(self, path: str) -> str:
        """The path of the device that a virtio device is plugged into.  Raises TargetError."""
        return _parent(self._qom.text(path, "parent_bus"))

    def bus(self, path: str) -> Bus:
        """Bus and address of a virtio device.  Raises TargetError."""
        bus = self._qom.text(path, "parent_bus")
        proxy, kind = _parent(bus), KINDS.get(self._qom.kind(bus))
        if kind == PCI:
            return Bus(PCI, "0000:{:02x}:{:02x}.{}".format(*self._pci_place(proxy, 0)))
        if kind == MMIO:
            return Bus(MMIO, f"{self._mmio_base(proxy):#x}")
        if kind == CCW:
            return Bus(CCW, self._ccw_address(proxy))
        raise NotSupported("the transport is not known")

    def _pci_place(self, path: str, depth: int) -> Place:
        """Where a PCI device sits; by its id, else by its slot and the bridge above."""
        if depth > MAX_DEPTH:
            raise Corrupt("PCI bridges without end")
        by_id = [place for place, name in self._by_id() if name and path == f"/machine/peripheral/{name}"]
        if len(by_id) == 1:
            return by_id[0]
        match = DEVFN.fullmatch(self._qom.text(path, "legacy-addr"))
        if match is None:
            raise Corrupt(f"{path} has no PCI slot")
        above = _parent(self._qom.text(path, "parent_bus"))
        return self._number(above, depth), int(match.group(1), 16), int(match.group(2))

    def _number(self, bridge: str, depth: int) -> int:
        """The number of the bus below a bridge, which the guest gave to it; of the root bus below a host bridge."""
        names = {one.text("name") for one in self._qom.properties(bridge)}
        if "legacy-addr" in names:
            place = self._pci_place(bridge, depth + 1)
            for device in self._devices():
                if _place(device) == place and device.has("pci_bridge"):
                    return device.record("pci_bridge").record("bus").number("secondary", U8)
            raise Corrupt(f"QEMU lists no bridge at {place}")
        roots = [one.number("bus", U8) for one in self._query()]
        if len(roots) == 1:
            return roots[0]
        raise NotSupported("the VM has several PCI host bridges, and QMP does not tell which of them is which")

    def _query(self) -> List[Answer]:
        if self._pci is None:
            self._pci = ask_records(self._ask, "query-pci")
        return self._pci

    def _devices(self) -> Iterator[Answer]:
        """All PCI devices, those behind bridges too."""
        for root in self._query():
            yield from _below(root, 0)

    def _by_id(self) -> List[Tuple[Place, str]]:
        return [(_place(one), one.text("qdev_id")) for one in self._devices()]

    def _mmio_base(self, proxy: str) -> int:
        """Where its registers begin: the sum of where regions lie in regions."""
        regions = [one.text("name") for one in self._qom.properties(proxy) if one.text("type") == REGION]
        if len(regions) != 1:
            raise NotSupported(f"of {len(regions)} memory regions it is not known which has the registers")
        path, base = f"{proxy}/{regions[0]}", 0
        for _ in range(MAX_DEPTH):
            container = self._qom.text(path, "container")
            if not container:
                return base
            base += self._qom.number(path, "addr")
            path = container
        raise Corrupt("memory regions without end")

    def _ccw_address(self, proxy: str) -> str:
        match = CCW_ID.fullmatch(self._qom.text(proxy, "dev_id"))
        if match is None:
            raise Corrupt("the channel device has no number")
        return f"0.{match.group(1)}.{match.group(2)}"


def _parent(path: str) -> str:
    """The object that an object hangs in."""
    above = path.rpartition("/")[0]
    if not above:
        raise NotSupported("it is plugged in nowhere")
    return above


def _place(device: Answer) -> Place:
    return device.number("bus", U8), device.number("slot", 31), device.number("function", 7)


def _below(bus: Answer, depth: int) -> Iterator[Answer]:
    if depth > MAX_DEPTH:
        raise Corrupt("PCI bridges without end")
    for device in _listed(bus):
        yield device
        if device.has("pci_bridge"):
            yield from _below(device.record("pci_bridge"), depth + 1)


def _listed(bus: Answer) -> List[Answer]:
    return bus.records("devices") if bus.has("devices") else []
