"""What gdb inside crash knows of types."""
from typing import Dict, List, NamedTuple, Optional, Tuple

import _vqcrash

from vqcheck.target.target import Member

STRUCTS = (3, 4)
"""TYPE_CODE_STRUCT and TYPE_CODE_UNION."""


class _Field(NamedTuple):
    """A struct or union, and one member of it if there is one of that name."""

    struct_bytes: int
    bit_offset: int
    """-1: no such member."""
    size: int
    type_name: Optional[str]
    """Of the member's own type; None for what has no name."""
    type_code: int


class Types:
    """Sizes and members, kept from command to command.

    A type that was found stays.  One that was not is asked for again when another module's debug information has come.
    """

    def __init__(self) -> None:
        self._fields: Dict[Tuple[str, Optional[str]], Optional[_Field]] = {}
        self._values: Dict[str, Optional[List[int]]] = {}
        self._loaded: Dict[str, bool] = {}

    def refresh(self) -> None:
        """Take notice of modules that were loaded since."""
        loaded = _vqcrash.modules()
        if loaded != self._loaded:
            self._loaded = loaded
            self._fields = {key: field for key, field in self._fields.items() if field is not None}
            self._values = {key: value for key, value in self._values.items() if value is not None}

    def size(self, type_name: str) -> Optional[int]:
        """The size of a type."""
        field = self._field(type_name, None)
        if field is not None:
            return field.struct_bytes or None  # 0: declared and not defined
        if type_name != _tag(type_name):
            return None
        value = self._evaluate(f"sizeof({type_name})", 1)
        return value[0] if value else None

    def member(self, type_name: str, path: str) -> Optional[Member]:
        """Where a member lies."""
        first, _, rest = path.partition(".")
        field = self._field(type_name, first)
        if field is None or field.bit_offset < 0 or field.bit_offset % 8:
            return None
        if not rest:
            return Member(field.bit_offset // 8, field.size)
        if field.type_name is not None:
            inner = self.member(field.type_name, rest)
            return inner and Member(field.bit_offset // 8 + inner.offset, inner.size)
        return self._unnamed(type_name, path) if field.type_code in STRUCTS else None

    def _unnamed(self, type_name: str, path: str) -> Optional[Member]:
        """A member inside a struct whose type has no name: gdb's expressions reach it, and take their time."""
        place = f"(({type_name} *) 0)->{path}"
        value = self._evaluate(f"(unsigned long) &{place}, sizeof({place})", 2)
        return Member(*value) if value else None

    def _field(self, type_name: str, member: Optional[str]) -> Optional[_Field]:
        key = type_name, member
        if key not in self._fields:
            answer = _vqcrash.datatype(_tag(type_name), member)
            self._fields[key] = answer and _Field(*answer)
        return self._fields[key]

    def _evaluate(self, expressions: str, count: int) -> Optional[List[int]]:
        if expressions not in self._values:
            answer = _vqcrash.gdb(f'printf "{"%lu " * count}", {expressions}')
            self._values[expressions] = answer and [int(word) for word in answer.split()]
        return self._values[expressions]


def _tag(type_name: str) -> str:
    """The name by which gdb looks a type up: without `struct`."""
    for keyword in ("struct ", "union "):
        if type_name.startswith(keyword):
            return type_name[len(keyword):]
    return type_name
