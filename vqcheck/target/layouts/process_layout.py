"""A QEMU without debug information, by a layout file that was saved where there is some.

Its binary is linked to be loaded anywhere; how far it was moved shows where execution began.
"""
import bisect
import re
from typing import Mapping, Optional, Sequence, Tuple

from ..errors import NotSupported
from ..target import Target, Thread
from .layout import QEMU, Layout, NotInLayout
from .layout_target import LayoutMismatch, LayoutTarget, Use

AT_ENTRY = 9
"""Where execution began, in the auxiliary vector."""

ENTRY = "_start"
"""The symbol there."""

NAMELESS = re.compile(r"0x[0-9a-f]+\Z")
"""A function of the program itself that the debugger has no name for; one of a library has that behind it."""


class ProcessLayoutTarget(LayoutTarget):
    """Answers from a debugger and, where that has none, from a layout; names what stacks hold as far as that goes."""

    def __init__(self, layout: Layout, memory: Target, bias: int, warning: Optional[str] = None) -> None:
        super().__init__(layout, memory, bias, warning)
        self._starts = [one.address for one in layout.functions]

    def threads(self) -> Sequence[Thread]:
        return [one._replace(functions=one.functions and self._named(one.functions)) for one in self.target.threads()]

    def unwind(self, registers: Mapping[str, int]) -> Sequence[str]:
        return self._named(tuple(self.target.unwind(registers)))

    def _named(self, functions: Tuple[str, ...]) -> Tuple[str, ...]:
        return tuple(self._name(name, depth) or name for depth, name in enumerate(functions))

    def _name(self, name: str, depth: int) -> Optional[str]:
        if not NAMELESS.match(name):
            return None
        # Where a function was called from is behind the call, which may be the last instruction of the caller.
        address = (int(name, 16) - self.bias - (1 if depth else 0)) & self._mask
        at = bisect.bisect_right(self._starts, address) - 1
        found = self.layout.functions[at] if at >= 0 else None
        return found.name if found is not None and address < found.address + found.size else None

    def tls_offset(self, name: str) -> Optional[int]:
        try:
            known = self.target.tls_offset(name)
        except NotSupported:
            known = None
        if known is None and name not in self.layout.tls:
            raise NotInLayout(f"the thread-local variable {name}")
        return self.layout.tls[name] if known is None else known


def on_process(use: Use, memory: Target) -> ProcessLayoutTarget:
    """A QEMU process or its core by a layout.

    Raises LayoutMismatch for a layout of another build, unless forced: then the target carries a warning.
    """
    layout, about = use.layout, use.layout.about
    if about.kind != QEMU:
        raise LayoutMismatch(f"the layout file is of {about.kind}, and not of QEMU")
    if (layout.byte_order, layout.pointer_size) != (memory.byte_order, memory.pointer_size):
        raise LayoutMismatch(f"the layout file is of another architecture ({about.machine or 'not named'})")
    theirs = memory.identity().build_id
    problem = None
    if theirs is None or theirs != about.build_id:
        problem = (f"the layout file is of a QEMU of the build id {about.build_id or 'not known'}, and what is read is "
                   f"of {theirs or 'an unknown one'}")
        if not use.force:
            raise LayoutMismatch(f"{problem}. With --force it is used all the same, and the snapshot says so")
        problem += ": it was used by force, and nothing here is certain"
    return ProcessLayoutTarget(layout, memory, process_bias(layout, memory), problem)


def process_bias(layout: Layout, memory: Target) -> int:
    """How far the program was moved, in bytes.  Raises LayoutMismatch where that can't be told."""
    linked, there = layout.symbols.get(ENTRY), memory.auxv().get(AT_ENTRY)
    if linked is None or there is None:
        raise LayoutMismatch("where the program was loaded can't be told: "
                             + ("the layout file lacks its entry" if linked is None else "no AT_ENTRY is known"))
    return there - linked
