"""Guest memory through the human monitor: `gpa2hva` to see that it is RAM, `xp` to read it.

Source: QEMU monitor/hmp-cmds-target.c (until 7.2 monitor/misc.c): gpa2hva(), memory_dump().
"""
import re
from typing import Dict, Optional, Tuple

from ...target.errors import Corrupt, NotSupported, Unreadable
from .ask import human
from .careful import Careful

FOUND = re.compile(r"Host virtual address for 0x([0-9a-f]+) \((.*)\) is 0x([0-9a-f]+)")
LINE = re.compile(r"([0-9a-f]{16}):((?: 0x[0-9a-f]{2})+)")

CHUNK = 1024
"""Bytes of one xp at most: the answer takes some ten times as many."""

TOP = 1 << 64


class GuestMemory:
    """The guest's RAM, by guest-physical addresses."""

    def __init__(self, ask: Careful, why_not: Optional[str] = None) -> None:
        """`why_not`: why none of it is to be read."""
        self._ask = ask
        self._why_not = why_not
        self._areas: Dict[Tuple[int, int], "Area"] = {}

    def area(self, address: int, size: int) -> "Area":
        """A piece of RAM.  Raises Unreadable where it is none, NotSupported where guest memory is not to be read."""
        if self._why_not:
            raise NotSupported(self._why_not)
        place = (address, size)
        if place not in self._areas:
            self._check(address, size)
            self._ask.is_ram(address, size)
            self._areas[place] = Area(self._ask, address, size)
        return self._areas[place]

    def _check(self, address: int, size: int) -> None:
        """The first byte and the last must be of one block of RAM, as far apart in QEMU's memory as in the guest's."""
        last = address + size - 1
        if last >= TOP:
            raise Unreadable(address, size, "it would wrap around the end of memory")
        block, start = self._where(address)
        other, end = self._where(last)
        if block != other or end - start != last - address:
            raise Unreadable(address, size, "it is not in one piece in QEMU's memory")

    def _where(self, address: int) -> Tuple[str, int]:
        """The block of RAM that an address is in, and where in QEMU's memory."""
        said = human(self._ask, f"gpa2hva {address:#x}").strip()
        match = FOUND.fullmatch(said)
        if match is None or int(match.group(1), 16) != address:
            raise Unreadable(address, 1, f"QEMU says: {said[:200]}")
        return match.group(2), int(match.group(3), 16)


class Area:
    """A piece of RAM that was found to be such."""

    def __init__(self, ask: Careful, address: int, size: int) -> None:
        self._ask = ask
        self._address = address
        self._size = size

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of it.  Raises Corrupt for what lies outside, and where QEMU prints something else than bytes."""
        if not 0 <= offset <= offset + size <= self._size:
            raise Corrupt(f"{size} bytes at {offset} of an area of {self._size}")
        return b"".join(self._dump(self._address + at, min(CHUNK, offset + size - at))
                        for at in range(offset, offset + size, CHUNK))

    def _dump(self, address: int, size: int) -> bytes:
        said = human(self._ask, f"xp /{size}xb {address:#x}")
        found = bytearray()
        for line in said.splitlines():
            match = LINE.fullmatch(line)
            if match is None or int(match.group(1), 16) != address + len(found):
                raise Corrupt(f"guest memory at {address:#x}: QEMU says: {line[:200]}")
            found += bytes(int(one, 16) for one in match.group(2).split())
        if len(found) != size:
            raise Corrupt(f"guest memory at {address:#x}: QEMU prints {len(found)} bytes, not {size}")
        return bytes(found)
