"""Which of QEMU's memory is the guest's, and where the guest has it.

Source: QEMU system/memory.c (struct FlatRange), until 8.2 softmmu/memory.c; system/memory_mapping.c
(guest_phys_blocks_region_add(): what is RAM to a dump); include/exec/memory.h (struct MemoryRegion; since 10.1
include/system/memory.h); include/exec/ramblock.h; include/qemu/int128.h.
"""
import bisect
from typing import Dict, Iterator, List, NamedTuple, Optional

from ..target.errors import Corrupt, NullPointer, Unreadable
from ..target.target import Target
from ..target.view import View
from .virtio_mem import Part, plugged

MAX_RANGES = 1 << 16
MAX_ADDRESS = 1 << 56
"""Above every guest-physical address: architectures have 52 bits for them, RISC-V 56."""

RAM_SHARED = 1 << 1


class Block(NamedTuple):
    """A piece of memory that QEMU has for the guest (struct RAMBlock)."""

    address: int
    name: str
    host: int
    """Where it begins in QEMU."""
    region: int
    """Address of the struct MemoryRegion through which the guest sees it."""
    read_only: bool
    """Whether it is a ROM to the guest."""
    shared: bool
    fd: Optional[int]
    """QEMU's descriptor of the file that it is in."""
    page_size: int


class Range(NamedTuple):
    """Guest-physical addresses that lie side by side in QEMU, too; all in bytes."""

    physical: int
    size: int
    host: int
    block: Block

    @property
    def end(self) -> int:
        """The guest-physical address behind it."""
        return self.physical + self.size


class GuestMemory:
    """The guest's memory as its CPUs see it: RAM and ROM, no devices.  Ranges by ascending addresses."""

    def __init__(self, target: Target, ranges: List[Range]) -> None:
        self.ranges = ranges
        self._target = target
        self._starts = [one.physical for one in ranges]

    def range_of(self, physical: int) -> Optional[Range]:
        """The range that an address lies in; None where there is no memory."""
        at = bisect.bisect_right(self._starts, physical) - 1
        return self.ranges[at] if at >= 0 and physical < self.ranges[at].end else None

    def read(self, physical: int, size: int) -> bytes:
        """Exactly `size` bytes at a guest-physical address.  Raises Unreadable."""
        found, at, end = [], physical, physical + size
        while at < end:
            one = self.range_of(at)
            if one is None:
                raise Unreadable(physical, size, f"the guest has no memory at {at:#x}")
            step = min(end, one.end) - at
            found.append(self._target.read(one.host + at - one.physical, step))
            at += step
        return b"".join(found)


def guest_memory(target: Target) -> GuestMemory:
    """The memory of the VM, by QEMU's current map of it.  Raises TargetError."""
    view = View(target, "struct AddressSpace", target.address_of("address_space_memory")).follow(
        "struct FlatView", "current_map")
    count, first, size = view.uint("nr"), view.pointer("ranges"), target.size_of("struct FlatRange")
    if count > MAX_RANGES:
        raise Corrupt(f"QEMU's map of the guest's memory claims {count} ranges")
    regions: Dict[int, Optional[_Region]] = {}
    ranges: List[Range] = []
    end = 0
    for number in range(count):
        flat = View(target, "struct FlatRange", first + number * size)
        # Int128: a struct of two halves or the compiler's own type, and in either case 16 bytes in the host's order.
        start, length = flat.uint("addr.start"), flat.uint("addr.size")
        if start < end or start + length > 1 << 64:
            raise Corrupt(f"QEMU's map of the guest's memory has {length:#x} bytes at {start:#x}, behind what ends at "
                          f"{end:#x}")
        end = start + length
        address = flat.pointer("mr")
        if address not in regions:
            regions[address] = _region(target, address)
        region = regions[address]
        if region is not None:
            for one in _parts(region, start, length, flat.uint("offset_in_region")):
                _append(ranges, one)
    return GuestMemory(target, ranges)


class _Region(NamedTuple):
    """A region that holds data (struct MemoryRegion)."""

    block: Block
    plugged: Optional[List[Part]]
    """Which parts of it hold any; None for all."""


def _parts(region: _Region, start: int, length: int, offset: int) -> Iterator[Range]:
    """The ranges of memory in `length` bytes of a region from an offset on, which the guest has at `start`."""
    for part in [Part(offset, length)] if region.plugged is None else region.plugged:
        first, last = max(part.offset, offset), min(part.offset + part.size, offset + length)
        if first < last:
            yield Range(start + first - offset, last - first, region.block.host + first, region.block)


def _append(ranges: List[Range], one: Range) -> None:
    """Add a range; one that goes on where the last one ends, on both sides, makes that longer."""
    if one.end > MAX_ADDRESS:
        raise Corrupt(f"QEMU's map of the guest's memory has RAM of {one.size:#x} bytes at {one.physical:#x}")
    last = ranges[-1] if ranges else None
    if last is not None and last.block == one.block and (last.end, last.host + last.size) == (one.physical, one.host):
        ranges[-1] = last._replace(size=last.size + one.size)
    else:
        ranges.append(one)


def _region(target: Target, address: int) -> Optional[_Region]:
    """What lies behind a region that holds data, as QEMU's own dumps choose; None for a device, a flash or an NVDIMM.

    Memory of assigned devices (ram_device) is none to be read, and a flash (rom_device) is RAM to nobody.
    """
    region = View(target, "struct MemoryRegion", address)
    if not region.flag("ram") or region.flag("ram_device") or region.flag("nonvolatile"):
        return None
    block = region.follow("struct RAMBlock", "ram_block")
    host = block.pointer("host")
    if host == 0:
        raise NullPointer(f"the memory behind {region.string('name')}")
    fd = block.sint("fd")
    return _Region(Block(
        address=block.address,
        name=block.text("idstr") or region.string("name") or "?",
        host=host,
        region=address,
        read_only=region.flag("readonly"),
        shared=bool(block.uint("flags") & RAM_SHARED),
        fd=fd if fd >= 0 else None,
        page_size=block.uint("page_size"),
    ), plugged(target, region))
