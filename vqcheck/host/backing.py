"""What the guest's memory is in, by QEMU's own account, and why a core of QEMU may lack it.

Source: QEMU backends/hostmem.c (host_memory_backend_memory_complete()), system/physmem.c (qemu_ram_setup_dump()), until
8.2 softmmu/physmem.c; core(5) on coredump_filter; Linux fs/coredump.c (vma_dump_size()).
"""
from typing import Callable, Optional

from ..target.errors import TargetError
from ..target.target import Target
from ..target.view import View
from .memory import Block
from .qobject import static_pointer, type_names

BACKEND = "memory-backend"
"""QOM's abstract type of memory backends; RAM without one of the user's has one that QEMU made."""

ORDINARY_PAGE = 1 << 16
"""Larger pages than an architecture's largest ordinary ones are huge pages."""

GDB_TAKES_IT = "gcore takes it all the same after `set dump-excluded-mappings on` in gdb"
FILTER_TAKES_IT = "a core takes it when `echo 0x7f > /proc/PID/coredump_filter` was done before"


def is_main(target: Target, block: Block) -> bool:
    """Whether it is memory of the guest's, and not a ROM's or a device's, like a display's.

    Where QEMU's objects do not tell, all that can be written to is.
    """
    try:
        return _backend(target, block) is not None
    except TargetError:
        return not block.read_only


def why_left_out(target: Target, block: Block) -> str:
    """Why a core has not got it, and what would bring it."""
    if not _flag(lambda: View(target, "struct MachineState", static_pointer(target, "current_machine")),
                 "dump_guest_core"):
        return ("the VM has -machine dump-guest-core=off (libvirt: dumpCore='off' of <memory>, or dump_guest_core = 0 "
                f"in qemu.conf); {GDB_TAKES_IT}")
    if not _flag(lambda: _backend(target, block), "dump"):
        return f"its memory backend has dump=off; {GDB_TAKES_IT}"
    if block.page_size > ORDINARY_PAGE:
        size = block.page_size >> 10
        return f"it is in huge pages of {size} KiB, which cores leave out by default; {FILTER_TAKES_IT}"
    if block.fd is not None:
        share = "on" if block.shared else "off"
        return f"it is a file that QEMU maps with share={share}, which cores leave out by default; {FILTER_TAKES_IT}"
    return f"whoever wrote the core left it out; {FILTER_TAKES_IT}"


def confidential(target: Target) -> bool:
    """Whether the guest's memory is kept from QEMU (SEV, TDX and their kind); False where that can't be told."""
    try:
        machine = View(target, "struct MachineState", static_pointer(target, "current_machine"))
        return machine.has("cgs") and machine.pointer("cgs") != 0  # since QEMU 6.0
    except TargetError:
        return False


def _backend(target: Target, block: Block) -> Optional[View]:
    """The memory backend (struct HostMemoryBackend) that a piece of memory belongs to; None where it is a device's."""
    owner = View(target, "struct MemoryRegion", block.region).pointer("owner")
    if owner == 0 or BACKEND not in type_names(target, owner):
        return None
    return View(target, "struct HostMemoryBackend", owner)


def _flag(place: Callable[[], Optional[View]], name: str) -> bool:
    """A switch that is on by default; on where it can't be read."""
    try:
        view = place()
        return view is None or view.flag(name)
    except TargetError:
        return True
