"""Types put into a layout, whatever describes them: DWARF or BTF."""
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Pattern, Sequence, Tuple

from .layout import Layout, Slot

MAX_DEPTH = 16
"""How deep unnamed structs may lie in each other; real ones do three or four levels."""


class Needs(NamedTuple):
    """What walkers ask for."""

    types: Sequence[str]
    symbols: Sequence[str]
    names: Pattern[str]
    """Functions that pointers may lead to, to be known by their addresses."""
    base: Optional[str] = None
    """The first symbol of what the loader moves: one that lies lower stays where it is.  None: all are moved."""
    stacks: Optional[Pattern[str]] = None
    """Functions that stacks may hold, to be known by any address in them."""
    tls: Sequence[str] = ()
    """Thread-local variables."""


class Described:
    """A type as debug information has it; a typedef is what it stands for."""

    def size(self) -> Optional[int]:
        """Its bytes; None for an incomplete type, or an array without a length."""
        raise NotImplementedError

    def name(self) -> Optional[str]:
        """`struct x`, or the typedef of a struct without a tag; None for an unnamed struct and for all else."""
        raise NotImplementedError

    def fields(self) -> "Iterable[Field]":
        """The members of a struct or union; nothing for all else."""
        raise NotImplementedError


class Field(NamedTuple):
    """A member."""

    name: str
    """Empty for an unnamed struct, whose members are its owner's too."""
    offset: int
    """Bytes."""
    bits: bool
    """Whether it is a bit field, which has no bytes of its own."""
    type: Described


Symbol = Tuple[str, int]
"""(name, address)"""


def add_symbols(layout: Layout, needs: Needs, address_of: Callable[[str], Optional[int]],
                functions: Iterable[Symbol]) -> None:
    """Put the needed symbols into a layout, and those of the functions whose names may be asked for."""
    base = address_of(needs.base) if needs.base else None
    for name in needs.symbols:
        address = address_of(name)
        if address is not None and base is not None and address < base:
            layout.fixed[name] = address
        else:
            layout.symbols[name] = address
    for name, address in functions:
        if needs.names.search(name):
            layout.symbols.setdefault(name, address)


def add_types(layout: Layout, names: Iterable[str], lookup: Callable[[str], Optional[Described]]) -> None:
    """Put types into a layout, each with all structs that lie in it; what is not described is noted as absent."""
    waiting: List[Tuple[str, Described]] = []
    for name in names:
        found = lookup(name)
        if found is None:
            layout.sizes[name] = None
        else:
            waiting.append((name, found))
    types = _Types(layout)
    for name, found in waiting:  # these first: another type of the same name may lie in one of them
        types.chosen[name] = found
    for name, found in waiting:
        types.add(name, found)


class _Found(NamedTuple):
    path: str
    slot: Slot
    inner: Described


class _Types:
    """Types as they are added to a layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.chosen: Dict[str, Described] = {}
        """Which of the types of one name is meant by it: its size and its members must be of the same."""
        self.known: Dict[str, List[_Found]] = {}

    def add(self, name: str, kind: Described) -> None:
        if name in self._layout.sizes:
            return
        kind = self.chosen.setdefault(name, kind)
        size = self._layout.sizes[name] = kind.size()
        found = self.known[name] = list(_members(kind))
        for one in found if size is not None else []:
            self._add_member(name, one, 0)

    def _add_member(self, owner: str, one: _Found, depth: int) -> None:
        path, slot, inner = one
        self._layout.members[(owner, path)] = slot
        if slot.type_name is None:
            return
        self.add(slot.type_name, inner)
        same = list(_members(inner))
        if [entry[:2] for entry in same] == [entry[:2] for entry in self.known[slot.type_name]]:
            return
        # Another type of that name, private to some other source file: its members become the owner's own.
        self._layout.members[(owner, path)] = slot._replace(type_name=None)
        for below in same if depth < MAX_DEPTH else []:
            moved = below.slot._replace(offset=slot.offset + below.slot.offset)
            self._add_member(owner, _Found(f"{path}.{below.path}", moved, below.inner), depth + 1)


def _members(kind: Described, prefix: str = "", start: int = 0, depth: int = 0) -> Iterator[_Found]:
    """The members of a struct, those of unnamed structs in it as its own; without bit fields."""
    for field in kind.fields() if depth <= MAX_DEPTH else []:
        if field.bits:
            continue
        path, offset, named = prefix + field.name, start + field.offset, field.type.name()
        if field.name:
            yield _Found(path, Slot(offset, field.type.size() or 0, named), field.type)
        if named is None or not field.name:
            yield from _members(field.type, path + "." if field.name else prefix, offset, depth + 1)
