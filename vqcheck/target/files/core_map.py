"""Which bytes a core file really holds.

gdb answers with zeros for a mapping that the kernel left out of a core, and with today's content of a file for a
mapping that was backed by one.  A ring in guest RAM that is not in the core would look like an idle ring, so the
program headers are asked first.

Source: System V ABI, chapter 5 "Program Header"; Linux fs/binfmt_elf.c (fill_files_note(), vma_dump_size()).
"""
import bisect
import os
import struct
from typing import BinaryIO, Dict, Iterable, List, NamedTuple, Optional

from . import elf
from .elf import PT_LOAD, PT_NOTE

NT_AUXV = 6
NT_FILE = 0x46494C45

MAX_NOTE = 64 << 20


class Segment(NamedTuple):
    """A PT_LOAD: the mapping's address and size, how many of its bytes the file holds, and where."""

    address: int
    in_file: int
    size: int
    offset: int


class Mapping(NamedTuple):
    """A file mapping of the process, from the core's NT_FILE note."""

    start: int
    end: int
    path: str


class CoreMap(NamedTuple):
    """What a core holds; segments by ascending addresses."""

    segments: List[Segment]
    mappings: List[Mapping]
    auxv: Dict[int, int]
    """The auxiliary vector of the process (getauxval(3))."""
    starts: List[int]
    """The addresses of the segments."""
    cut: Optional[str] = None
    """That the file is shorter than its headers say, in words; None where it is not."""

    def segment(self, address: int) -> Optional[Segment]:
        """The segment that holds the byte at an address, or would if it were in the file."""
        at = bisect.bisect_right(self.starts, address) - 1
        if at < 0:
            return None
        found = self.segments[at]
        return found if address < found.address + found.size else None


class Held(NamedTuple):
    """Memory of the process that the file holds; all in bytes."""

    address: int
    size: int
    offset: int
    """Where it lies in the file."""


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
    if core.cut is not None and core.segment(at) is not None:
        return f"not in the core file: {core.cut}"
    if core.segment(at) is not None:
        return ("not in the core file, which left this mapping out (guest RAM with dump-guest-core=off or dump=off, "
                "or on huge pages that coredump_filter excludes)")
    return "not in the core file"


def held(core: CoreMap, address: int, size: int) -> List[Held]:
    """What the file holds of a range, by ascending addresses."""
    found: List[Held] = []
    at, end = address, address + size
    while at < end:
        segment = core.segment(at)
        stop = min(end, segment.address + segment.in_file) if segment else at
        if segment is not None and at < stop:
            found.append(Held(at, stop - at, segment.offset + at - segment.address))
            at = stop
            continue
        following = bisect.bisect_right(core.starts, at)
        at = core.starts[following] if following < len(core.starts) else end
    return found


def mapped_file(core: CoreMap, address: int) -> Optional[str]:
    """The file that was mapped at an address, or None."""
    for mapping in core.mappings:
        if mapping.start <= address < mapping.end:
            return os.path.realpath(mapping.path)
    return None


def _covered_until(core: CoreMap, address: int) -> Optional[int]:
    found = core.segment(address)
    if found is None or address >= found.address + found.in_file:
        return None
    return found.address + found.in_file


def _read(core: BinaryIO) -> CoreMap:
    header = elf.read_header(core)
    if header is None:
        raise NotACore("not an ELF file")
    segments: List[Segment] = []
    mappings: List[Mapping] = []
    auxv: Dict[int, int] = {}
    word = header.order + ("Q" if header.wide else "I")
    headers = list(elf.read_program_headers(core, header))
    for one in headers:
        if one.kind == PT_LOAD:
            segments.append(Segment(one.address, one.in_file, one.size, one.offset))
        elif one.kind == PT_NOTE:
            core.seek(one.offset)
            for _, kind, content in elf.notes_in(core.read(min(one.in_file, MAX_NOTE)), header.order):
                if kind == NT_FILE:
                    mappings += _mappings(content, word)
                elif kind == NT_AUXV:
                    auxv.update(auxiliary_vector(content, word))
    whole = max((one.offset + one.in_file for one in headers), default=0)
    there = os.fstat(core.fileno()).st_size
    segments.sort()
    return CoreMap([_there(one, there) for one in segments], mappings, auxv, [one.address for one in segments],
                   f"the core is cut off: it has {there} bytes of {whole}" if there < whole else None)


def _there(segment: Segment, length: int) -> Segment:
    """A segment with what a file of that length can have of it."""
    return segment._replace(in_file=max(0, min(segment.in_file, segment.size, length - segment.offset)))


def auxiliary_vector(raw: bytes, word: str = "<Q") -> Dict[int, int]:
    """The pairs of an auxiliary vector up to AT_NULL; `word` is a pointer as the module struct spells it."""
    width = struct.calcsize(word)
    found: Dict[int, int] = {}
    for at in range(0, len(raw) - 2 * width + 1, 2 * width):
        kind, value = (struct.unpack_from(word, raw, at + step)[0] for step in (0, width))
        if kind == 0:
            break
        found[kind] = value
    return found


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
