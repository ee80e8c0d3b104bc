"""Memory that an ELF dump describes and does not hold, and that crash reads as zeros.

makedumpfile -E leaves pages out by ending the bytes of a segment before its memory ends.  By the letter of ELF the rest
is zero; here it is unknown.

Source: System V ABI, chapter 5 "Program Header"; elf(5) on PN_XNUM; crash netdump.c (read_netdump(), zero_fill);
makedumpfile elf_info.c and makedumpfile.c (write_elf_pages_cyclic()).
"""
import bisect
import os
import struct
from typing import BinaryIO, Callable, List, Optional, Tuple

PT_LOAD = 1
PN_XNUM = 0xFFFF
"""So many program headers or more: how many is in the first section header."""
MAX_SEGMENTS = 1 << 20
PAGE = 4096
"""The smallest page of any architecture."""

Hole = Tuple[int, int]
"""Guest-physical addresses: the first one that is missing, and the one after the last."""


def holes_of(path: str) -> List[Hole]:
    """The holes of a dump, lowest first; none where it is not ELF, or can't be read."""
    try:
        with open(path, "rb") as file:
            return _holes(file)
    except (OSError, struct.error, IndexError, OverflowError, ValueError):
        return []


def _holes(file: BinaryIO) -> List[Hole]:
    raw = file.read(64)
    if raw[:4] != b"\x7fELF":
        return []
    order, wide = ">" if raw[5] == 2 else "<", raw[4] == 2
    start, sections = struct.unpack_from(order + ("QQ" if wide else "II"), raw, 32 if wide else 28)
    entry, count = struct.unpack_from(order + "HH", raw, 54 if wide else 42)
    if count == PN_XNUM:
        file.seek(sections)
        (count,) = struct.unpack_from(order + "I", file.read(64), 44 if wide else 28)
    file.seek(start)
    table = file.read(entry * min(count, MAX_SEGMENTS))
    found = []
    for at in range(0, len(table) - entry + 1, entry or 1):
        kind, address, in_file, size = _segment(table, at, order, wide)
        if kind == PT_LOAD and in_file < size:
            found.append((address + in_file, address + size))
    return sorted(found)


def _segment(table: bytes, at: int, order: str, wide: bool) -> Tuple[int, int, int, int]:
    """Type, physical address, bytes in the file and bytes in memory."""
    (kind,) = struct.unpack_from(order + "I", table, at)
    address, in_file, size = struct.unpack_from(order + ("QQQ" if wide else "III"), table, at + (24 if wide else 12))
    return kind, address, in_file, size


class Holes:
    """Tells zeros that were read from zeros that were made up."""

    def __init__(self, dump: Optional[str]) -> None:
        self._holes = holes_of(dump) if dump and os.path.isfile(dump) else []
        self._starts = [start for start, _ in self._holes]

    def has_made_up(self, raw: bytes, address: int, physical_of: Callable[[int], Optional[int]]) -> bool:
        """Whether some of the bytes read at `address` are not in the dump.

        `physical_of` gives the guest-physical address for one in the space that was read; it is asked only about
        pages that read as all zeros.
        """
        if not self._holes:
            return False
        at = 0
        while at < len(raw):
            end = min(len(raw), at + PAGE - (address + at) % PAGE)
            if not raw[at:end].strip(b"\0"):
                physical = physical_of(address + at)
                if physical is not None and self._touched(physical, physical + end - at):
                    return True
            at = end
        return False

    def _touched(self, start: int, end: int) -> bool:
        # Segments may overlap in a damaged header only; the nearest one below is the one that crash takes.
        before = bisect.bisect_left(self._starts, end) - 1
        return before >= 0 and self._holes[before][1] > start
