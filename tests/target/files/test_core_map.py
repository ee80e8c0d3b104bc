"""Which bytes a core holds, on made-up ELF cores."""
import struct

import pytest

from vqcheck.target.files.core_map import NT_AUXV, NT_FILE, Held, NotACore, Segment, held, missing, read_core_map
from vqcheck.target.files.elf import PT_LOAD, PT_NOTE

RAM, TEXT, STACK, SHM = 0x7F0000000000, 0x555500000000, 0x7FFF00000000, 0x7E0000000000
PROGRAM = "/usr/bin/qemu"
LENGTH = 0x2000
"""Bytes of a made-up core: what its largest segment claims of it."""


def core_file(tmp_path, wide=True, order="<"):
    """Guest RAM left out, a stack that is there, text of the program and a shared file that are not."""
    if not wide:
        shift = 16
        places = [(address >> shift, size, here) for address, size, here in _places()]
    else:
        places = _places()
    word = "Q" if wide else "I"
    mappings = [(places[2][0], places[2][0] + 0x1000, PROGRAM), (places[3][0], places[3][0] + 0x1000, "/dev/shm/ram")]
    names = b"".join(path.encode() + b"\0" for _, _, path in mappings)
    body = struct.pack(order + 2 * word, len(mappings), 4096) + b"".join(
        struct.pack(order + 3 * word, start, end, 0) for start, end, _ in mappings) + names
    body += bytes(-len(body) % 4)
    vector = struct.pack(order + 6 * word, 25, 0x7FFE, 9, 0x5555, 0, 0)
    note = b"".join(struct.pack(order + "III", 5, len(content), kind) + b"CORE\0\0\0\0" + content
                    for kind, content in ((NT_FILE, body), (NT_AUXV, vector)))
    header_size, entry_size = (64, 56) if wide else (52, 32)
    table = header_size
    note_at = table + entry_size * (len(places) + 1)
    entries = [_entry(wide, order, PT_NOTE, note_at, 0, len(note), 0)]
    entries += [_entry(wide, order, PT_LOAD, 0, address, here, size) for address, size, here in places]
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    shape = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
    header = struct.pack(order + shape, 4, 62, 1, 0, table, 0, 0, header_size, entry_size, len(entries), 0, 0, 0)
    path = tmp_path / "core"
    path.write_bytes((ident + header + b"".join(entries) + note).ljust(LENGTH, b"\0"))
    return str(path)


def _places():
    return [(RAM, 0x100000, 0), (STACK, 0x3000, 0x2000), (TEXT, 0x1000, 0), (SHM, 0x1000, 0)]


def _entry(wide, order, kind, offset, address, here, size):
    if wide:
        return struct.pack(order + "IIQQQQQQ", kind, 6, offset, address, 0, here, size, 0)
    return struct.pack(order + "IIIIIIII", kind, offset, address, 0, here, size, 6, 0)


@pytest.mark.parametrize("wide, order", [(True, "<"), (True, ">"), (False, "<"), (False, ">")])
def test_segments_and_mappings_are_read_in_every_class_and_byte_order(tmp_path, wide, order):
    core = read_core_map(core_file(tmp_path, wide, order))
    assert sorted((one.in_file, one.size) for one in core.segments) == [(0, 0x1000), (0, 0x1000), (0, 0x100000),
                                                                        (0x2000, 0x3000)]
    assert core.starts == sorted(core.starts) == [one.address for one in core.segments]
    assert core.auxv == {25: 0x7FFE, 9: 0x5555}
    assert [one.path for one in core.mappings] == [PROGRAM, "/dev/shm/ram"]


@pytest.fixture
def core(tmp_path):
    return read_core_map(core_file(tmp_path))


def test_guest_ram_that_was_left_out_is_missing_not_zero(core):
    assert "dump-guest-core=off" in missing(core, RAM + 0x2000, 16, [PROGRAM])


def test_what_the_file_holds_is_there(core):
    assert missing(core, STACK, 0x2000, [PROGRAM]) is None


def test_a_read_that_runs_past_what_the_file_holds(core):
    assert "not in the core file" in missing(core, STACK + 0x1FF8, 16, [PROGRAM])


def test_the_programs_own_text_is_read_from_the_program(core):
    assert missing(core, TEXT, 64, [PROGRAM]) is None
    assert "was a mapping of /usr/bin/qemu" in missing(core, TEXT, 64, [])


def test_guest_ram_in_a_file_is_not_taken_from_the_file_of_today(core):
    assert "was a mapping of /dev/shm/ram" in missing(core, SHM, 64, [PROGRAM])


def test_an_address_of_no_mapping(core):
    assert missing(core, 0x10, 4, [PROGRAM]) == "not in the core file"


def test_what_of_a_range_the_file_holds(core):
    assert held(core, STACK + 0x1000, 0x2000) == [Held(STACK + 0x1000, 0x1000, 0x1000)]
    assert held(core, STACK - 0x1000, 0x8000) == [Held(STACK, 0x2000, 0)]
    assert held(core, RAM, 0x100000) == held(core, STACK + 0x2000, 0x10) == held(core, 0x10, 0x10) == []


def test_a_range_over_several_segments(core):
    pieces = core._replace(segments=[Segment(0x1000, 0x1000, 0x1000, 0x100), Segment(0x2000, 0x800, 0x1000, 0x5000),
                                     Segment(0x4000, 0x1000, 0x1000, 0x9000)], starts=[0x1000, 0x2000, 0x4000])
    assert held(pieces, 0x800, 0x4000) == [Held(0x1000, 0x1000, 0x100), Held(0x2000, 0x800, 0x5000),
                                           Held(0x4000, 0x800, 0x9000)]


def test_a_core_that_is_cut_off_holds_less_and_says_so(tmp_path):
    path = core_file(tmp_path)
    whole = read_core_map(path)
    with open(path, "r+b") as file:
        file.truncate(LENGTH - 0x800)
    core = read_core_map(path)
    assert whole.cut is None and core.cut == "the core is cut off: it has 6144 bytes of 8192"
    assert missing(core, STACK, 0x1800, []) is None and core.cut in missing(core, STACK, 0x1801, [])
    assert held(core, STACK, 0x2000) == [Held(STACK, 0x1800, 0)]


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"PK\x03\x04" + bytes(100), b"\x7fELF\x02\x01" + bytes(20)])
def test_what_is_no_core_is_refused(tmp_path, content):
    path = tmp_path / "no-core"
    path.write_bytes(content)
    with pytest.raises(NotACore):
        read_core_map(str(path))


def test_a_note_that_claims_too_much(tmp_path):
    path = core_file(tmp_path)
    with open(path, "r+b") as core:
        raw = core.read()
        at = raw.index(struct.pack("<QQ", 2, 4096))
        core.seek(at)
        core.write(struct.pack("<Q", 1 << 40))
    with pytest.raises(NotACore, match="claims"):
        read_core_map(path)
