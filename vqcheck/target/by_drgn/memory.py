"""Physical memory of an ELF dump, given to drgn segment by segment.

drgn takes an ELF file without VMCOREINFO and without QEMU's notes for the core of a process, and then knows only the
virtual addresses of its segments; QEMU writes notes of its own for x86 alone (target/arm/arch_dump.c has none).
"""
import os
from typing import Callable, List, NamedTuple

import drgn

from ..files import elf


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
    return [Segment(one.physical, one.offset, one.in_file) for one in elf.program_headers(path)
            if one.kind == elf.PT_LOAD and one.in_file and one.physical + one.in_file <= 1 << 64]


def _reader(descriptor: int, start: int) -> Callable[[int, int, int, bool], bytes]:
    def read(address: int, count: int, offset: int, physical: bool) -> bytes:
        raw = os.pread(descriptor, count, start + offset)
        if len(raw) < count:
            raise drgn.FaultError("the file ends before it", address)
        return raw
    return read
