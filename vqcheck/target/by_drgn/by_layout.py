"""Opening a Linux kernel with drgn and a layout file, with no debug information at all.

Needs the drgn package (`pip install vqcheck[drgn]`).
"""
from typing import List, NamedTuple

import drgn

from ..files.vmcore_file import ELF
from ..layouts.layout_target import LayoutTarget, Use, on_kernel
from .kernel import MACHINES, Memory, identify, read_dump, read_live
from .target import DrgnTarget


class Opened(NamedTuple):
    """A kernel, and what the user is to know of it, a line each."""

    target: LayoutTarget
    notes: List[str]


def open_dump(vmcore: str, use: Use) -> Opened:
    """A kernel in a dump.  Raises CannotOpen, LayoutMismatch and OSError."""
    dump = identify(vmcore)
    # libkdumpfile does not find the architecture in QEMU's kdumps.
    machine = None if dump.kind == ELF else MACHINES.get(dump.machine or use.layout.about.machine or "")
    platform = None if machine is None else drgn.Platform(machine)
    return read_dump(vmcore, dump, platform, lambda memory: with_layout(memory, use))


def open_live(use: Use) -> Opened:
    """The kernel that this process runs on.  Raises CannotOpen, LayoutMismatch and OSError."""
    return read_live(lambda memory: with_layout(memory, use))


def with_layout(memory: Memory, use: Use) -> Opened:
    """The kernel in that memory.  Raises LayoutMismatch."""
    memory.program.set_enabled_debug_info_finders([])
    target = DrgnTarget(memory.program, memory.source, memory.vmcoreinfo.get("BUILD-ID"), memory.caught)
    return Opened(on_kernel(use, target, memory.vmcoreinfo, memory.found), memory.notes())
