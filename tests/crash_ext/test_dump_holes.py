"""What an ELF dump leaves out is told from what is zero."""
import struct

import pytest

from crash_ext.dump_holes import Holes, holes_of

PT_LOAD, PT_NOTE = 1, 4
KERNEL = 0xFFFF888000000000


def dump(path, segments, order="<", wide=True, extended=False):
    """An ELF core of nothing but program headers: (type, physical address, bytes in the file, bytes in memory)."""
    start, section = (64, 64) if wide else (52, 40)
    count = 0xFFFF if extended else len(segments)
    head = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    entry = 56 if wide else 32
    sections = start + entry * len(segments)
    head += struct.pack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), 4, 62, 1, 0, start, sections, 0, start,
                        entry, count, section, 1, 0)
    for kind, address, in_file, size in segments:
        if wide:
            head += struct.pack(order + "IIQQQQQQ", kind, 0, 0, 0, address, in_file, size, 0)
        else:
            head += struct.pack(order + "IIIIIIII", kind, 0, 0, address, in_file, size, 0, 0)
    # e_phnum's real value is in sh_info of the first section header.
    head += struct.pack(order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"), 0, 0, 0, 0, 0, 0, 0, len(segments), 0, 0)
    path.write_bytes(head)
    return str(path)


SEGMENTS = [(PT_NOTE, 0, 0, 100), (PT_LOAD, 0x1000, 0x2000, 0x2000), (PT_LOAD, 0x8000, 0x1000, 0x3000),
            (PT_LOAD, 0x4000, 0, 0x1000)]
HOLES = [(0x4000, 0x5000), (0x9000, 0xB000)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("extended", [True, False])
def test_holes_of_every_kind_of_elf(tmp_path, order, wide, extended):
    assert holes_of(dump(tmp_path / "dump", SEGMENTS, order, wide, extended)) == HOLES


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"KDUMP   " * 100, b"\x7fELF\x02\x01" + b"\xff" * 200,
                                     b"\x7fELF\x01\x02" + b"\xff" * 200])
def test_other_and_damaged_files_have_none(tmp_path, content):
    (tmp_path / "dump").write_bytes(content)
    assert holes_of(str(tmp_path / "dump")) == []


def test_a_live_system_and_a_missing_file_have_none(tmp_path):
    for path in (None, str(tmp_path / "none"), "/dev/null"):
        assert not Holes(path).has_made_up(bytes(8), 0x9000, lambda address: address)


@pytest.mark.parametrize(("raw", "address", "made_up"), [
    (bytes(8), 0x9000, True), (bytes(8), 0xAFF8, True), (bytes(8), 0x4000, True),
    (bytes(8), 0x8FF8, False), (bytes(8), 0xB000, False), (bytes(8), 0x1000, False),
    (b"\1" + bytes(7), 0x9000, False),
    (b"\1" * 0x1000 + bytes(8), 0x8000, True),
    (b"\1" * 0x1000 + bytes(8), 0x1000, False),
    (b"\1" * 16 + bytes(4096), 0x8FF0, True),
    (bytes(0x3000), 0x7800, True),
])
def test_made_up_zeros(tmp_path, raw, address, made_up):
    holes = Holes(dump(tmp_path / "dump", SEGMENTS))
    assert holes.has_made_up(raw, address, lambda asked: asked) is made_up
    assert holes.has_made_up(raw, KERNEL + address, lambda asked: asked - KERNEL) is made_up


def test_only_pages_that_read_as_zeros_are_translated(tmp_path):
    asked = []
    holes = Holes(dump(tmp_path / "dump", SEGMENTS))
    assert not holes.has_made_up(b"\1" * 0x1000 + bytes(0x1000) + b"\1" * 8, 0x1000, asked.append)
    assert asked == [0x2000]
