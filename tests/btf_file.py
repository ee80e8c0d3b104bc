"""BTF written by hand, for tests."""
import struct
from typing import List, Optional, Sequence, Tuple

from vqcheck.target.layouts import btf

Member = Tuple[str, int, int, int]
"""(name, type id, bit offset, bits of a bit field or 0)"""


class BtfFile:
    """Types are added one by one; each gets the next id."""

    def __init__(self, order: str = "<", base: "Optional[BtfFile]" = None) -> None:
        self._order = order
        self._base = base
        self._names = b"" if base else b"\0"
        self._types: List[bytes] = []

    def string_end(self) -> int:
        return len(self._names) + (self._base.string_end() if self._base else 0)

    def type_end(self) -> int:
        return len(self._types) + (self._base.type_end() if self._base else 1)

    def string(self, text: str) -> int:
        if not text:
            return 0
        at = self.string_end()
        self._names += text.encode() + b"\0"
        return at

    def add(self, kind: int, name: str = "", value: int = 0, count: int = 0, tail: Sequence[int] = (),
            flag: bool = False) -> int:
        """A type of any kind; `value` is its size or what it refers to, `tail` the 32-bit words behind it."""
        number = self.type_end()
        words = [self.string(name), kind << 24 | count | flag << 31, value, *tail]
        self._types.append(struct.pack(f"{self._order}{len(words)}I", *words))
        return number

    def integer(self, name: str, size: int, bits: Optional[int] = None) -> int:
        return self.add(btf.INT, name, size, tail=[8 * size if bits is None else bits])

    def struct(self, name: str, size: int, members: Sequence[Member], union: bool = False) -> int:
        flag = any(bits for *_, bits in members)
        tail = [word for member, kind, place, bits in members
                for word in (self.string(member), kind, place | bits << 24)]
        return self.add(btf.UNION if union else btf.STRUCT, name, size, len(members), tail, flag)

    def array(self, element: int, count: int) -> int:
        return self.add(btf.ARRAY, tail=[element, 0, count])

    def bytes(self) -> bytes:
        types = b"".join(self._types)
        return struct.pack(self._order + btf.HEADER, btf.MAGIC, btf.VERSION, 0, 24, 0, len(types), len(types),
                           len(self._names)) + types + self._names


def kernel(order: str = "<", long_size: int = 8) -> BtfFile:
    """A vmlinux with one awkward struct and what it is made of."""
    file = BtfFile(order)
    number, long = file.integer("int", 4), file.integer("long unsigned int", long_size)
    pointer = file.add(btf.PTR, value=0)
    head = file.struct("list_head", 2 * long_size, [("next", pointer, 0, 0), ("prev", pointer, 8 * long_size, 0)])
    atomic = file.add(btf.TYPEDEF, "atomic_t", file.struct("", 4, [("counter", number, 0, 0)]))
    constant = file.add(btf.CONST, value=file.add(btf.VOLATILE, value=head))
    unnamed = file.struct("", 8, [("low", number, 0, 0), ("high", number, 32, 0)])
    either = file.struct("", 8, [("whole", file.array(number, 2), 0, 0), ("", unnamed, 0, 0)], union=True)
    split = file.struct("", 8, [("idx", number, 0, 0), ("count", atomic, 32, 0)])
    start = 16 * long_size
    file.struct("queue", 2 * long_size + 24, [
        ("list", constant, 0, 0), ("", either, start, 0), ("split", split, start + 64, 0),
        ("bit", number, start + 128, 3), ("plain", number, start + 160, 0),
        ("tail", file.array(long, 0), start + 192, 0)])
    file.add(btf.FORWARD, "opaque")
    file.add(btf.FUNC, "f", file.add(btf.FUNC_PROTO, value=number, count=1, tail=[0, number]))
    return file
