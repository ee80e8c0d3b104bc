"""A target whose memory comes from a debugger, and its symbols and types from a layout file.

Where the debugger has debug information of its own, that goes first: a kernel whose modules alone lack theirs, a QEMU
with nothing but its dynamic symbols.
"""
from typing import Callable, Dict, Mapping, NamedTuple, Optional

from ..errors import TargetError
from ..files import elf
from ..target import Identity, Member, Target
from ..through import Through
from .layout import LINUX, Layout, NotInLayout

MAX_NOTES = 1 << 16
"""Bytes of a kernel's ELF notes that are looked at."""

ANCHORS = ("_stext", "init_uts_ns")
"""Symbols whose addresses VMCOREINFO has (Linux kernel/vmcore_info.c, until 6.8 kernel/crash_core.c)."""

FindName = Callable[[Target, int], Optional[str]]
"""Names a function by its address, where the layout can't."""


class LayoutMismatch(TargetError):
    """The layout is of another build than the target."""


class LayoutTarget(Through):
    """Answers from a debugger and, where that has none, from a layout."""

    def __init__(self, layout: Layout, memory: Target, bias: int, warning: Optional[str] = None,
                 find_name: Optional[FindName] = None) -> None:
        """`bias` is how far the target was moved from where it was linked; `warning` goes into the snapshot."""
        super().__init__(memory)
        self.layout = layout
        self.bias = bias
        self._mask = (1 << 8 * memory.pointer_size) - 1
        self._warning = warning
        self._find_name = find_name
        self._names: Dict[int, str] = {
            self._moved(address): name for name, address in layout.symbols.items() if address is not None}

    def _moved(self, address: int) -> int:
        return (address + self.bias) & self._mask

    def symbol(self, name: str) -> Optional[int]:
        known = self.target.symbol(name)
        if known is None and name in self.layout.fixed:
            return self.layout.fixed[name]
        if known is None:
            if name not in self.layout.symbols:
                raise NotInLayout(f"the symbol {name}")
            address = self.layout.symbols[name]
            known = None if address is None else self._moved(address)
        return known

    def symbol_name(self, address: int) -> Optional[str]:
        known = self.target.symbol_name(address) or self._names.get(address)
        if known is None and self._find_name is not None:
            known = self._find_name(self, address)
        return known

    def type_size(self, type_name: str) -> Optional[int]:
        known = self.target.type_size(type_name)
        return self.layout.type_size(type_name) if known is None else known

    def member(self, type_name: str, path: str) -> Optional[Member]:
        known = self.target.member(type_name, path)
        if known is None and self.target.type_size(type_name) is None:
            known = self.layout.member(type_name, path)
        return known

    def why_no_type(self, type_name: str) -> Optional[str]:
        parts = ", ".join(sorted(self.layout.parts))
        return "the layout file was saved without it" + (f" (with {parts})" if parts else "")

    def identity(self) -> Identity:
        known = self.target.identity()
        # A layout that needs no warning has been seen to be of the same build.
        build_id = known.build_id or (self.layout.about.build_id if self._warning is None else None)
        return known._replace(debugger=f"{known.debugger} with a layout file", build_id=build_id,
                              warning=self._warning)


class Use(NamedTuple):
    """A layout, and how to use it."""

    layout: Layout
    force: bool = False
    """Whether it may be of another build."""
    find_name: Optional[FindName] = None


def on_kernel(use: Use, memory: Target, vmcoreinfo: Mapping[str, str], proof: bool = False) -> LayoutTarget:
    """The kernel in a memory, whose VMCOREINFO (key to value) is known, by a layout.

    With `proof` VMCOREINFO is not believed what build it is of: the kernel's own notes must say so.
    Raises LayoutMismatch for a layout of another build, unless forced: then the target carries a warning.
    """
    layout, force, find_name = use
    about = layout.about
    if about.kind != LINUX:
        raise LayoutMismatch(f"the layout file is of {about.kind}, and not of a Linux kernel")
    if (layout.byte_order, layout.pointer_size) != (memory.byte_order, memory.pointer_size):
        raise LayoutMismatch(f"the layout file is of another architecture ({about.machine or 'not named'})")
    bias = kernel_bias(layout, vmcoreinfo)
    problem = _other_build(layout, memory, {} if proof else vmcoreinfo, bias)
    if problem is not None and (proof or not force):
        # Found by a mere search, VMCOREINFO may be anyone's: force would make anything of it.
        raise LayoutMismatch(problem + ("" if proof else ". With --force it is used all the same, and the snapshot "
                                        "says so"))
    warning = f"{problem}: it was used by force, and nothing here is certain" if problem is not None else None
    return LayoutTarget(layout, memory, bias, warning, find_name)


def in_debugger(use: Use, target: Target) -> LayoutTarget:
    """A kernel in a debugger that knows its symbols, with a layout for the types that it lacks.

    Raises LayoutMismatch as on_kernel() does; what build it is, its notes in memory say.
    """
    places = {f"SYMBOL({name})": target.symbol(name) for name in ANCHORS}
    return on_kernel(use, target, {name: f"{address:x}" for name, address in places.items() if address is not None})


def kernel_bias(layout: Layout, vmcoreinfo: Mapping[str, str]) -> int:
    """How far KASLR moved a kernel, in bytes.  Raises LayoutMismatch where that can't be told."""
    for name in ANCHORS:
        linked, there = layout.symbols.get(name), vmcoreinfo.get(f"SYMBOL({name})")
        if linked is not None and there is not None:
            return _hex(there) - linked
    raise LayoutMismatch(f"VMCOREINFO and the layout file have neither of {', '.join(ANCHORS)} in common, by which to "
                         "tell where the kernel is")


def _hex(word: str) -> int:
    try:
        return int(word, 16)
    except ValueError:
        raise LayoutMismatch(f"VMCOREINFO has an address that is none: {word}")


def _other_build(layout: Layout, memory: Target, vmcoreinfo: Mapping[str, str], bias: int) -> Optional[str]:
    """Why a layout is not known to be of the kernel in memory; None where it is."""
    wanted = layout.about.build_id
    mine = f"the layout file is of {_kernel(layout.about.release, wanted)}"
    # Until Linux 5.9 VMCOREINFO had no BUILD-ID (0935288c6e00 "kdump: append kernel build-id string to VMCOREINFO").
    said = vmcoreinfo.get("BUILD-ID") or _build_id_in_memory(layout, memory, bias)
    theirs = f"the kernel is {_kernel(vmcoreinfo.get('OSRELEASE'), said)}"
    return None if wanted is not None and wanted == said else f"{mine}, and {theirs}"


def _kernel(release: Optional[str], build_id: Optional[str]) -> str:
    return f"{release or 'unknown release'} (build id {build_id or 'not known'})"


def _build_id_in_memory(layout: Layout, memory: Target, bias: int) -> Optional[str]:
    """The build id among the kernel's ELF notes, if they are where the layout has them.

    Source: Linux include/asm-generic/vmlinux.lds.h (NOTES).
    """
    start, end = (_place(name, layout, memory, bias) for name in ("__start_notes", "__stop_notes"))
    if start is None or end is None or end <= start:
        return None
    try:
        raw = memory.read(start, min(end - start, MAX_NOTES))
    except TargetError:
        return None
    return elf.build_id_in(raw, "<" if memory.byte_order == "little" else ">")


def _place(name: str, layout: Layout, memory: Target, bias: int) -> Optional[int]:
    """The address of a symbol, by the debugger itself where it knows it."""
    known, linked = memory.symbol(name), layout.symbols.get(name)
    return known if known is not None or linked is None else linked + bias
