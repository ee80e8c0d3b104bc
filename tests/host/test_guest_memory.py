"""QEMU's map of the guest's memory, on made-up maps; and why a core lacks some of it."""
import pytest

from tests.fake_target import FakeTarget
from vqcheck.host import backing
from vqcheck.host.memory import MAX_RANGES, guest_memory
from vqcheck.target.errors import Corrupt, NullPointer, TargetError, Unreadable

SPACE, VIEW, RANGES, MACHINE, BACKEND, CLASS, TYPE = 0x1000, 0x2000, 0x3000, 0x5000, 0x6000, 0x7000, 0x8000
REGIONS, BLOCKS = 0x100000, 0x200000
RAM, ROM, MMIO, VRAM, NVDIMM, VFIO, FLASH = (REGIONS + 0x100 * number for number in range(7))
HOST, ROM_HOST, VRAM_HOST = 0x7F0000000000, 0x7E0000000000, 0x7D0000000000
HOLE, FOUR_GIB = 0xC0000000, 1 << 32
PAGE = 0x1000


class Machine(FakeTarget):
    """A QEMU whose map is what a test says; of the guest's memory only the first page of each piece is there."""

    def __init__(self, int128="struct"):
        super().__init__()
        self.declare("struct AddressSpace", [("name", 8), ("current_map", 8)])
        self.declare("struct FlatView", [("ref", 4), ("pad", 4), ("ranges", 8), ("nr", 4), ("nr_allocated", 4)])
        # The compiler's own type or a struct of two halves: the members differ, the bytes do not.
        halves = [("addr.start.lo", 0), ("addr.start.hi", 0)] if int128 == "struct" else []
        self.declare("struct FlatRange", [("mr", 8), ("offset_in_region", 8), *halves, ("addr.start", 16),
                                          ("addr.size", 16), ("readonly", 1), ("tail", 15)])
        self.declare("struct MemoryRegion", [("ram", 1), ("readonly", 1), ("nonvolatile", 1), ("rom_device", 1),
                                             ("ram_device", 1), ("pad", 3), ("ram_block", 8), ("owner", 8),
                                             ("name", 8)])
        self.declare("struct RAMBlock", [("host", 8), ("flags", 4), ("idstr", 256), ("fd", 4), ("page_size", 8)])
        self.put_struct("struct AddressSpace", SPACE, {"current_map": VIEW})
        self.symbols["address_space_memory"] = SPACE
        self.region(RAM, HOST, ram=1)
        self.region(ROM, ROM_HOST, ram=1, readonly=1)
        self.region(VRAM, VRAM_HOST, ram=1)
        self.region(MMIO, 0)
        self.region(NVDIMM, HOST, ram=1, nonvolatile=1)
        self.region(VFIO, HOST, ram=1, ram_device=1)
        self.region(FLASH, HOST, rom_device=1)

    def region(self, address, host, block=None, **flags):
        block = BLOCKS + address - REGIONS if block is None else block
        self.put_struct("struct MemoryRegion", address, {"ram_block": block, **flags})
        if block:
            name = {RAM: b"pc.ram", ROM: b"pc.bios", VRAM: b"vga.vram"}.get(address, b"other")
            self.put_struct("struct RAMBlock", block, {"host": host, "idstr": name, "fd": -1, "page_size": PAGE})

    def map(self, *flats):
        """(start, size, region, offset in it) each."""
        size = self.types["struct FlatRange"][0]
        for number, (start, length, region, offset) in enumerate(flats):
            self.put_struct("struct FlatRange", RANGES + number * size, {
                "addr.start": start, "addr.size": length, "mr": region, "offset_in_region": offset})
        self.put_struct("struct FlatView", VIEW, {"ranges": RANGES, "nr": len(flats)})
        return self

    def ranges(self):
        return [(one.physical, one.size, one.host) for one in guest_memory(self).ranges]


@pytest.fixture(params=["struct", "builtin"])
def machine(request):
    return Machine(request.param)


def test_the_split_of_a_pc_at_four_gib(machine):
    """The RAM above lies right behind that below, in QEMU; its addresses as a RAM block are no physical ones."""
    machine.map((0, HOLE, RAM, 0), (0xFEC00000, PAGE, MMIO, 0), (0xFFFC0000, 0x40000, ROM, 0),
                (FOUR_GIB, 1 << 30, RAM, HOLE))
    assert machine.ranges() == [(0, HOLE, HOST), (0xFFFC0000, 0x40000, ROM_HOST), (FOUR_GIB, 1 << 30, HOST + HOLE)]


def test_a_size_of_two_to_the_64th_takes_128_bits(machine):
    machine.map((0, 1 << 64, MMIO, 0))
    assert machine.ranges() == []


def test_what_follows_on_both_sides_is_one_range(machine):
    """QEMU cuts its map where a part of the RAM is write-protected, as BIOS areas are."""
    machine.map((0, 0xC3000, RAM, 0), (0xC3000, 0x25000, RAM, 0xC3000), (0xE8000, 0x18000, RAM, 0xE8000),
                (0x100000, 0x100000, RAM, 0x200000), (0x200000, 0x1000, VRAM, 0))
    assert machine.ranges() == [(0, 0x100000, HOST), (0x100000, 0x100000, HOST + 0x200000),
                                (0x200000, 0x1000, VRAM_HOST)]


def test_one_piece_of_memory_seen_at_two_addresses(machine):
    machine.map((0xE0000, 0x20000, ROM, 0x20000), (0xFFFC0000, 0x40000, ROM, 0))
    assert machine.ranges() == [(0xE0000, 0x20000, ROM_HOST + 0x20000), (0xFFFC0000, 0x40000, ROM_HOST)]


@pytest.mark.parametrize("region", [MMIO, NVDIMM, VFIO, FLASH])
def test_what_is_not_ram_to_a_dump(machine, region):
    assert machine.map((0, PAGE, region, 0)).ranges() == []


def test_a_region_without_memory_behind_it(machine):
    machine.region(RAM, 0, ram=1)
    with pytest.raises(NullPointer, match="the memory behind"):
        machine.map((0, PAGE, RAM, 0)).ranges()
    machine.region(RAM, 0, block=0, ram=1)
    with pytest.raises(NullPointer, match="ram_block"):
        machine.ranges()


@pytest.mark.parametrize("flats, complaint", [
    ([(0, 0x2000, RAM, 0), (0x1000, 0x1000, RAM, 0)], "0x1000 bytes at 0x1000, behind what ends at 0x2000"),
    ([(0x1000, 0x1000, RAM, 0), (0, 0x1000, RAM, 0)], "0x1000 bytes at 0x0, behind what ends at 0x2000"),
    ([((1 << 64) - 1, 2, MMIO, 0)], "0x2 bytes at 0xffffffffffffffff"),
    ([(1 << 60, PAGE, RAM, 0)], "RAM of 0x1000 bytes at 0x1000000000000000"),
    ([(0, 1 << 127, RAM, 0)], "bytes at 0x0"),
])
def test_a_damaged_map(machine, flats, complaint):
    with pytest.raises(Corrupt, match=complaint):
        machine.map(*flats).ranges()


def test_a_map_that_claims_to_be_endless(machine):
    machine.map()
    machine.change("struct FlatView", VIEW, nr=MAX_RANGES + 1)
    with pytest.raises(Corrupt, match="claims 65537 ranges"):
        guest_memory(machine)


@pytest.mark.parametrize("gone", [SPACE, VIEW, RANGES, RAM, BLOCKS])
def test_a_map_that_is_not_in_the_core(machine, gone):
    machine.map((0, PAGE, RAM, 0)).forget(gone)
    with pytest.raises(Unreadable):
        guest_memory(machine)


def test_no_map_at_all(machine):
    machine.map().change("struct AddressSpace", SPACE, current_map=0)
    with pytest.raises(NullPointer, match="current_map"):
        guest_memory(machine)


# virtio-mem.

def with_virtio_mem(bitmap, blocks, block_size=0x1000, kind=b"virtio-mem"):
    """A machine whose RAM region is a virtio-mem device's."""
    machine = Backed()
    fields = [(name, member.size) for name, member in machine.types["struct MemoryRegion"][1].items()]
    machine.declare("struct MemoryRegion", [*fields, ("rdm", 8)])
    for address, values in ((RAM, {"rdm": 0xA000}), (ROM, {"readonly": 1}), (VRAM, {})):
        block = BLOCKS + address - REGIONS
        machine.put_struct("struct MemoryRegion", address, {"ram": 1, "ram_block": block, **values})
    machine.declare("struct VirtIOMEM", [("class", 8), ("bitmap_size", 4), ("pad", 4), ("bitmap", 8),
                                         ("block_size", 8)])
    machine.put_struct("struct VirtIOMEM", 0xA000, {"class": CLASS, "bitmap_size": blocks, "bitmap": 0xB000,
                                                    "block_size": block_size})
    machine.put(0xB000, bitmap)
    machine.put(TYPE + 0x200, kind.ljust(64, b"\0"))
    return machine


def test_only_what_is_plugged_in_is_memory():
    """Blocks 0, 1, 3 and 63 to 65 of 70; the map shows the region in two parts, the second from block 1 on."""
    bits = (0b1011 | 1 << 63).to_bytes(8, "little") + (0b11 | 1 << 20).to_bytes(8, "little")
    machine = with_virtio_mem(bits, 70)
    machine.map((0x10000000, 70 * PAGE, RAM, 0), (0x20000000, 2 * PAGE, RAM, PAGE), (0x30000000, PAGE, ROM, 0))
    assert machine.ranges() == [
        (0x10000000, 2 * PAGE, HOST), (0x10000000 + 3 * PAGE, PAGE, HOST + 3 * PAGE),
        (0x10000000 + 63 * PAGE, 3 * PAGE, HOST + 63 * PAGE), (0x20000000, PAGE, HOST + PAGE),
        (0x30000000, PAGE, ROM_HOST)]


def test_a_device_of_which_nothing_is_plugged_in():
    assert with_virtio_mem(bytes(8), 64).map((0, 64 * PAGE, RAM, 0)).ranges() == []


def test_a_manager_of_another_kind_takes_nothing_away():
    machine = with_virtio_mem(bytes(8), 64, kind=b"ram-attributes")
    assert machine.map((0, 64 * PAGE, RAM, 0)).ranges() == [(0, 64 * PAGE, HOST)]


@pytest.mark.parametrize("blocks, size, complaint", [(1 << 30, PAGE, "claims 1073741824 blocks"),
                                                     (64, 0, "of 0 bytes")])
def test_a_damaged_device(blocks, size, complaint):
    with pytest.raises(Corrupt, match=complaint):
        with_virtio_mem(bytes(8), blocks, size).map((0, PAGE, RAM, 0)).ranges()


# Reading.

@pytest.fixture
def split(machine):
    """Two pages that follow each other for the guest and not in QEMU, and a hole behind."""
    machine.map((0x1000, PAGE, RAM, 0x5000), (0x2000, PAGE, RAM, 0x3000), (0x8000, PAGE, RAM, 0))
    machine.put(HOST + 0x5000, bytes(PAGE - 4) + b"abcd")
    machine.put(HOST + 0x3000, b"efgh" + bytes(PAGE - 4))
    return guest_memory(machine)


def test_reading_across_ranges(split):
    assert split.read(0x1FFC, 8) == b"abcdefgh" and split.read(0x2000, 4) == b"efgh"
    assert len(split.read(0x1000, 2 * PAGE)) == 2 * PAGE and split.read(0x1000, 0) == b""


@pytest.mark.parametrize("at, size, where", [(0, 4, 0), (0xFFC, 8, 0xFFC), (0x2FFC, 8, 0x3000), (1 << 63, 1, 1 << 63)])
def test_reading_where_the_guest_has_no_memory(split, at, size, where):
    with pytest.raises(Unreadable, match=f"the guest has no memory at {where:#x}"):
        split.read(at, size)


def test_reading_what_the_core_lacks(split):
    with pytest.raises(Unreadable, match="page not in the dump"):
        split.read(0x8000, 4)


def test_which_range_an_address_is_in(split):
    assert split.range_of(0x1FFF) == split.ranges[0] and split.range_of(0x2000) == split.ranges[1]
    assert split.range_of(0xFFF) is split.range_of(0x3000) is split.range_of(0x9000) is None


# What it is in, and why a core lacks it.

class Backed(Machine):
    """The RAM is that of a memory backend."""

    def __init__(self, dump_guest_core=1, dump=1, kind=b"memory-backend"):
        super().__init__()
        self.declare("struct MachineState", [("dump_guest_core", 1), ("pad", 7), ("cgs", 8)])
        self.declare("struct HostMemoryBackend", [("class", 8), ("dump", 1), ("share", 1), ("tail", 6)])
        self.declare("struct Object", [("class", 8)])
        self.declare("struct ObjectClass", [("type", 8)])
        self.declare("struct TypeImpl", [("name", 8), ("parent_type", 8)])
        self.put_struct("struct MachineState", MACHINE, {"dump_guest_core": dump_guest_core})
        self.put_struct("struct HostMemoryBackend", BACKEND, {"class": CLASS, "dump": dump})
        self.put_struct("struct ObjectClass", CLASS, {"type": TYPE})
        self.put_struct("struct TypeImpl", TYPE, {"name": TYPE + 0x100, "parent_type": TYPE + 0x40})
        self.put_struct("struct TypeImpl", TYPE + 0x40, {"name": TYPE + 0x200})
        self.put(TYPE + 0x100, b"memory-backend-ram".ljust(64, b"\0"))
        self.put(TYPE + 0x200, kind.ljust(64, b"\0"))
        self.put(0x9000, self.encode(MACHINE, 8))
        self.symbols["current_machine"] = 0x9000
        self.change("struct MemoryRegion", RAM, owner=BACKEND)
        self.map((0, PAGE, RAM, 0), (0x1000, PAGE, ROM, 0), (0x2000, PAGE, VRAM, 0))

    def blocks(self):
        return [one.block for one in guest_memory(self).ranges]

    def why(self):
        return backing.why_left_out(self, self.blocks()[0])

    def block(self, **values):
        self.change("struct RAMBlock", BLOCKS + RAM - REGIONS, **values)
        return self


def test_what_counts_as_the_guests_own_memory():
    machine = Backed()
    assert [backing.is_main(machine, block) for block in machine.blocks()] == [True, False, False]
    device = Backed(kind=b"device")
    assert not backing.is_main(device, device.blocks()[0])


def test_where_objects_tell_nothing_all_that_can_be_written_to_counts():
    machine = Backed()
    machine.forget(CLASS)
    assert [backing.is_main(machine, block) for block in machine.blocks()] == [True, False, False]
    del machine.types["struct MemoryRegion"][1]["owner"]
    machine._places.clear()
    assert [backing.is_main(machine, block) for block in machine.blocks()] == [True, False, True]


@pytest.mark.parametrize("machine, reason", [
    (Backed(dump_guest_core=0), "-machine dump-guest-core=off"),
    (Backed(dump_guest_core=0, dump=0), "-machine dump-guest-core=off"),
    (Backed(dump=0), "its memory backend has dump=off"),
    (Backed().block(page_size=2 << 20), "huge pages of 2048 KiB"),
    (Backed().block(fd=7, flags=2), "a file that QEMU maps with share=on"),
    (Backed().block(fd=7), "a file that QEMU maps with share=off"),
    (Backed(), "whoever wrote the core left it out"),
])
def test_why_a_core_lacks_it_and_what_would_bring_it(machine, reason):
    text = machine.why()
    assert reason in text
    assert ("dump-excluded-mappings" in text) is ("dump=off" in text or "core=off" in text)
    assert ("coredump_filter" in text) is ("dump-excluded-mappings" not in text)


def test_switches_that_can_not_be_read_are_no_reason():
    machine = Backed(dump_guest_core=0, dump=0)
    machine.forget(MACHINE)
    machine.forget(BACKEND)
    assert "whoever wrote the core" in machine.why()


def test_a_confidential_guest():
    machine = Backed()
    assert not backing.confidential(machine)
    machine.change("struct MachineState", MACHINE, cgs=0x1234)
    assert backing.confidential(machine)
    machine.forget(MACHINE)
    assert not backing.confidential(machine)


def test_made_up_machines_are_read_without_debug_information_of_more_than_they_declare():
    machine = Backed()
    del machine.types["struct FlatRange"]
    with pytest.raises(TargetError, match="struct FlatRange"):
        guest_memory(machine)
