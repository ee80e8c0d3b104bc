"""The shape of the snapshot's records, taken from their annotations: what reader and JSON Schema both follow.

Runs under `vqcheck` only; debuggers load the records and their writer, never this.
"""
import re
from typing import Any, Dict, List, NamedTuple, Tuple, Type, Union, get_type_hints

from .kinds import U8, U16, U32, U64
from .model import GUEST, HOST, SCHEMA_VERSION, Snapshot

HEX_PATTERN = "^0x[0-9a-f]{1,32}$"

RANGES: Dict[type, Tuple[int, int]] = {
    int: (-(1 << 63), (1 << 63) - 1),
    U8: (0, 0xFF),
    U16: (0, 0xFFFF),
    U32: (0, 0xFFFFFFFF),
    U64: (0, (1 << 64) - 1),
}
"""Lowest and highest value of each kind of integer."""

ALLOWED: Dict[Tuple[type, str], Tuple[Any, ...]] = {
    (Snapshot, "schema"): (SCHEMA_VERSION,),
    (Snapshot, "side"): (GUEST, HOST),
}
"""The fields that take only these values.  Others stay open words, so that an older reader takes a newer walker's."""

_FIELD_LINE = re.compile(r"^\s*(\w+): (.+)$")


class Field(NamedTuple):
    """One field of a record."""

    name: str
    kind: Any
    """Its type: bool, str, Hex, one of RANGES, a record, List[...] or Dict[str, str]."""
    optional: bool
    """Null says that the value is absent."""
    required: bool
    default: Any
    allowed: Tuple[Any, ...]
    """The only values that it takes; empty for any."""
    text: str
    """What it means."""


def is_record(kind: Any) -> bool:
    """Whether a type is one of the snapshot's NamedTuples."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def element_kind(kind: Any) -> Any:
    """The X of a List[X]; None for any other type."""
    return kind.__args__[0] if getattr(kind, "__origin__", None) in (list, List) else None


def is_reasons(kind: Any) -> bool:
    """Whether a type is the Dict[str, str] of `absent`."""
    return getattr(kind, "__origin__", None) in (dict, Dict)


def fields(record: Type[Any]) -> List[Field]:
    """The fields of a record, in its order."""
    hints = get_type_hints(record)
    texts = descriptions(record)
    defaults: Dict[str, Any] = record._field_defaults
    return [_field(record, name, hints[name], defaults, texts[name]) for name in record._fields]


def _field(record: type, name: str, hint: Any, defaults: Dict[str, Any], text: str) -> Field:
    optional = getattr(hint, "__origin__", None) is Union
    kind = next(one for one in hint.__args__ if one is not type(None)) if optional else hint
    return Field(name, kind, optional, name not in defaults, defaults.get(name), ALLOWED.get((record, name), ()), text)


def summary(record: type) -> str:
    """The first line of a record's docstring."""
    return (record.__doc__ or "").strip().splitlines()[0]


def descriptions(record: type) -> Dict[str, str]:
    """The `field: text` lines of a record's docstring."""
    matches = map(_FIELD_LINE.match, (record.__doc__ or "").splitlines())
    return {match.group(1): match.group(2) for match in matches if match}
