"""BTF: the types of a running kernel, as the kernel itself offers them in /sys/kernel/btf.

Source: Linux include/uapi/linux/btf.h, Documentation/bpf/btf.rst; kernel/bpf/btf.c (btf_parse_module(): a module's
type ids and string offsets go on where those of vmlinux end).
"""
import struct
from typing import Dict, Iterator, Optional, Tuple

from ..errors import TargetError
from .survey import Described, Field

MAGIC = 0xEB9F
VERSION = 1
HEADER = "HBBIIIII"

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FORWARD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)

STRUCTS = {STRUCT: "struct", UNION: "union"}
MODIFIERS = (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG)
SIZED = (INT, ENUM, FLOAT, ENUM64, STRUCT, UNION)

TAIL = {INT: 4, ARRAY: 12, VAR: 4, DECL_TAG: 4}
"""Bytes behind struct btf_type, by kind."""
EACH = {STRUCT: 12, UNION: 12, ENUM: 8, FUNC_PROTO: 8, DATASEC: 12, ENUM64: 12}
"""Bytes of each of the `vlen` entries behind struct btf_type, by kind."""

ENTRY = 12
"""Bytes of struct btf_type, and of struct btf_member."""
LONGS = ("long unsigned int", "long int", "unsigned long", "long")
"""What compilers call it."""
MAX_STEPS = 64
"""Typedefs, qualifiers and arrays on the way to a type's size."""


class BadBtf(TargetError):
    """What was read is no BTF, or of a form that is not known here."""


class Btf:
    """The types of vmlinux, or of one module on top of those."""

    def __init__(self, raw: bytes, base: "Optional[Btf]" = None) -> None:
        """Raises BadBtf."""
        self._base = base
        self._raw = raw
        self._order = ">" if raw[:2] == MAGIC.to_bytes(2, "big") else "<"
        magic, version, _, length, types_at, types_length, names_at, names_length = self._unpack(HEADER, 0)
        if (magic, version) != (MAGIC, VERSION):
            raise BadBtf("it does not begin as BTF does")
        self._places = list(self._index(length + types_at, length + types_at + types_length))
        self.first: int = base.end if base is not None else 1
        """The id of the first type; 0 is void."""
        self.end: int = self.first + len(self._places)
        self._names = length + names_at
        self._first_name: int = base.end_of_names if base is not None else 0
        self.end_of_names: int = self._first_name + names_length
        self._by_name: Optional[Dict[Tuple[int, str], int]] = None
        self.pointer_size: Optional[int] = base.pointer_size if base is not None else self._size_of_long()
        """Bytes of a pointer, which in Linux are those of a long; None where there is no long."""

    @property
    def byte_order(self) -> str:
        """`little` or `big`."""
        return "little" if self._order == "<" else "big"

    def find(self, name: str) -> Optional[Described]:
        """A complete type by its name in C, `struct request` or a typedef's; None where it is not here.

        Raises BadBtf.
        """
        if self._by_name is None:
            self._by_name = {}
            for number in range(self.first, self.end):
                name_at, kind, _, _, _ = self.entry(number)
                if kind in STRUCTS or kind == TYPEDEF:
                    self._by_name.setdefault((kind, self.string(name_at)), number)
        word, _, tag = name.rpartition(" ")
        sort = {"struct": STRUCT, "union": UNION, "": TYPEDEF}.get(word)
        found = self._by_name.get((sort, tag)) if sort is not None else None
        return None if found is None else BtfType(self, found)

    def entry(self, number: int) -> Tuple[int, int, int, bool, int]:
        """Of a type: its name's place, its kind, how many entries follow, their form, its size or what it refers to.

        Raises BadBtf.
        """
        owner = self._owner(number)
        name_at, info, value = owner._unpack("III", owner._places[number - owner.first])
        return name_at, info >> 24 & 0x1F, info & 0xFFFF, bool(info >> 31), value

    def tail(self, number: int, form: str, index: int = 0) -> Tuple[int, ...]:
        """What follows a type's entry, decoded.  Raises BadBtf."""
        owner = self._owner(number)
        return owner._unpack(form, owner._places[number - owner.first] + ENTRY + index * struct.calcsize("<" + form))

    def string(self, at: int) -> str:
        """The text at an offset among all names.  Raises BadBtf."""
        if at < self._first_name and self._base is not None:
            return self._base.string(at)
        if not self._first_name <= at < self.end_of_names:
            raise BadBtf(f"the BTF has no name at {at}")
        start = self._names + at - self._first_name
        end = self._raw.find(b"\0", start, self._names + self.end_of_names - self._first_name)
        return self._raw[start:max(start, end)].decode("utf-8", "backslashreplace")

    def _owner(self, number: int) -> "Btf":
        if number < self.first and self._base is not None:
            return self._base._owner(number)
        if not self.first <= number < self.end:
            raise BadBtf(f"the BTF has no type {number}")
        return self

    def _unpack(self, form: str, at: int) -> Tuple[int, ...]:
        try:
            return struct.unpack_from(self._order + form, self._raw, at)
        except struct.error:
            raise BadBtf("the BTF is cut off")

    def _index(self, at: int, end: int) -> Iterator[int]:
        """Where each type begins."""
        while at < end:
            yield at
            _, info, _ = self._unpack("III", at)
            kind = info >> 24 & 0x1F
            if not INT <= kind <= ENUM64:
                raise BadBtf(f"the BTF has types of an unknown kind, {kind}")
            at += ENTRY + TAIL.get(kind, 0) + EACH.get(kind, 0) * (info & 0xFFFF)

    def _size_of_long(self) -> Optional[int]:
        for number in range(self.first, self.end):
            name_at, kind, _, _, size = self.entry(number)
            if kind == INT and self.string(name_at) in LONGS:
                return size
        return None


class BtfType(Described):
    """A type in BTF."""

    def __init__(self, btf: Btf, number: int) -> None:
        """Follows typedefs and qualifiers.  Raises BadBtf."""
        self._btf = btf
        self._typedef: Optional[str] = None
        for _ in range(MAX_STEPS):
            self._number = number
            if number == 0:
                return
            name_at, kind, _, _, value = btf.entry(number)
            if kind not in MODIFIERS:
                return
            if kind == TYPEDEF:
                self._typedef = btf.string(name_at)
            number = value
        raise BadBtf(f"the BTF's type {number} leads nowhere")

    def size(self) -> Optional[int]:
        return _size(self._btf, self._number, MAX_STEPS)

    def name(self) -> Optional[str]:
        if self._number == 0:
            return None
        name_at, kind, _, _, _ = self._btf.entry(self._number)
        if kind not in STRUCTS:
            return None
        tag = self._btf.string(name_at)
        return f"{STRUCTS[kind]} {tag}" if tag else self._typedef

    def fields(self) -> Iterator[Field]:
        if self._number == 0:
            return
        _, kind, count, with_bits, _ = self._btf.entry(self._number)
        if kind not in STRUCTS:
            return
        for index in range(count):
            name_at, number, place = self._btf.tail(self._number, "III", index)
            bits, offset = (place >> 24, place & 0xFFFFFF) if with_bits else (0, place)
            field = BtfType(self._btf, number)
            yield Field(self._btf.string(name_at), offset // 8, bool(bits) or offset % 8 != 0 or field.is_bits(), field)

    def is_bits(self) -> bool:
        """Whether it is an integer of fewer bits than its bytes have: how older compilers marked a bit field."""
        if self._number == 0 or self._btf.entry(self._number)[1] != INT:
            return False
        (encoding,) = self._btf.tail(self._number, "I")
        return bool(encoding >> 16 & 0xFF) or encoding & 0xFF != 8 * self._btf.entry(self._number)[4]


def _size(btf: Btf, number: int, steps: int) -> Optional[int]:
    """A type's bytes; None where it has none."""
    if number == 0 or steps == 0:
        return None
    _, kind, _, _, value = btf.entry(number)
    if kind in SIZED:
        return value
    if kind == PTR:
        return btf.pointer_size
    if kind in MODIFIERS:
        return _size(btf, value, steps - 1)
    if kind == ARRAY:
        element, _, count = btf.tail(number, "III")
        each = _size(btf, element, steps - 1)
        return None if each is None else each * count
    return None
