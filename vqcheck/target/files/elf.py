"""What ELF files say of themselves: their architecture, whether they hold debug information, their build id.

Source: System V ABI, chapters 4 and 5 ("ELF Header", "Sections", "Note Section"); elf(5).
"""
import struct
from typing import BinaryIO, Iterator, NamedTuple, Optional, Tuple

MAGIC = b"\x7fELF"
EM_386, EM_PPC64, EM_S390, EM_ARM, EM_X86_64, EM_AARCH64, EM_RISCV = 3, 21, 22, 40, 62, 183, 243

SHT_NOTE, SHT_NOBITS = 7, 8
NT_GNU_BUILD_ID = 3
DEBUG_SECTIONS = (b".debug_info", b".zdebug_info")

PN_XNUM = 0xFFFF

MAX_NAMES = 1 << 20
MAX_NOTES = 1 << 20
MAX_SEGMENTS = 1 << 26
MAX_SECTION = 1 << 28
"""Bytes of section names, of one section of notes, of program headers, and of any other section that are read."""

_ERRORS = (struct.error, IndexError, OverflowError, ValueError)
"""What reading a damaged file ends in, besides OSError."""


class Header(NamedTuple):
    """The part of an ELF header that matters here."""

    order: str
    """`<` little-endian, `>` big-endian, as the module struct spells it."""
    wide: bool
    """Whether it is of 64 bits."""
    machine: int
    """EM_..."""
    sections: int
    """Offset of the section headers."""
    entry: int
    """Bytes of one section header."""
    number: int
    """How many sections there are."""
    names: int
    """Which section holds the names of all."""


class Segment(NamedTuple):
    """A piece of the file that is loaded to an address."""

    address: int
    """As linked."""
    offset: int
    size: int
    """Bytes that the file has of it."""


def read_header(file: BinaryIO) -> Optional[Header]:
    """The ELF header; None where the file is no ELF file."""
    raw = file.read(64)
    if raw[:4] != MAGIC or len(raw) < 52:
        return None
    order, wide = ">" if raw[5] == 2 else "<", raw[4] == 2
    try:
        (machine,) = struct.unpack_from(order + "H", raw, 18)
        (sections,) = struct.unpack_from(order + ("Q" if wide else "I"), raw, 40 if wide else 32)
        entry, count, names = struct.unpack_from(order + "HHH", raw, 58 if wide else 46)
    except struct.error:
        return None
    return Header(order, wide, machine, sections, entry, count, names)


def header_of(path: str) -> Optional[Header]:
    """The ELF header of a file; None where it is no ELF file.  Raises OSError."""
    with open(path, "rb") as file:
        return read_header(file)


def extent(path: str) -> Optional[int]:
    """How many bytes a file must have to hold all of its segments; None where it is no ELF file.  Raises OSError."""
    with open(path, "rb") as file:
        header = read_header(file)
        if header is None:
            return None
        try:
            return max((one.offset + one.size for one in _segments(file, header)), default=0)
        except _ERRORS:
            return None


def linked_bytes(path: str, address: int, size: int) -> Optional[bytes]:
    """What a file puts at an address as linked; None where it does not have all of it.  Raises OSError."""
    with open(path, "rb") as file:
        header = read_header(file)
        try:
            for one in _segments(file, header) if header else ():
                if one.address <= address and address + size <= one.address + one.size:
                    file.seek(one.offset + address - one.address)
                    return file.read(size)
        except _ERRORS:
            pass
    return None


def module_release(path: str) -> Optional[str]:
    """The release of the kernel that a module was built for; None where its file does not say, or is compressed.

    Source: Linux include/linux/vermagic.h (VERMAGIC_STRING begins with the release), scripts/mod/modpost.c.
    """
    for entry in (section_bytes(path, b".modinfo") or b"").split(b"\0"):
        if entry.startswith(b"vermagic="):
            return entry[len(b"vermagic="):].split(b" ", 1)[0].decode("ascii", "backslashreplace")
    return None


def section_bytes(path: str, name: bytes) -> Optional[bytes]:
    """The contents of a section; None where the file has none of that name, or not its contents.  Raises OSError."""
    with open(path, "rb") as file:
        try:
            names = _section_names(file)
            file.seek(0)
            header = read_header(file)
            if header is None:
                return None
            for number in range(header.number):
                file.seek(header.sections + number * header.entry)
                (at,) = struct.unpack_from(header.order + "I", file.read(4))
                kind, offset, size = _section(file, header, number)
                if names[at:].split(b"\0", 1)[0] == name and kind != SHT_NOBITS:
                    file.seek(offset)
                    return file.read(min(size, MAX_SECTION))
        except _ERRORS:
            pass
    return None


def has_debug_info(path: str) -> bool:
    """Whether a file is ELF and has DWARF; False where it can't be read."""
    try:
        with open(path, "rb") as file:
            names = _section_names(file)
    except (OSError, *_ERRORS):
        return False
    return any(name in names for name in DEBUG_SECTIONS)


def build_id(path: str) -> Optional[str]:
    """The GNU build id of an ELF file in hex; None where it has none.  Raises OSError."""
    with open(path, "rb") as file:
        try:
            for raw, order in _notes(file):
                found = build_id_in(raw, order)
                if found is not None:
                    return found
        except _ERRORS:
            pass
    return None


def build_id_in(notes: bytes, order: str = "<") -> Optional[str]:
    """The GNU build id among ELF notes, in hex; None where there is none."""
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from(order + "III", notes, at)
        name = at + 12
        content = name + (name_size + 3) // 4 * 4
        end = content + size
        if end > len(notes):
            break
        if kind == NT_GNU_BUILD_ID and notes[name:name + name_size] == b"GNU\0":
            return notes[content:end].hex()
        at = content + (size + 3) // 4 * 4
    return None


def _segments(file: BinaryIO, header: Header) -> Iterator[Segment]:
    """All segments."""
    file.seek(0)
    raw = file.read(64)
    (table,) = struct.unpack_from(header.order + ("Q" if header.wide else "I"), raw, 32 if header.wide else 28)
    entry, count = struct.unpack_from(header.order + "HH", raw, 54 if header.wide else 42)
    if count == PN_XNUM:  # the number is in a field of the first section header
        file.seek(header.sections)
        (count,) = struct.unpack_from(header.order + "I", file.read(64), 44 if header.wide else 28)
    file.seek(table)
    headers = file.read(min(entry * count, MAX_SEGMENTS))
    fields, start = ("QQQQ", 8) if header.wide else ("IIII", 4)
    for at in range(0, len(headers), max(entry, 1)):
        offset, address, _, size = struct.unpack_from(header.order + fields, headers, at + start)
        yield Segment(address, offset, size)


def _section_names(file: BinaryIO) -> bytes:
    """The table of an ELF file's section names."""
    header = read_header(file)
    if header is None:
        return b""
    _, offset, size = _section(file, header, header.names)
    file.seek(offset)
    return file.read(min(size, MAX_NAMES))


def _notes(file: BinaryIO) -> Iterator[Tuple[bytes, str]]:
    """The contents of every section of notes, and their byte order."""
    header = read_header(file)
    if header is None:
        return
    for index in range(header.number):
        kind, offset, size = _section(file, header, index)
        if kind == SHT_NOTE:
            file.seek(offset)
            yield file.read(min(size, MAX_NOTES)), header.order


def _section(file: BinaryIO, header: Header, number: int) -> Tuple[int, int, int]:
    """Type, offset and size of a section's contents."""
    file.seek(header.sections + number * header.entry)
    raw = file.read(64 if header.wide else 40)
    (kind,) = struct.unpack_from(header.order + "I", raw, 4)
    offset, size = struct.unpack_from(header.order + ("QQ" if header.wide else "II"), raw, 24 if header.wide else 16)
    return kind, offset, size
