"""Layouts made from debug information, by drgn.

Needs the drgn package (`pip install vqcheck[drgn]`); nothing but the verb `layout` imports this module.
"""
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Pattern, Sequence, Tuple

import drgn

from . import elf, kernel_files
from .drgn_debug_info import try_file
from .drgn_target import machine_name
from .errors import TargetError
from .layout import LINUX, About, Layout, Slot, empty

MAX_DEPTH = 16
"""How deep unnamed structs may lie in each other; real ones do three or four levels."""

STRUCTS = {drgn.TypeKind.STRUCT: "struct", drgn.TypeKind.UNION: "union", drgn.TypeKind.CLASS: "class"}


BANNER = b"Linux version "
MAX_RELEASE = 65
"""Bytes of struct new_utsname.release."""


class CannotUse(TargetError):
    """There is no debug information to be had from a file."""


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


class KernelFiles:
    """A kernel's debug information, out of files alone: everything lies where it was linked to."""

    def __init__(self, vmlinux: str) -> None:
        """Raises OSError; CannotUse for a file without debug information or build id."""
        self.program = drgn.Program()
        self.notes: List[str] = []
        """What the user is to know, a line each."""
        self.parts: Dict[str, Optional[str]] = {}
        """The modules that are there too, by their build ids."""
        try:
            described = _offer(self.program, "vmlinux", vmlinux)
        except OSError:
            raise
        except Exception as problem:  # drgn's own errors have no class of their own
            raise CannotUse(f"{vmlinux}: {' '.join(str(problem).split())}")
        self.build_id = elf.build_id(vmlinux)
        if not described or self.build_id is None:
            raise CannotUse(f"{vmlinux}: it has no {'build id' if described else 'debug information'}; a kernel with "
                            f"it comes with {kernel_files.package(None)}")
        self.release = _release(self.program, vmlinux)

    def add_module(self, name: str, paths: Iterable[str]) -> None:
        """Add a module's debug information from the first of some files that has it."""
        for path in paths:
            built_for = elf.module_release(path)
            if built_for is not None and self.release is not None and built_for != self.release:
                self.notes.append(f"{path} is for {built_for}: not taken")
                continue
            try:
                if _offer(self.program, name, path):
                    build_id = self.program.extra_module(name).build_id
                    self.parts[name] = build_id.hex() if build_id else None
                    return
            except Exception as problem:  # a damaged file must not be in the way of the next
                self.notes.append(f"{path}: not taken: {' '.join(str(problem).split())}")

    def survey(self, needs: Needs, producer: str) -> Layout:
        """The layout of what is needed, as far as this debug information knows it."""
        platform = self.program.platform
        little = bool(platform.flags & drgn.PlatformFlags.IS_LITTLE_ENDIAN)
        wide = bool(platform.flags & drgn.PlatformFlags.IS_64_BIT)
        about = About(LINUX, self.build_id, self.release, machine_name(platform), producer)
        layout = empty("little" if little else "big", 8 if wide else 4, about)
        layout.parts.update(self.parts)
        _add_symbols(self.program, needs, layout)
        _Types(self.program, layout).add(needs.types)
        return layout


def _offer(program: "drgn.Program", name: str, path: str) -> bool:
    """Give drgn a file; whether it has debug information."""
    module = program.extra_module(name, create=True)
    try_file(module, path, force=True)
    return not module.wants_debug_file()


def _release(program: "drgn.Program", vmlinux: str) -> Optional[str]:
    """What uname -r says on that kernel: `Linux version RELEASE (…` (Linux init/version-timestamp.c)."""
    address = _address(program, "linux_banner")
    banner = None if address is None else elf.linked_bytes(vmlinux, address, len(BANNER) + MAX_RELEASE)
    if banner is None or not banner.startswith(BANNER):
        return None
    return banner[len(BANNER):].split(b" ", 1)[0].decode("ascii", "backslashreplace")


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
