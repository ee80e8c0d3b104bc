"""Physical memory of an ELF dump, given to drgn segment by segment.

drgn takes an ELF file without VMCOREINFO and without QEMU's notes for the core of a process, and then knows only the
virtual addresses of its segments; QEMU writes notes of its own for x86 alone (target/arm/arch_dump.c has none).
"""
import os
import struct
from typing import BinaryIO, Callable, List, NamedTuple

import drgn

from ..files import elf

PT_LOAD = 1
MAX_SEGMENTS = 4096


class Segment(NamedTuple):
    """A piece of a machine's memory; all in bytes."""

    physical: int
    offset: int
    """Where it lies in the file."""
    size: int


def add_physical_memory(program: "drgn.Program", path: str) -> None:
    """Tell drgn which physical memory an ELF dump holds.  Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # for as long as the process lives, as drgn's own
    for one in physical_segments(path):
        program.add_memory_segment(one.physical, one.size, _reader(descriptor, one.offset), True)


def physical_segments(path: str) -> List[Segment]:
    """The segments of an ELF dump that hold memory; none of a damaged one.  Raises OSError."""
    with open(path, "rb") as file:
        header = elf.read_header(file)
        try:
            return _segments(file, header) if header else []
        except (struct.error, OverflowError, ValueError):
            return []


def _segments(file: BinaryIO, header: elf.Header) -> List[Segment]:
    file.seek(0)
    raw, order, wide = file.read(64), header.order, header.wide
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), raw, 32 if wide else 28)
    entry, count = struct.unpack_from(order + "HH", raw, 54 if wide else 42)
    file.seek(table)
    headers = file.read(entry * min(count, MAX_SEGMENTS))
    found, fields = [], order + ("IIQQQQ" if wide else "IIIII")
    for at in range(0, len(headers) - struct.calcsize(fields) + 1, max(entry, 1)):
        words = struct.unpack_from(fields, headers, at)
        kind = words[0]
        offset, physical, size = (words[2], words[4], words[5]) if wide else (words[1], words[3], words[4])
        if kind == PT_LOAD and size and physical + size <= (1 << 64):
            found.append(Segment(physical, offset, size))
    return found


def _reader(descriptor: int, start: int) -> Callable[[int, int, int, bool], bytes]:
    def read(address: int, count: int, offset: int, physical: bool) -> bytes:
        raw = os.pread(descriptor, count, start + offset)
        if len(raw) < count:
            raise drgn.FaultError("the file ends before it", address)
        return raw
    return read
