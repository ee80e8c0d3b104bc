"""A guest's memory inside its QEMU, for the verbs that need it: opened, mapped, and checked for what is missing."""
import argparse
import os
from typing import TYPE_CHECKING, Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..host import backing, memory, process, system, vmcoreinfo
from ..host.memory import Block, GuestMemory
from ..target.errors import TargetError
from ..target.files import proc
from ..target.vmcore import find_info, sources, write
from ..target.vmcore.find_info import Info
from ..target.vmcore.sources import Area
from .drgn import needs_drgn
from .verb import Failed

if TYPE_CHECKING:
    from ..target.by_drgn.process import ProcessTarget

RUNNING = "running"
LISTED = 8
"""Ranges of memory that a message names one by one."""


class Vm(NamedTuple):
    """A VM in a core of QEMU, or in a QEMU that is there."""

    target: "ProcessTarget"
    where: str
    """The core's path, or the process in words."""
    core: Optional[str]
    pid: Optional[int]
    machine: str
    """The guest's architecture, as uname -m has it."""
    memory: GuestMemory
    held: sources.Memory
    runs: bool
    """Whether the guest's memory may change while it is read."""

    @property
    def order(self) -> str:
        """The guest's byte order, as the module struct spells it."""
        return write.MACHINES[self.machine].order


def add_source(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name a VM."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--core", metavar="FILE", help="a core of QEMU that holds the guest's memory, by the kernel "
                                                       "or gcore")
    source.add_argument("--pid", metavar="PID", type=int, help="a live QEMU")
    parser.add_argument("--exe", metavar="FILE", help="QEMU's binary or the file with its debug information; found by "
                                                      "the name that it runs under and by build id if not given")


def open_vm(options: argparse.Namespace) -> Vm:
    """The VM that the options name.  Raises Failed, TargetError and OSError."""
    with needs_drgn():
        from ..target.by_drgn.process import open_core, open_pid  # noqa: PLC0415 - drgn need not be there
    target = open_core(options.core, options.exe) if options.core else open_pid(options.pid, options.exe)
    where = options.core or f"process {options.pid}"
    if target.symbol("address_space_memory") is None:
        name = os.path.basename(target.program.main_module().name)
        raise Failed(f"{where}: {name} is no QEMU that runs a VM, as it has no variable address_space_memory")
    machine = system.machine(target)
    if machine not in write.MACHINES:
        raise Failed(f"{where}: a guest of {machine}; memory is read of {', '.join(write.MACHINES)}")
    _refuse_postcopy(target, where)
    mapped = memory.guest_memory(target)
    areas = [Area(one.physical, one.size, one.host) for one in mapped.ranges]
    if target.core is not None:
        held = sources.in_core(options.core, target.core, areas)
    else:
        held = sources.in_process(options.pid, areas)
    vm = Vm(target, where, options.core, options.pid, machine, mapped, held, is_running(target, options.pid))
    _refuse_without_memory(vm)
    return vm


def _refuse_postcopy(target: "ProcessTarget", where: str) -> None:
    """Memory that is still to come from the other host reads as zeros."""
    try:
        state = process.incoming(target)
    except TargetError:
        return
    if state.startswith("postcopy"):
        raise Failed(f"{where}: the VM is on its way here ({state}): not all of its memory has arrived")


def is_running(target: "ProcessTarget", pid: Optional[int]) -> bool:
    """Whether the guest's memory may change: neither is QEMU stopped, by a signal or gdb, nor its VM paused."""
    if pid is None or proc.stopped(pid):
        return False
    try:
        return process.run_state(target) == RUNNING
    except TargetError:
        return True


# What is missing.

def _refuse_without_memory(vm: Vm) -> None:
    """A core that lacks guest RAM altogether is of no use, whatever ROMs it holds."""
    blocks = {one.block for one in vm.memory.ranges if backing.is_main(vm.target, one.block)}
    held = {block for piece in vm.held.pieces for block in blocks if _block_of(vm, piece.physical) == block}
    if blocks and not held:
        block = max(blocks, key=lambda one: _missing_bytes(vm, one))
        hint = "" if vm.pid else "; of a VM that still runs, --pid PID needs no core"
        raise Failed(f"{vm.where}: the guest's memory is not in it: {_why(vm, block)}{hint}")


def missing(vm: Vm) -> List[str]:
    """Notes on memory of the guest that could not be had, with the reason."""
    by_block: Dict[Block, List[Area]] = {}
    for area in vm.held.missing:
        block = _block_of(vm, area.physical)
        if block is not None:
            by_block.setdefault(block, []).append(area)
    return [f"left out, as it is not in {vm.where}: guest memory at {_ranges(areas)} ({block.name}): {_why(vm, block)}"
            for block, areas in by_block.items()]


def _why(vm: Vm, block: Block) -> str:
    core = vm.target.core
    if core is None:
        return "QEMU does not have it mapped"
    return core.cut or backing.why_left_out(vm.target, block)


def _block_of(vm: Vm, physical: int) -> Optional[Block]:
    found = vm.memory.range_of(physical)
    return found.block if found else None


def _missing_bytes(vm: Vm, block: Block) -> int:
    return sum(area.size for area in vm.held.missing if _block_of(vm, area.physical) == block)


def _ranges(areas: List[Area]) -> str:
    named = [f"{one.physical:#x}-{one.physical + one.size - 1:#x}" for one in areas[:LISTED]]
    rest = areas[LISTED:]
    more = f" and {len(rest)} more pieces of {sum(one.size for one in rest)} bytes" if rest else ""
    return ", ".join(named) + more


# VMCOREINFO.

def find_vmcoreinfo(vm: Vm) -> Tuple[Optional[Info], List[str]]:
    """The VMCOREINFO of the guest's kernel, and notes on it: that which the guest told QEMU, else one in its memory."""
    told: Optional[Info] = None
    try:
        place = vmcoreinfo.told(vm.target)
        told = find_info.told_by_device(place, vm.memory.read, vm.machine, vm.order)
    except TargetError:
        pass  # as in most VMs
    if told is not None and told.proven is not False:
        return told, []
    found = find_info.search(_populated(vm.held), vm.memory.read, vm.machine, vm.order)
    if found is not None and found.proven:
        return found, []
    info = told or found
    if info is None:
        return None, [why_no_vmcoreinfo(vm)]
    if info.proven is None:
        return info, ["VMCOREINFO was found in the guest's memory, and may be of an earlier boot: for this kernel that "
                      "can't be told"]
    return info._replace(found=True), [  # whoever told it: what is in memory must prove that it is the kernel's
        "the VMCOREINFO that was found in the guest's memory does not lead to its kernel: it may be of an earlier boot"]


def why_no_vmcoreinfo(vm: Vm) -> str:
    """What may be the reason that there is none."""
    if backing.confidential(vm.target):
        return "there is no VMCOREINFO in the guest's memory: it is a confidential guest, whose memory is encrypted"
    return ("there is no VMCOREINFO in the guest's memory: it is not Linux, or has not come that far, or its kernel "
            "was built without CONFIG_VMCORE_INFO (CONFIG_CRASH_CORE until 6.8)")


def _populated(held: sources.Memory) -> Iterator[Tuple[int, int]]:
    """(guest-physical address, size) of what is not a hole."""
    for piece in held.pieces:
        for offset, size in piece.source.data(piece.offset, piece.size):
            yield piece.physical + offset - piece.offset, size
