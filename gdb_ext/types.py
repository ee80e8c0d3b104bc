"""gdb's types and variables, each looked up once; they stay what they are whether a process is attached or not."""
from typing import Any, Dict, List, Optional, Tuple

import gdb

from vqcheck.target.target import Member

STRUCTS = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)


class Types:
    """The types of the program, and its variables."""

    def __init__(self) -> None:
        self._variables: Dict[str, List[Any]] = {}
        self._known: Dict[str, Optional[Any]] = {}
        self._members: Dict[Tuple[str, str], Optional[Member]] = {}

    def size(self, name: str) -> Optional[int]:
        """The size of a type in bytes; None where there is none of that name."""
        found = self._type(name)
        return None if found is None else int(found.sizeof)

    def member(self, name: str, path: str) -> Optional[Member]:
        """Where a member lies, through embedded structs; None where the type lacks it."""
        key = (name, path)
        if key not in self._members:
            self._members[key] = self._find(name, path)
        return self._members[key]

    def variables(self, name: str) -> List[Any]:
        """What debug information has under a name (gdb.Symbol); the program's own first, as a library may have a static
        of that name."""
        if name not in self._variables:
            found = [one for one in [*_statics(name), gdb.lookup_global_symbol(name)]
                     if one is not None and one.symtab is not None]
            program = gdb.current_progspace().filename
            self._variables[name] = sorted(found, key=lambda one: bool(one.symtab.objfile.filename != program))
        return self._variables[name]

    def _find(self, type_name: str, path: str) -> Optional[Member]:
        at, offset = self._type(type_name), 0
        for name in path.split("."):
            field = None if at is None else _field(at.strip_typedefs(), name)
            if field is None:
                return None
            offset, at = offset + field.offset, field.type
        assert at is not None
        return Member(offset, int(at.sizeof))

    def _type(self, name: str) -> Optional[Any]:
        if name not in self._known:
            try:
                self._known[name] = gdb.lookup_type(name)
            except gdb.error:
                self._known[name] = None
        return self._known[name]


def _statics(name: str) -> List[Any]:
    if hasattr(gdb, "lookup_static_symbols"):  # since gdb 10
        return list(gdb.lookup_static_symbols(name))
    return [gdb.lookup_static_symbol(name)]


class _Field:
    """A member of a struct: its offset in bytes and its type."""

    def __init__(self, offset: int, kind: Any) -> None:
        self.offset = offset
        self.type = kind


def _field(kind: Any, name: str) -> Optional[_Field]:
    """A member by name, also inside anonymous structs and unions; None for a bit field, which has no bytes."""
    if kind.code not in STRUCTS:
        return None
    for field in kind.fields():
        if field.name == name:
            return None if field.bitsize else _Field(field.bitpos // 8, field.type)
        if not field.name:
            inner = _field(field.type.strip_typedefs(), name)
            if inner is not None:
                return _Field(field.bitpos // 8 + inner.offset, inner.type)
    return None
