"""The registers of the guest's CPUs, as far as QEMU has them.

Their types are not in `needs`, as they are large: whoever writes a dump has QEMU's debug information.

Source: QEMU target/i386/cpu.h (CPUX86State), target/arm/cpu.h (CPUARMState, pstate_read()), include/hw/core/cpu.h
(CPUState.vcpu_dirty, halted, stopped), accel/kvm/kvm-all.c (do_kvm_cpu_synchronize_state(), kvm_cpu_exec()).
"""
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from ..target.errors import NotSupported
from ..target.target import Member, Target
from ..target.view import View
from ..target.vmcore.notes import X86_REGISTERS, X86_SEGMENTS, X86_TABLES, ArmCpu, Cpu, Segment, X86Cpu
from .process import accelerator
from .system import machine
from .threads import vcpus

TCG = "tcg"

HF_LMA = 1 << 14
"""Of CPUX86State.hflags: the CPU is in long mode."""

_WORD = Member(0, 8)


class Registers(NamedTuple):
    """Those of all CPUs, by ascending numbers."""

    cpus: Sequence[Cpu]
    caveat: Optional[str]
    """What makes them less than exact."""


def registers(target: Target) -> Registers:
    """The registers of all CPUs: debuggers take the notes in a dump for CPU 0, 1 and so on, so some are of no use.

    Raises NotSupported, with the reason, where QEMU has not got them all, and other TargetErrors.
    """
    kind = machine(target)
    read = READERS.get(kind)
    if read is None:
        raise NotSupported(f"registers of {kind} guests are not read")
    every = sorted(vcpus(target), key=lambda cpu: cpu.uint("cpu_index"))
    if not every:
        raise NotSupported("the VM has no CPU")
    runs = accelerator(target)
    if runs != TCG:
        inside = [cpu.uint("cpu_index") for cpu in every if not cpu.flag("vcpu_dirty")]
        if inside:
            raise NotSupported(f"{runs} has the registers of {len(inside)} of {len(every)} CPUs, and QEMU has not")
    return Registers([read(target, cpu.address) for cpu in every], _translated(every) if runs == TCG else None)


def _translated(every: Sequence[View]) -> Optional[str]:
    """Translated code keeps the program counter to itself, and writes the other registers where each block ends."""
    running = [cpu for cpu in every if not cpu.flag("halted") and not cpu.flag("stopped")]
    if not running:
        return None
    return (f"{len(running)} of {len(every)} CPUs were running translated code: their program counters may be older "
            "than their other registers, and their stacks be shown wrongly")


def _x86(target: Target, address: int) -> X86Cpu:
    cpu = View(target, "X86CPU", address)
    if not cpu.uint("env.hflags") & HF_LMA:
        raise NotSupported("a CPU of the guest is not in 64-bit mode")
    values = target.decode_uints(cpu.raw("env.regs"), 8, _WORD)
    known: Dict[str, int] = dict(zip(X86_REGISTERS, values))
    known["rip"], known["eflags"] = cpu.uint("env.eip"), cpu.uint("env.eflags")
    segments = dict(zip(X86_SEGMENTS, _segments(target, cpu.address_of("env.segs"), len(X86_SEGMENTS))))
    for name in X86_TABLES:
        (segments[name],) = _segments(target, cpu.address_of("env." + name), 1)
    control = target.decode_uints(cpu.raw("env.cr"), 8, _WORD)
    return X86Cpu(known, segments, tuple(control), cpu.uint("env.kernelgsbase"))


def _segments(target: Target, first: int, count: int) -> List[Segment]:
    size = target.size_of("struct SegmentCache")
    found = (View(target, "struct SegmentCache", first + number * size) for number in range(count))
    return [Segment(one.uint("selector"), one.uint("base"), one.uint("limit"), one.uint("flags")) for one in found]


def _arm(target: Target, address: int) -> ArmCpu:
    cpu = View(target, "ARMCPU", address)
    if not cpu.flag("env.aarch64"):
        raise NotSupported("a CPU of the guest is not in 64-bit state")
    values = target.decode_uints(cpu.raw("env.xregs"), 8, _WORD)
    # PSTATE is kept in pieces: the condition flags each in the way that is cheapest to compute.
    pstate = (cpu.uint("env.NF") & 0x80000000 | (cpu.uint("env.ZF") == 0) << 30 | (cpu.uint("env.CF") & 1) << 29
              | (cpu.uint("env.VF") & 0x80000000) >> 3 | cpu.uint("env.pstate") | cpu.uint("env.daif")
              | cpu.uint("env.btype") << 10)
    return ArmCpu(tuple(values[:31]), values[31], cpu.uint("env.pc"), pstate)


READERS: Dict[str, Callable[[Target, int], Cpu]] = {"x86_64": _x86, "aarch64": _arm}
