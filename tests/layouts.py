"""Layouts for tests: made from the answers of a walk, and memory that comes without any debug information."""
from typing import Dict, Optional, Sequence

from vqcheck.target import vqcap
from vqcheck.target.errors import NotSupported
from vqcheck.target.layouts.layout import About, Layout, Slot
from vqcheck.target.target import Identity, Member, Target, Thread

BUILD_ID = "3b43fad5034874490492495d552c0af6a5fab235"
RELEASE = "6.1.0-test"
STEXT = 0x81000000
"""Where the text of these kernels was linked."""
SLIDE = 0x18800000
"""How far the kernels of these tests were moved from where they were linked."""


class MemoryOnly(Target):
    """Another target's memory, with nothing known of what is in it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.byte_order = target.byte_order
        self.pointer_size = target.pointer_size

    def symbol(self, name: str) -> Optional[int]:
        return None

    def symbol_name(self, address: int) -> Optional[str]:
        return None

    def type_size(self, type_name: str) -> Optional[int]:
        return None

    def member(self, type_name: str, path: str) -> Optional[Member]:
        return None

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        return self.target.read(address, size, physical)

    def threads(self) -> Sequence[Thread]:
        raise NotSupported("no threads")

    def identity(self) -> Identity:
        return self.target.identity()


def of_answers(bundle: vqcap.Bundle, slide: int = SLIDE) -> Layout:
    """What a walk was told of symbols and types, as a layout of a kernel that was moved by `slide` bytes."""
    layout = Layout(bundle.byte_order, bundle.pointer_size, About("linux", BUILD_ID, RELEASE, "x86_64"),
                    {}, {}, {}, [], {}, dict(bundle.sizes), {})
    layout.symbols["_stext"] = STEXT
    mask = (1 << 8 * bundle.pointer_size) - 1
    for name, address in bundle.symbols.items():
        layout.symbols[name] = None if address is None else (address - slide) & mask
    for address, name in bundle.names.items():
        if name is not None:
            layout.symbols.setdefault(name, (address - slide) & mask)
    ends: Dict[str, Optional[int]] = {}
    for (type_name, path), member in bundle.members.items():
        if member is not None:
            layout.members[(type_name, path)] = Slot(*member, None)
            ends[type_name] = max(ends.get(type_name) or 0, member.offset + member.size)
        ends.setdefault(type_name, None)
    for type_name, end in ends.items():  # the size of a type need not have been asked for
        layout.sizes.setdefault(type_name, end)
    return layout
