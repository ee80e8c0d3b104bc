"""Dumps with a part missing, made from whole ones: left out by a filter, never written, cut off.

Source: System V ABI, chapter 5 "Program Header"; makedumpfile diskdump_mod.h (struct disk_dump_header,
struct page_desc) and IMPLEMENTATION.
"""
import pathlib
import struct
import subprocess
from typing import List, NamedTuple, Sequence, Tuple

from .vmcore import ELF_HEADER, PROGRAM_HEADER, PT_LOAD, PT_NOTE

PAGE = 4096

KDUMP_HEADER = struct.Struct("<iiI")
KDUMP_HEADER_AT = 428
"""block_size, sub_hdr_size and bitmap_blocks of struct disk_dump_header."""
PAGE_DESC = 24
"""Bytes of struct page_desc; its first eight are the offset of the page's data."""


def filtered(dump: pathlib.Path, to: pathlib.Path, *options: str) -> pathlib.Path:
    """What makedumpfile makes of a dump."""
    subprocess.run(["makedumpfile", *options, str(dump), str(to)], check=True, capture_output=True)
    return to


def elf_without(dump: pathlib.Path, to: pathlib.Path, start: int, size: int) -> pathlib.Path:
    """The ELF dump without the bytes of some guest-physical memory, which is still in its headers."""
    whole = _elf(dump)
    end = start + size
    return _write_elf(whole, to, [(0, start, end), (end, whole.size - end, whole.size - end)])


def elf_cut_off(dump: pathlib.Path, to: pathlib.Path, start: int, size: int) -> pathlib.Path:
    """The ELF dump with some guest-physical memory at the end of the file, where it was cut off."""
    whole = _elf(dump)
    end = start + size
    _write_elf(whole, to, [(0, start, start), (end, whole.size - end, whole.size - end), (start, size, size)])
    with open(to, "r+b") as file:
        file.truncate(to.stat().st_size - size)
    return to


def kdump_without(dump: pathlib.Path, to: pathlib.Path, frame: int) -> pathlib.Path:
    """The kdump as if its maker had filtered one page out."""
    raw = bytearray(dump.read_bytes())
    bitmap, first, at = _kdump(raw, frame)
    last = first + PAGE_DESC * sum(bin(byte).count("1") for byte in raw[bitmap:first])
    raw[bitmap + frame // 8] &= ~(1 << frame % 8)
    raw[at:last] = raw[at + PAGE_DESC:last] + bytes(PAGE_DESC)
    to.write_bytes(raw)
    return to


def kdump_unfinished(dump: pathlib.Path, to: pathlib.Path, frame: int) -> pathlib.Path:
    """The kdump as if the disk had been full before one page was written."""
    raw = bytearray(dump.read_bytes())
    _, _, at = _kdump(raw, frame)
    raw[at:at + 8] = bytes(8)
    to.write_bytes(raw)
    return to


def _kdump(raw: bytearray, frame: int) -> Tuple[int, int, int]:
    """Where the bitmap of the pages in the dump, their descriptors, and the one of a page begin."""
    block, header, bitmaps = KDUMP_HEADER.unpack_from(raw, KDUMP_HEADER_AT)
    descriptors = (1 + header + bitmaps) * block
    bitmap = descriptors - bitmaps * block // 2
    before = sum(bin(byte).count("1") for byte in raw[bitmap:bitmap + frame // 8])
    here = raw[bitmap + frame // 8]
    assert here >> frame % 8 & 1, f"page {frame:#x} is not in the dump"
    before += bin(here & (1 << frame % 8) - 1).count("1")
    return bitmap, descriptors, descriptors + PAGE_DESC * before


class _Whole(NamedTuple):
    """A dump as tests/lab/vmcore.py makes it: one note, one segment from guest-physical address 0."""

    raw: bytes
    note: bytes
    offset: int
    size: int


def _elf(dump: pathlib.Path) -> _Whole:
    raw = dump.read_bytes()
    _, _, note_at, _, _, note_size, _, _ = PROGRAM_HEADER.unpack_from(raw, ELF_HEADER.size)
    _, _, offset, _, _, size, _, _ = PROGRAM_HEADER.unpack_from(raw, ELF_HEADER.size + PROGRAM_HEADER.size)
    return _Whole(raw, raw[note_at:note_at + note_size], offset, size)


def _write_elf(whole: _Whole, to: pathlib.Path, segments: Sequence[Tuple[int, int, int]]) -> pathlib.Path:
    """Segments are (physical address, bytes in the file, bytes in memory)."""
    count = len(segments) + 1
    at = ELF_HEADER.size + count * PROGRAM_HEADER.size
    fields = list(ELF_HEADER.unpack_from(whole.raw))
    fields[10] = count
    headers = [ELF_HEADER.pack(*fields),
               PROGRAM_HEADER.pack(PT_NOTE, 0, at, 0, 0, len(whole.note), len(whole.note), 0)]
    body: List[bytes] = []
    at += len(whole.note)
    for start, in_file, size in segments:
        headers.append(PROGRAM_HEADER.pack(PT_LOAD, 0, at, 0, start, in_file, size, 0))
        body.append(whole.raw[whole.offset + start:whole.offset + start + in_file])
        at += in_file
    to.write_bytes(b"".join([*headers, whole.note, *body]))
    return to
