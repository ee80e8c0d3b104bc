"""Which bytes a core file really holds.

gdb answers with zeros for a mapping that the kernel left out of a core, and with today's content of a file for a
mapping that was backed by one.  A ring in guest RAM that is not in the core would look like an idle ring, so the
program headers are asked first.

Source: System V ABI, chapter 5 "Program Header"; Linux fs/binfmt_elf.c (fill_files_note(), vma_dump_size()).
"""
import os
import struct
from typing import BinaryIO, Iterable, List, NamedTuple, Optional, Tuple

PT_LOAD = 1
PT_NOTE = 4
NT_FILE = 0x46494C45

MAX_HEADERS = 65535
MAX_NOTE = 64 << 20


class Segment(NamedTuple):
    """A PT_LOAD: the mapping's address and size, and how many of its bytes the file holds."""

    address: int
    in_file: int
    size: int


class Mapping(NamedTuple):
    """A file mapping of the process, from the core's NT_FILE note."""

    start: int
    end: int
    path: str


class CoreMap(NamedTuple):
    """What a core holds."""

    segments: List[Segment]
    mappings: List[Mapping]


class NotACore(ValueError):
    """The file is no ELF core that can be understood."""


def read_core_map(path: str) -> CoreMap:
    """The map of a core file.  Raises NotACore or OSError."""
    with open(path, "rb") as core:
        try:
            return _read(core)
        except (struct.error, IndexError) as problem:
            raise NotACore(f"{path}: {problem}")


def missing(core: CoreMap, address: int, size: int, own_files: Iterable[str]) -> Optional[str]:
    """Why bytes can't be trusted, or None when they can.

    `own_files` are the program and its libraries: what the core leaves out of them is unchanged in those files.
    """
    at, end = address, address + size
    while at < end:
        covered = _covered_until(core, at)
        if covered is None:
            break
        at = covered
    if at >= end:
        return None
    for mapping in core.mappings:
        if mapping.start <= at < mapping.end:
            if os.path.realpath(mapping.path) in own_files:
                return None
            return (f"not in the core file: it was a mapping of {mapping.path}, whose content is not the process's "
                    "memory of that moment")
    if any(segment.address <= at < segment.address + segment.size for segment in core.segments):
        return ("not in the core file, which left this mapping out (guest RAM with dump-guest-core=off or dump=off, "
                "or on huge pages that coredump_filter excludes)")
    return "not in the core file"


def mapped_file(core: CoreMap, address: int) -> Optional[str]:
    """The file that was mapped at an address, or None."""
    for mapping in core.mappings:
        if mapping.start <= address < mapping.end:
            return os.path.realpath(mapping.path)
    return None


def _covered_until(core: CoreMap, address: int) -> Optional[int]:
    for segment in core.segments:
        if segment.address <= address < segment.address + segment.in_file:
            return segment.address + segment.in_file
    return None


def _read(core: BinaryIO) -> CoreMap:
    ident = core.read(16)
    if ident[:4] != b"\x7fELF":
        raise NotACore("not an ELF file")
    wide, order = ident[4] == 2, ">" if ident[5] == 2 else "<"
    rest = struct.unpack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), core.read(48 if wide else 36))
    table, entry_size, count = rest[4], rest[8], rest[9]
    segments: List[Segment] = []
    mappings: List[Mapping] = []
    for number in range(min(count, MAX_HEADERS)):
        core.seek(table + number * entry_size)
        kind, offset, address, in_file, size = _header(core.read(entry_size), wide, order)
        if kind == PT_LOAD:
            segments.append(Segment(address, in_file, size))
        elif kind == PT_NOTE:
            core.seek(offset)
            mappings += _file_note(core.read(min(in_file, MAX_NOTE)), wide, order)
    return CoreMap(segments, mappings)


def _header(raw: bytes, wide: bool, order: str) -> Tuple[int, int, int, int, int]:
    """(type, offset, virtual address, size in the file, size in memory)"""
    if wide:
        kind, _, offset, address, _, in_file, size, _ = struct.unpack_from(order + "IIQQQQQQ", raw)
    else:
        kind, offset, address, _, in_file, size, _, _ = struct.unpack_from(order + "IIIIIIII", raw)
    return kind, offset, address, in_file, size


def _file_note(raw: bytes, wide: bool, order: str) -> List[Mapping]:
    at = 0
    while at + 12 <= len(raw):
        name_size, size, kind = struct.unpack_from(order + "III", raw, at)
        start = at + 12 + (name_size + 3 & ~3)
        if kind == NT_FILE:
            return _mappings(raw[start:start + size], order + ("Q" if wide else "I"))
        at = start + (size + 3 & ~3)
    return []


def _mappings(note: bytes, word: str) -> List[Mapping]:
    width = struct.calcsize(word)
    count = struct.unpack_from(word, note)[0]
    if count > len(note) // (3 * width):
        raise NotACore(f"its NT_FILE note claims {count} mappings")
    names = note[(2 + 3 * count) * width:].split(b"\0")
    return [
        Mapping(struct.unpack_from(word, note, (2 + 3 * number) * width)[0],
                struct.unpack_from(word, note, (3 + 3 * number) * width)[0],
                names[number].decode("utf-8", "backslashreplace"))
        for number in range(count)
    ]
