"""Typed views on memory: a struct is read once and decoded from those bytes."""
from typing import Optional

from .errors import Corrupt, NullPointer, Unreadable
from .target import Member, Target, decode_text

BULK_LIMIT = 8192
"""Structs up to this size (bytes) are read whole; of a larger one only the members that are asked for."""


class View:
    """One struct in a target's memory.

    Every accessor takes one or more member paths and uses the first that exists, because kernels and QEMUs rename
    their fields.  Raises NoMember, NoType, Unreadable or NullPointer.
    """

    def __init__(self, target: Target, type_name: str, address: int) -> None:
        if address == 0:
            raise NullPointer(f"the pointer to {type_name}")
        self.target = target
        self.type_name = type_name
        self.address = address
        self._places = target.places(type_name)
        self._whole: Optional[bytes] = None
        self._bulk = self._places.size <= BULK_LIMIT

    def has(self, path: str) -> bool:
        """Whether the type has this member."""
        return self.target.member(self.type_name, path) is not None

    def address_of(self, *paths: str) -> int:
        """The address of a member."""
        return self.address + self._places[paths].offset

    def raw(self, *paths: str) -> bytes:
        """The bytes of a member."""
        offset, size = self._places[paths]
        whole = self._whole or self._read_whole()
        if whole is None:
            return self.target.read(self.address + offset, size)
        found = whole[offset:offset + size]
        if len(found) != size:
            raise Corrupt(f"{self.type_name}.{paths[0]} lies outside its struct")
        return found

    def uint(self, *paths: str) -> int:
        """An unsigned integer, an enumeration or a bool, as wide as the member is."""
        return self._places.integer(self.raw(*paths))

    def sint(self, *paths: str) -> int:
        """A signed integer, as wide as the member is."""
        return self._places.integer(self.raw(*paths), signed=True)

    def flag(self, *paths: str) -> bool:
        """A bool."""
        return bool(self.uint(*paths))

    def pointer(self, *paths: str) -> int:
        """A pointer; 0 for NULL."""
        return self._places.integer(self.raw(*paths))

    def text(self, *paths: str) -> str:
        """A char array, up to its NUL."""
        return decode_text(self.raw(*paths))

    def string(self, *paths: str) -> Optional[str]:
        """What a `char *` points at; None for NULL."""
        address = self.pointer(*paths)
        return self.target.read_string(address) if address else None

    def embedded(self, type_name: str, *paths: str) -> "View":
        """A view on a struct that lies inside this one, decoded from the same bytes."""
        member = self._places[paths]
        inner = View(self.target, type_name, self.address + member.offset)
        whole = self._read_whole()
        if whole is not None:
            inner._whole = whole[member.offset:member.offset + inner._places.size]
        return inner

    def follow(self, type_name: str, *paths: str) -> "View":
        """A view on the struct that a member points at.  Raises NullPointer."""
        address = self.pointer(*paths)
        if address == 0:
            raise NullPointer(f"{self.type_name}.{paths[0]}")
        return View(self.target, type_name, address)

    def _read_whole(self) -> Optional[bytes]:
        """The struct's bytes; None where it is too large or only part of it can be read."""
        if self._whole is None and self._bulk:
            try:
                self._whole = self.target.read(self.address, self._places.size)
            except Unreadable:
                self._bulk = False  # it may straddle a page that is not there: the members are tried one by one
        return self._whole


def container_of(target: Target, address: int, type_name: str, path: str) -> int:
    """The address of the struct whose member `path` lies at `address`."""
    member: Member = target.member_of(type_name, path)
    return address - member.offset
