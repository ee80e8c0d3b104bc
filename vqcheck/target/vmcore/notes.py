"""The notes of a dump: the CPUs' registers as QEMU's own dumps have them, and VMCOREINFO.

Source: QEMU target/i386/arch_dump.c (x86_64_elf_prstatus, struct QEMUCPUState), target/arm/arch_dump.c
(struct aarch64_elf_prstatus); System V ABI, chapter 5 ("Note Section").
"""
import struct
from typing import Dict, List, NamedTuple, Sequence, Tuple, Union

NT_PRSTATUS = 1
VMCOREINFO = b"VMCOREINFO"

X86_REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
"""In the processor's own numbering, which is CPUX86State.regs'."""
X86_SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
"""In the order of CPUX86State.segs (R_ES ...)."""
X86_TABLES = ("ldt", "tr", "gdt", "idt")

PRSTATUS_REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base "
                      "gs_base ds es fs gs").split()
QEMU_REGISTERS = "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags".split()
QEMU_SEGMENTS = ("cs", "ds", "es", "fs", "gs", "ss", *X86_TABLES)
QEMU_VERSION = 1
"""QEMUCPUSTATE_VERSION."""


class Segment(NamedTuple):
    """A segment register with its hidden part, or a descriptor table's."""

    selector: int
    base: int
    limit: int
    flags: int


class X86Cpu(NamedTuple):
    """Registers of an x86-64 CPU."""

    registers: Dict[str, int]
    """X86_REGISTERS, `rip` and `eflags`."""
    segments: Dict[str, Segment]
    """X86_SEGMENTS and X86_TABLES."""
    control: Tuple[int, ...]
    """cr0 to cr4."""
    kernel_gs_base: int


class ArmCpu(NamedTuple):
    """Registers of an aarch64 CPU."""

    x: Tuple[int, ...]
    """x0 to x30."""
    sp: int
    pc: int
    pstate: int


Cpu = Union[X86Cpu, ArmCpu]


def note(name: bytes, kind: int, content: bytes, order: str = "<") -> bytes:
    """An ELF note; `name` goes without its NUL."""
    terminated = name + b"\0"
    return struct.pack(order + "III", len(terminated), len(content), kind) + _padded(terminated) + _padded(content)


def vmcoreinfo(text: bytes, order: str = "<") -> bytes:
    """The note in which Linux says where its symbols are."""
    return note(VMCOREINFO, 0, text, order)


def cpu_notes(cpus: Sequence[Cpu], order: str = "<") -> List[bytes]:
    """The notes of all CPUs, in QEMU's order: first what debuggers of processes understand, then its own."""
    pairs = [_x86_notes(number, cpu) if isinstance(cpu, X86Cpu) else _arm_notes(number, cpu, order)
             for number, cpu in enumerate(cpus, 1)]
    return [one for kind in zip(*pairs) for one in kind]


def _x86_notes(number: int, cpu: X86Cpu) -> Tuple[bytes, ...]:
    values = {**cpu.registers, "orig_rax": 0, "fs_base": cpu.segments["fs"].base, "gs_base": cpu.segments["gs"].base}
    values.update((name, one.selector) for name, one in cpu.segments.items())
    status = struct.pack("<32xI76x27Q8x", number, *(values[name] for name in PRSTATUS_REGISTERS))
    registers = struct.pack("<18Q", *(cpu.registers[name] for name in QEMU_REGISTERS))
    segments = b"".join(struct.pack("<IIIIQ", one.selector, one.limit, one.flags, 0, one.base)
                        for one in (cpu.segments[name] for name in QEMU_SEGMENTS))
    rest = struct.pack("<6Q", *cpu.control, cpu.kernel_gs_base)
    body = registers + segments + rest
    return (note(b"CORE", NT_PRSTATUS, status),
            note(b"QEMU", 0, struct.pack("<II", QEMU_VERSION, 8 + len(body)) + body))


def _arm_notes(number: int, cpu: ArmCpu, order: str) -> Tuple[bytes, ...]:
    status = struct.pack(order + "32xI76x34QI4x", number, *cpu.x, cpu.sp, cpu.pc, cpu.pstate, 0)
    return (note(b"CORE", NT_PRSTATUS, status, order),)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)
