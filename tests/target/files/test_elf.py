"""What ELF files say of themselves."""
import struct

import pytest

from vqcheck.target.files import elf

BUILD_ID = bytes(range(20))


def padded(raw):
    return raw + b"\0" * (-len(raw) % 4)


def note(name, kind, content, order="<"):
    return struct.pack(order + "III", len(name), len(content), kind) + padded(name) + padded(content)


def made(order="<", wide=True, machine=elf.EM_X86_64, notes=b"", segments=()):
    """An ELF file with one section of notes, and segments of (offset, bytes in the file)."""
    big, word = order == ">", "Q" if wide else "I"
    first = 64 if wide else 52
    identity = b"\x7fELF" + bytes((2 if wide else 1, 2 if big else 1, 1)) + bytes(9)
    ph_size, sh_size = (56, 64) if wide else (32, 40)
    programs = b""
    for offset, size in segments:
        programs += struct.pack(order + "IIQQQQQQ", 1, 0, offset, 0, 0, size, size, 0) if wide else \
            struct.pack(order + "IIIIIIII", 1, offset, 0, 0, size, size, 0, 0)
    sections_at = first + len(programs)
    notes_at = sections_at + 2 * sh_size
    header = identity + struct.pack(order + "HHI" + word * 3 + "IHHHHHH", 4, machine, 1, 0, first, sections_at, 0,
                                    first, ph_size, len(segments), sh_size, 2, 0)
    section = struct.pack(order + "II" + word * 4 + "II" + word * 2, 0, elf.SHT_NOTE, 0, 0, notes_at, len(notes), 0, 0,
                          4, 0)
    return header + programs + bytes(sh_size) + section + notes


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "file"
        path.write_bytes(content)
        return str(path)
    return write


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("wide", [True, False])
def test_every_kind_of_elf(file, order, wide):
    notes = note(b"Xen\0", 6, b"linux\0", order) + note(b"GNU\0", elf.NT_GNU_BUILD_ID, BUILD_ID, order)
    path = file(made(order, wide, elf.EM_S390, notes, [(100, 50), (1000, 234), (300, 0)]))
    header = elf.header_of(path)
    assert (header.order, header.wide, header.machine) == (order, wide, elf.EM_S390)
    assert elf.build_id(path) == BUILD_ID.hex()
    assert elf.extent(path) == 1234


@pytest.mark.parametrize("notes", [
    b"", b"\xff" * 100, note(b"GNU\0", 1, BUILD_ID), note(b"Go\0\0", 3, BUILD_ID),
    note(b"GNU\0", elf.NT_GNU_BUILD_ID, BUILD_ID)[:-4], struct.pack("<III", 0xFFFFFFF0, 4, 3)])
def test_no_build_id(file, notes):
    assert elf.build_id(file(made(notes=notes))) is None


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF" + b"\xff" * 40, b"MZ" * 100])
def test_what_is_no_elf_file(file, content):
    path = file(content)
    assert elf.header_of(path) is elf.build_id(path) is elf.extent(path) is None
    assert not elf.has_debug_info(path)


@pytest.mark.parametrize("cut", range(0, 300, 7))
def test_damaged_files_are_no_error(file, cut):
    whole = made(notes=note(b"GNU\0", elf.NT_GNU_BUILD_ID, BUILD_ID), segments=[(1, 2)])
    for content in (whole[:cut], whole[:cut] + b"\xff" * (len(whole) - cut)):
        path = file(content)
        elf.header_of(path)
        elf.extent(path)
        found = elf.build_id(path)
        assert found is None or len(found) == len(BUILD_ID.hex())


def test_more_segments_than_the_header_can_count(file):
    content = bytearray(made(segments=[(0, 7), (100, 5)]))
    struct.pack_into("<H", content, 56, elf.PN_XNUM)
    (sections,) = struct.unpack_from("<Q", content, 40)
    struct.pack_into("<I", content, sections + 44, 2)
    assert elf.extent(file(bytes(content))) == 105


def test_a_file_that_is_not_there(tmp_path):
    for question in (elf.header_of, elf.build_id, elf.extent):
        with pytest.raises(FileNotFoundError):
            question(str(tmp_path / "none"))
    assert not elf.has_debug_info(str(tmp_path / "none"))
