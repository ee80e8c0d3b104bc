"""What ELF files say of themselves: their architecture, whether they hold debug information, their build id.

Source: System V ABI, chapters 4 and 5 ("ELF Header", "Sections", "Note Section"); elf(5).
"""
import struct
from typing import BinaryIO, Iterator, List, NamedTuple, Optional, Tuple

MAGIC = b"\x7fELF"
EM_386, EM_PPC64, EM_S390, EM_ARM, EM_X86_64, EM_AARCH64, EM_RISCV = 3, 21, 22, 40, 62, 183, 243

SHT_NOTE, SHT_NOBITS = 7, 8
NT_GNU_BUILD_ID = 3
DEBUG_SECTIONS = (b".debug_info", b".zdebug_info")

PT_LOAD, PT_NOTE, PT_TLS = 1, 4, 7
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
    start: int
    """Where execution begins, as linked."""
    sections: int
    """Offset of the section headers."""
    entry: int
    """Bytes of one section header."""
    number: int
    """How many sections there are."""
    names: int
    """Which section holds the names of all."""


class ProgramHeader(NamedTuple):
    """A program header: a piece of the file, and where it belongs.  All in bytes."""

    kind: int
    """PT_..."""
    offset: int
    """In the file."""
    address: int
    """Virtual, as linked; in a core where the process had it."""
    physical: int
    in_file: int
    """What the file has of it."""
    size: int
    """What there is of it in memory."""
    align: int


def read_header(file: BinaryIO) -> Optional[Header]:
    """The ELF header; None where the file is no ELF file."""
    raw = file.read(64)
    if raw[:4] != MAGIC or len(raw) < 52:
        return None
    order, wide = ">" if raw[5] == 2 else "<", raw[4] == 2
    try:
        (machine,) = struct.unpack_from(order + "H", raw, 18)
        start, _, sections = struct.unpack_from(order + ("QQQ" if wide else "III"), raw, 24)
        entry, count, names = struct.unpack_from(order + "HHH", raw, 58 if wide else 46)
    except struct.error:
        return None
    return Header(order, wide, machine, start, sections, entry, count, names)


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
            return max((one.offset + one.in_file for one in read_program_headers(file, header)), default=0)
        except _ERRORS:
            return None


def linked_bytes(path: str, address: int, size: int) -> Optional[bytes]:
    """What a file puts at an address as linked; None where it does not have all of it.  Raises OSError."""
    with open(path, "rb") as file:
        header = read_header(file)
        try:
            for one in read_program_headers(file, header) if header else ():
                if one.address <= address and address + size <= one.address + one.in_file:
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
                kind, offset, size = section(file, header, number)
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
    return next((content.hex() for name, kind, content in notes_in(notes, order)
                 if kind == NT_GNU_BUILD_ID and name == b"GNU\0"), None)


def notes_in(raw: bytes, order: str = "<") -> Iterator[Tuple[bytes, int, bytes]]:
    """(name, type, content) of each of some ELF notes, up to the first that is cut off."""
    at = 0
    while at + 12 <= len(raw):
        name_size, size, kind = struct.unpack_from(order + "III", raw, at)
        name = at + 12
        content = name + (name_size + 3) // 4 * 4
        end = content + size
        if end > len(raw):
            break
        yield raw[name:name + name_size], kind, raw[content:end]
        at = content + (size + 3) // 4 * 4


def program_headers(path: str) -> List[ProgramHeader]:
    """The program headers of a file; none where it is no ELF file, or a damaged one.  Raises OSError."""
    with open(path, "rb") as file:
        header = read_header(file)
        try:
            return list(read_program_headers(file, header)) if header else []
        except _ERRORS:
            return []


def read_program_headers(file: BinaryIO, header: Header) -> Iterator[ProgramHeader]:
    """The program headers of an open file.  Raises struct.error where the file ends before them."""
    file.seek(0)
    raw = file.read(64)
    (table,) = struct.unpack_from(header.order + ("Q" if header.wide else "I"), raw, 32 if header.wide else 28)
    entry, count = struct.unpack_from(header.order + "HH", raw, 54 if header.wide else 42)
    if count == PN_XNUM:  # the number is in a field of the first section header
        file.seek(header.sections)
        (count,) = struct.unpack_from(header.order + "I", file.read(64), 44 if header.wide else 28)
    file.seek(table)
    headers = file.read(min(entry * count, MAX_SEGMENTS))
    for at in range(0, len(headers), max(entry, 1)):
        if header.wide:
            kind, _, *rest = struct.unpack_from(header.order + "IIQQQQQQ", headers, at)
            offset, address, physical, in_file, size, align = rest
        else:
            (kind, offset, address, physical, in_file, size, _,
             align) = struct.unpack_from(header.order + "IIIIIIII", headers, at)
        yield ProgramHeader(kind, offset, address, physical, in_file, size, align)


def _section_names(file: BinaryIO) -> bytes:
    """The table of an ELF file's section names."""
    header = read_header(file)
    if header is None:
        return b""
    _, offset, size = section(file, header, header.names)
    file.seek(offset)
    return file.read(min(size, MAX_NAMES))


def _notes(file: BinaryIO) -> Iterator[Tuple[bytes, str]]:
    """The contents of every section of notes, and their byte order."""
    header = read_header(file)
    if header is None:
        return
    for index in range(header.number):
        kind, offset, size = section(file, header, index)
        if kind == SHT_NOTE:
            file.seek(offset)
            yield file.read(min(size, MAX_NOTES)), header.order


def section(file: BinaryIO, header: Header, number: int) -> Tuple[int, int, int]:
    """Type, offset and size of a section's contents."""
    file.seek(header.sections + number * header.entry)
    raw = file.read(64 if header.wide else 40)
    (kind,) = struct.unpack_from(header.order + "I", raw, 4)
    offset, size = struct.unpack_from(header.order + ("QQ" if header.wide else "II"), raw, 24 if header.wide else 16)
    return kind, offset, size
