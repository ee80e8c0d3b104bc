"""`vqcheck vmcore`: the guest's memory out of a core of its QEMU, as a dump."""
import argparse
import os
import sys
from typing import List, Optional, Sequence, Tuple

from ..host.registers import registers
from ..render.escape import shortened
from ..render.words import plural
from ..target.errors import TargetError
from ..target.vmcore import notes, write
from ..target.vmcore.find_info import Info
from .progress import MEGABYTE, Progress, size_text
from .verb import OK, Failed, put
from .vm import Vm, add_source, find_vmcoreinfo, is_running, missing, open_vm

NAME = "vmcore"
SUMMARY = "Write the guest's memory out of a core of its QEMU, or a stopped QEMU, as a dump for crash and drgn."
EXAMPLES = """\
  vqcheck vmcore --core qemu.core -o guest.elf
  vqcheck vmcore --core qemu.core --exe /usr/bin/qemu-system-x86_64 -o guest.elf
  crash vmlinux guest.elf                             vqcheck crash, vqcheck guest and drgn read it as well
  kill -STOP PID; vqcheck vmcore --pid PID -o guest.elf; kill -CONT PID
"""

LONGEST = 1000
"""Characters of a note at most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    add_source(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the dump to write, an ELF file")
    parser.add_argument("--running", action="store_true",
                        help="with --pid: take a guest that runs meanwhile, so that the dump is of no one instant")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    _check_output(options.output, options.core)
    vm = open_vm(options)
    try:
        _write(vm, options)
    finally:
        vm.held.close()
    return OK


def _check_output(output: str, core: Optional[str]) -> None:
    if os.path.exists(output) and not os.path.isfile(output):
        raise Failed(f"{output}: a dump is written to a regular file only")
    if core is not None and os.path.exists(output) and os.path.samefile(output, core):
        raise Failed(f"{output}: that is the core itself")


def _write(vm: Vm, options: argparse.Namespace) -> None:
    if vm.runs and not options.running:
        raise Failed(f"{vm.where} runs, and what is copied meanwhile would be of no one instant: stop it (`kill -STOP "
                     f"{vm.pid}`, and `kill -CONT {vm.pid}` afterwards), or take it as it is with --running")
    info, remarks = find_vmcoreinfo(vm)
    if info is None:
        remarks = [f"{remarks[0]}; crash and drgn will not know where its kernel is"]
    cpus, caveat = _registers(vm)
    content = notes.cpu_notes(cpus, vm.order) + ([notes.vmcoreinfo(info.text, vm.order)] if info else [])
    progress = Progress()
    try:
        written = write.write(options.output, write.MACHINES[vm.machine], b"".join(content), vm.held.pieces, progress)
    finally:
        progress.clear()
    moved = vm.runs or is_running(vm.target, vm.pid)
    if moved:
        remarks.append("the guest ran while its memory was copied: the dump is of no one instant")
    for one in missing(vm) + remarks + caveat:
        sys.stderr.write(f"vqcheck {NAME}: {shortened(one, LONGEST)}\n")
    put(_summary(vm, options.output, written, info, len(cpus), progress.seconds, moved))


def _registers(vm: Vm) -> Tuple[Sequence[notes.Cpu], List[str]]:
    """The CPUs' registers, and what is to be known of them."""
    try:
        known = registers(vm.target)
    except TargetError as problem:
        return [], [f"without the registers of the guest's CPUs: {problem}"]
    return known.cpus, [f"registers: {known.caveat}"] if known.caveat else []


def _summary(vm: Vm, output: str, written: write.Written, info: Optional[Info], cpus: int, seconds: float,
             moved: bool) -> str:
    memory = sum(piece.size for piece in vm.held.pieces)
    kernel = f"Linux {info.release}" if info else "no VMCOREINFO"
    shared = ", blocks shared with the core" if written.shared else ""
    parts = [
        f"{output}: {size_text(memory)} of guest memory in {plural(len(vm.held.pieces), 'range')} "
        f"({size_text(written.on_disk)} on disk{shared})",
        kernel,
        f"registers of {plural(cpus, 'CPU')}" if cpus else "no registers",
        f"{seconds:.1f} s, {memory / max(seconds, 1e-3) / MEGABYTE:.0f} MB/s",
    ]
    return ", ".join(parts + ["NOT OF ONE INSTANT"] * moved) + "\n"
