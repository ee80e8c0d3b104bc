"""Notes byte by byte, against the structs of QEMU's sources as they are declared there."""
import struct

from vqcheck.target.files import elf
from vqcheck.target.vmcore.notes import X86_REGISTERS, ArmCpu, Segment, X86Cpu, cpu_notes, note, vmcoreinfo

INFO = b"OSRELEASE=6.1.0-made-up\n"


def x86(base):
    values = {name: base + number for number, name in enumerate((*X86_REGISTERS, "rip", "eflags"))}
    names = ("es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr", "gdt", "idt")
    segments = {name: Segment(base + number, base << 32 | number, 0xFFFF, 0xA09B) for number, name in enumerate(names)}
    return X86Cpu(values, segments, (base, 1, 2, 3, 4), base + 0x1000)


def test_a_note_is_padded_and_its_name_ends_in_a_nul():
    assert note(b"CORE", 1, b"abcde") == struct.pack("<III", 5, 5, 1) + b"CORE\0\0\0\0" + b"abcde\0\0\0"
    assert note(b"LINUX12", 7, b"", ">") == struct.pack(">III", 8, 0, 7) + b"LINUX12\0"


def test_vmcoreinfo_as_the_kernel_has_it():
    assert vmcoreinfo(INFO) == struct.pack("<III", 11, 24, 0) + b"VMCOREINFO\0\0" + INFO
    assert list(elf.notes_in(vmcoreinfo(INFO, ">"), ">")) == [(b"VMCOREINFO\0", 0, INFO)]


def test_those_of_x86_first_what_debuggers_know_then_qemus_own():
    found = list(elf.notes_in(b"".join(cpu_notes([x86(0x100), x86(0x200)]))))
    assert [(name, kind, len(content)) for name, kind, content in found] == [
        (b"CORE\0", 1, 336), (b"CORE\0", 1, 336), (b"QEMU\0", 0, 440), (b"QEMU\0", 0, 440)]
    status = found[1][2]
    assert struct.unpack_from("<I", status, 32) == (2,)  # pr_pid, from 1
    registers = dict(zip("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
                         "fs_base gs_base ds es fs gs".split(), struct.unpack_from("<27Q", status, 112)))
    assert status[:32] == bytes(32) and status[36:112] == bytes(76) and status[328:] == bytes(8)
    assert [registers[name] for name in ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r15", "rip",
                                         "eflags")] == [0x200, *range(0x201, 0x209), 0x20F, 0x210, 0x211]
    assert [registers[name] for name in ("es", "cs", "ss", "ds", "fs", "gs")] == list(range(0x200, 0x206))
    assert (registers["fs_base"], registers["gs_base"], registers["orig_rax"]) == (0x200_0000_0004, 0x200_0000_0005, 0)


def test_qemus_own_note():
    (*_, (_, _, content)) = elf.notes_in(b"".join(cpu_notes([x86(0x100)])))
    version, size, *registers = struct.unpack_from("<II18Q", content)
    assert (version, size) == (1, len(content))
    assert registers == [0x100, 0x103, 0x101, 0x102, 0x106, 0x107, 0x104, 0x105, *range(0x108, 0x112)]
    segments = [struct.unpack_from("<IIIIQ", content, 152 + 24 * number) for number in range(10)]
    order = (1, 3, 0, 4, 5, 2, 6, 7, 8, 9)  # cs ds es fs gs ss ldt tr gdt idt
    assert segments == [(0x100 + number, 0xFFFF, 0xA09B, 0, 0x100 << 32 | number) for number in order]
    assert struct.unpack_from("<6Q", content, 392) == (0x100, 1, 2, 3, 4, 0x1100)


def test_that_of_arm():
    ((name, kind, content),) = elf.notes_in(b"".join(cpu_notes([ArmCpu(tuple(range(31)), 0x5B, 0x9C, 0x600003C5)])))
    assert (name, kind, len(content)) == (b"CORE\0", 1, 392)
    assert struct.unpack_from("<I", content, 32) == (1,)
    assert struct.unpack_from("<34Q", content, 112) == (*range(31), 0x5B, 0x9C, 0x600003C5)
