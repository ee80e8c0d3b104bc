"""What gdb inside crash knows of types, through our own loader."""
import itertools
from typing import List, NamedTuple, Optional

import _vqcrash

from vqcheck.target.target import Member

from .kept import Kept

KEYWORDS = {3: "struct ", 4: "union "}
"""By TYPE_CODE_STRUCT and TYPE_CODE_UNION."""


class _Field(NamedTuple):
    """A struct or union, and one member of it if there is one of that name."""

    struct_bytes: int
    bit_offset: int
    """-1: no such member."""
    size: int
    type_name: Optional[str]
    """Of the member's own type; None for what has no name."""
    type_code: int


_kept = Kept()
_numbers = itertools.count()


def refresh() -> None:
    """Take notice of modules whose debug information was loaded since."""
    _kept.refresh(_vqcrash.modules())


def forget_missing() -> None:
    """Ask again for what was not found."""
    _kept.forget_missing()


def size(type_name: str) -> Optional[int]:
    """The size of a type."""
    field: Optional[_Field] = _kept.get(_field, type_name, None)
    if field is not None:
        return field.struct_bytes or None  # 0: declared and not defined
    if type_name != _tag(type_name):
        return None
    value: Optional[List[int]] = _kept.get(_evaluate, f"sizeof({type_name})", 1)
    return value[0] if value else None


def member(type_name: str, path: str) -> Optional[Member]:
    """Where a member lies."""
    first, _, rest = path.partition(".")
    field: Optional[_Field] = _kept.get(_field, type_name, first)
    if field is None or field.bit_offset < 0 or field.bit_offset % 8:
        return None
    if not rest:
        return Member(field.bit_offset // 8, field.size)
    inner_type = KEYWORDS.get(field.type_code, "") + (field.type_name or "")  # without keyword: a typedef
    if field.type_name is None or size(inner_type) != field.size:
        return _by_expression(type_name, path) if field.type_code in KEYWORDS else None
    inner = member(inner_type, rest)
    return inner and Member(field.bit_offset // 8 + inner.offset, inner.size)


def _by_expression(type_name: str, path: str) -> Optional[Member]:
    """A member inside a struct that can't be asked for by name: gdb's expressions reach it, and take their time.

    The struct has no name, or shares it with another one: `struct console` of drivers/char/virtio_console.c is not that
    of include/linux/console.h.
    """
    pointer: Optional[str] = _kept.get(_null_pointer, type_name)
    if pointer is None:
        return None
    place = f"{pointer}->{path}"
    value: Optional[List[int]] = _kept.get(_evaluate, f"&{place}, sizeof({place})", 2)
    return Member(*value) if value else None


def _null_pointer(type_name: str) -> Optional[str]:
    """A variable of gdb's own that points at such a struct at address 0; looking a type up takes it a tenth second."""
    name = f"$vqcheck{next(_numbers)}"
    return None if _vqcrash.gdb(f"set {name} = ({type_name} *) 0") is None else name


def _field(type_name: str, member_name: Optional[str]) -> Optional[_Field]:
    answer = _vqcrash.datatype(_tag(type_name), member_name)
    return answer and _Field(*answer)


def _evaluate(expressions: str, count: int) -> Optional[List[int]]:
    answer = _vqcrash.gdb(f'printf "{"%lu " * count}", {expressions}')
    return answer and [int(word) for word in answer.split()]


def _tag(type_name: str) -> str:
    """The name by which gdb looks a type up: without `struct`."""
    for keyword in ("struct ", "union "):
        if type_name.startswith(keyword):
            return type_name[len(keyword):]
    return type_name
