"""Layouts made from debug information, by drgn.

Needs the drgn package (`pip install vqcheck[drgn]`); nothing but the verb `layout` imports this module.
"""
import os
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Pattern, Sequence, Tuple

import drgn

from . import elf
from .drgn_target import machine_name
from .layout import About, Layout, Slot, empty

MAX_DEPTH = 16
"""How deep unnamed structs may lie in each other; real ones do three or four levels."""

STRUCTS = {drgn.TypeKind.STRUCT: "struct", drgn.TypeKind.UNION: "union", drgn.TypeKind.CLASS: "class"}


class Needs(NamedTuple):
    """What walkers ask for."""

    types: Sequence[str]
    symbols: Sequence[str]
    names: Pattern[str]
    """Functions that pointers may lead to, to be known by their addresses."""
    base: Optional[str]
    """The first symbol of what the loader moves: one that lies lower stays where it is.  None: all are moved."""


class _Found(NamedTuple):
    """A member as drgn describes it."""

    path: str
    slot: Slot
    inner: "Optional[drgn.Type]"
    """The struct that slot.type_name names."""


def open_files(paths: Iterable[str]) -> "drgn.Program":
    """The debug information of files alone, at the addresses that they were linked at.

    Raises OSError, and drgn's errors for what is no ELF file.
    """
    program = drgn.Program()
    for path in paths:
        program.extra_module(os.path.basename(path), create=True).try_file(path, force=True)
    return program


def survey(program: "drgn.Program", needs: Needs, about: About) -> Layout:
    """The layout of what is needed, as far as the program's debug information knows it."""
    platform = program.platform
    if platform is None:
        raise ValueError("no file was given")
    little = bool(platform.flags & drgn.PlatformFlags.IS_LITTLE_ENDIAN)
    wide = bool(platform.flags & drgn.PlatformFlags.IS_64_BIT)
    layout = empty("little" if little else "big", 8 if wide else 4, about._replace(machine=machine_name(platform)))
    _add_symbols(program, needs, layout)
    _Types(program, layout).add(needs.types)
    return layout


def _add_symbols(program: "drgn.Program", needs: Needs, layout: Layout) -> None:
    base = _address(program, needs.base) if needs.base else None
    for name in needs.symbols:
        address = _address(program, name)
        if address is not None and base is not None and address < base:
            layout.fixed[name] = address
        else:
            layout.symbols[name] = address
    for symbol in program.symbols():
        if symbol.kind == drgn.SymbolKind.FUNC and needs.names.search(symbol.name):
            layout.symbols.setdefault(symbol.name, symbol.address)


def _address(program: "drgn.Program", name: str) -> Optional[int]:
    try:
        return int(program.symbol(name).address)
    except LookupError:
        return None


class _Types:
    """Types as they are added to a layout, each with all structs that lie in it."""

    def __init__(self, program: "drgn.Program", layout: Layout) -> None:
        self._program = program
        self._layout = layout
        self._known: Dict[str, List[_Found]] = {}

    def add(self, names: Iterable[str]) -> None:
        """Add types by their names; what the debug information lacks is noted as absent."""
        waiting: List[Tuple[str, drgn.Type]] = []
        for name in names:
            try:
                waiting.append((name, self._program.type(name)))
            except (LookupError, SyntaxError):
                self._layout.sizes[name] = None
        for name, kind in waiting:
            self._add(name, kind)

    def _add(self, name: str, kind: "drgn.Type") -> None:
        if name in self._known:
            return
        size = _size(kind)
        self._layout.sizes[name] = size
        found = self._known[name] = list(_members(_bare(kind))) if size is not None else []
        for one in found:
            self._add_member(name, one, 0)

    def _add_member(self, owner: str, one: _Found, depth: int) -> None:
        path, slot, inner = one
        if inner is None or slot.type_name is None:
            self._layout.members[(owner, path)] = slot
            return
        self._add(slot.type_name, inner)
        same = list(_members(_bare(inner)))
        if [entry[:2] for entry in same] == [entry[:2] for entry in self._known[slot.type_name]]:
            self._layout.members[(owner, path)] = slot
            return
        # Another type of that name, private to some other source file: its members become the owner's own.
        self._layout.members[(owner, path)] = slot._replace(type_name=None)
        for below in same if depth < MAX_DEPTH else []:
            moved = below.slot._replace(offset=slot.offset + below.slot.offset)
            self._add_member(owner, _Found(f"{path}.{below.path}", moved, below.inner), depth + 1)


def _members(kind: "drgn.Type", prefix: str = "", start: int = 0, depth: int = 0) -> Iterator[_Found]:
    """The members of a struct, those of unnamed structs in it as its own; without bit fields, which have no bytes."""
    if kind.kind not in STRUCTS or kind.members is None or depth > MAX_DEPTH:
        return
    for member in kind.members:
        if member.bit_field_size is not None:
            continue
        path, offset, below = prefix + (member.name or ""), start + member.offset, _bare(member.type)
        named = _name(member.type)
        if member.name:
            size = _size(member.type) or 0  # an array without a length has no size
            yield _Found(path, Slot(offset, size, named), below if named else None)
        if named is None or not member.name:
            yield from _members(below, path + "." if member.name else prefix, offset, depth + 1)


def _bare(kind: "drgn.Type") -> "drgn.Type":
    """The type that a typedef stands for."""
    while kind.kind == drgn.TypeKind.TYPEDEF:
        kind = kind.type
    return kind


def _name(kind: "drgn.Type") -> Optional[str]:
    """What a struct is called: by its tag, or by the typedef of one that has no tag; None for anything else."""
    typedef = None
    while kind.kind == drgn.TypeKind.TYPEDEF:
        typedef, kind = kind.name, kind.type
    if kind.kind not in STRUCTS:
        return None
    return f"{STRUCTS[kind.kind]} {kind.tag}" if kind.tag else typedef


def _size(kind: "drgn.Type") -> Optional[int]:
    try:
        return int(drgn.sizeof(kind))
    except TypeError:  # incomplete
        return None


