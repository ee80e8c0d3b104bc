"""The registers of a guest's CPUs, and where the guest said that VMCOREINFO is, on made-up QEMUs."""
import struct

import pytest

from tests.fake_target import FakeTarget
from vqcheck.host.registers import registers
from vqcheck.host.vmcoreinfo import Place, told
from vqcheck.target.errors import Corrupt, NotSupported, Unreadable
from vqcheck.target.vmcore.notes import ArmCpu, Segment, X86Cpu

HEAD, MACHINE, ACCELERATOR = 0x1000, 0x2000, 0x3000
CPUS = 0x10000
LONG_MODE = 1 << 14
BASE = 0x40


class Vm(FakeTarget):
    """A QEMU with CPUs of one kind."""

    def __init__(self, kind, accelerator):
        super().__init__()
        self.kind = kind
        self.cpus = []
        self.names = 0
        self.declare("struct Object", [("class", 8)])
        self.declare("struct ObjectClass", [("type", 8)])
        self.declare("struct TypeImpl", [("name", 8), ("parent_type", 8)])
        self.declare("struct MachineState", [("class", 8), ("accelerator", 8)])
        state = [("class", 8), ("cpu_index", 4), ("vcpu_dirty", 1), ("stopped", 1), ("pad", 2), ("halted", 4),
                 ("pad1", 4), ("node.tqe_next", 8)]
        self.declare("struct CPUState", state)
        self.declare("struct SegmentCache", [("selector", 4), ("pad", 4), ("base", 8), ("limit", 4), ("flags", 4)])
        self.declare("X86CPU", [*state, ("env.regs", 128), ("env.eip", 8), ("env.eflags", 8), ("env.hflags", 4),
                                ("pad2", 4), ("env.segs", 144), ("env.ldt", 24), ("env.tr", 24), ("env.gdt", 24),
                                ("env.idt", 24), ("env.cr", 40), ("env.kernelgsbase", 8)])
        self.declare("ARMCPU", [*state, ("env.xregs", 256), ("env.pc", 8), ("env.pstate", 4), ("env.aarch64", 1),
                                ("pad2", 3), ("env.CF", 4), ("env.VF", 4), ("env.NF", 4), ("env.ZF", 4),
                                ("env.btype", 4), ("pad3", 4), ("env.daif", 8)])
        self.put(HEAD, bytes(8))
        self.symbols["cpus_queue"] = HEAD
        self.put(HEAD + 0x100, self.encode(MACHINE, 8))
        self.symbols["current_machine"] = HEAD + 0x100
        self.put_struct("struct MachineState", MACHINE, {"accelerator": ACCELERATOR})
        self.put_struct("struct Object", ACCELERATOR, {"class": self.a_class(accelerator + b"-accel")})

    def a_class(self, name):
        at = 0x100000 + 0x1000 * self.names
        self.names += 1
        self.put_struct("struct ObjectClass", at, {"type": at + BASE})
        self.put_struct("struct TypeImpl", at + BASE, {"name": at + 0x100})
        self.put(at + 0x100, name.ljust(64, b"\0"))
        return at

    def cpu(self, number, **values):
        kind = "X86CPU" if self.kind == b"x86_64-cpu" else "ARMCPU"
        at = CPUS + 0x1000 * len(self.cpus)
        words = {name.replace("__", "."): value for name, value in values.items()}
        self.put_struct(kind, at, {"class": self.a_class(self.kind), "cpu_index": number, **words})
        if self.cpus:
            self.change(kind, self.cpus[-1], node__tqe_next=at)
        else:
            self.put(HEAD, self.encode(at, 8))
        self.cpus.append(at)
        return self


def segments(first, count):
    return b"".join(struct.pack("<I4xQII", first + one, first << 32 | one, 0xFFFF, 0xA0) for one in range(count))


def x86(number, **more):
    return {"env__regs": struct.pack("<16Q", *range(number, number + 16)), "env__eip": 0xFFFFFFFF81000000 + number,
            "env__eflags": 0x246, "env__hflags": LONG_MODE, "env__segs": segments(0x10, 6), "env__ldt": segments(1, 1),
            "env__tr": segments(2, 1), "env__gdt": segments(3, 1), "env__idt": segments(4, 1),
            "env__cr": struct.pack("<5Q", 0x80050033, 0, 5, 0x2AB, 0x6A0), "env__kernelgsbase": 0x1234, **more}


def test_those_of_x86():
    vm = Vm(b"x86_64-cpu", b"tcg").cpu(1, **x86(100)).cpu(0, **x86(200))
    found = registers(vm)
    assert len(found.cpus) == 2
    first, second = found.cpus
    assert isinstance(first, X86Cpu) and isinstance(second, X86Cpu)
    assert (first.registers["rax"], second.registers["rax"]) == (200, 100)  # by number, not in the list's order
    assert [first.registers[name] for name in ("rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r15")] == [
        201, 202, 203, 204, 205, 206, 207, 208, 215]
    assert (first.registers["rip"], first.registers["eflags"]) == (0xFFFFFFFF810000C8, 0x246)
    assert [first.segments[name].selector for name in ("es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr", "gdt", "idt")
            ] == [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 1, 2, 3, 4]
    assert first.segments["gs"] == Segment(0x15, 0x10_0000_0005, 0xFFFF, 0xA0)
    assert first.control == (0x80050033, 0, 5, 0x2AB, 0x6A0) and first.kernel_gs_base == 0x1234


def test_those_of_arm_whose_pstate_is_kept_in_pieces():
    vm = Vm(b"aarch64-cpu", b"tcg").cpu(0, env__xregs=struct.pack("<32Q", *range(32)), env__pc=0xFFFF800010000000,
                                       env__pstate=5, env__aarch64=1, env__NF=0x80000000, env__ZF=0, env__CF=1,
                                       env__VF=0x80000000, env__daif=0x3C0, env__btype=2)
    (cpu,) = registers(vm).cpus
    assert cpu == ArmCpu(tuple(range(31)), 31, 0xFFFF800010000000, 0xF0000BC5)


def test_where_no_condition_flag_is_set():
    vm = Vm(b"aarch64-cpu", b"tcg").cpu(0, env__aarch64=1, env__ZF=7, env__pstate=5)
    (cpu,) = registers(vm).cpus
    assert isinstance(cpu, ArmCpu) and cpu.pstate == 5


@pytest.mark.parametrize("dirty, inside", [((1, 0), 1), ((0, 0), 2)])
def test_those_that_kvm_has(dirty, inside):
    """Some are of no use: debuggers take the first note for CPU 0, and so on."""
    vm = Vm(b"x86_64-cpu", b"kvm")
    for number, one in enumerate(dirty):
        vm.cpu(number, **x86(number, vcpu_dirty=one))
    with pytest.raises(NotSupported, match=f"kvm has the registers of {inside} of 2 CPUs, and QEMU has not"):
        registers(vm)


def test_those_that_qemu_has_taken_over_from_kvm():
    found = registers(Vm(b"x86_64-cpu", b"kvm").cpu(0, **x86(0, vcpu_dirty=1)))
    assert len(found.cpus) == 1 and found.caveat is None


@pytest.mark.parametrize("states, running", [
    ([{"halted": 1}, {"stopped": 1}], 0), ([{"halted": 1}, {}], 1), ([{}, {}], 2)])
def test_those_of_a_cpu_in_translated_code_are_not_exact(states, running):
    vm = Vm(b"x86_64-cpu", b"tcg")
    for number, state in enumerate(states):
        vm.cpu(number, **x86(number, **state))
    caveat = registers(vm).caveat
    assert caveat is None if running == 0 else caveat.startswith(f"{running} of 2 CPUs were running translated code")


@pytest.mark.parametrize("vm, reason", [
    (Vm(b"x86_64-cpu", b"tcg").cpu(0, **x86(0, env__hflags=0)), "not in 64-bit mode"),
    (Vm(b"aarch64-cpu", b"tcg").cpu(0), "not in 64-bit state"),
    (Vm(b"s390x-cpu", b"tcg").cpu(0), "registers of s390x guests are not read"),
    (Vm(b"strange-cpu", b"tcg").cpu(0), "the type of the VM's CPUs is not known"),
    (Vm(b"x86_64-cpu", b"tcg"), "the type of the VM's CPUs is not known"),
])
def test_none_with_the_reason(vm, reason):
    with pytest.raises(NotSupported, match=reason):
        registers(vm)


def test_a_cpu_that_is_not_in_the_core():
    vm = Vm(b"x86_64-cpu", b"tcg").cpu(0, **x86(0)).cpu(1, **x86(1))
    vm.forget(vm.cpus[1])
    with pytest.raises(Unreadable):
        registers(vm)


# VMCOREINFO's place.

STATE = 0x50000


class WithDevice(FakeTarget):
    """A QEMU whose object tree has the device in one of the two places of devices on no bus."""

    def __init__(self, where=b"peripheral-anon", kind=b"child<vmcoreinfo>", **values):
        super().__init__()
        self.declare("struct Object", [("class", 8), ("properties", 8), ("parent", 8)])
        self.declare("struct ObjectProperty", [("name", 8), ("type", 8), ("opaque", 8)])
        self.declare("struct VMCoreInfoState", [
            ("parent", 24), ("has_vmcoreinfo", 1), ("pad", 7), ("vmcoreinfo.host_format", 2),
            ("vmcoreinfo.guest_format", 2), ("vmcoreinfo.size", 4), ("vmcoreinfo.paddr", 8)])
        self.put(0x1000, self.encode(0x2000, 8))
        self.symbols["current_machine"] = 0x1000
        self.used = 0x100000
        self.an_object(0x2000, [(where, b"child<container>", 0x3000), (b"other", b"child<container>", 0x4000)])
        self.an_object(0x3000, [(b"device[0]", b"child<pci-bridge>", 0x4000), (b"type", b"string", 0),
                                (b"device[1]", kind, STATE)])
        self.an_object(0x4000, [])
        self.put_struct("struct VMCoreInfoState", STATE, {
            f"vmcoreinfo.{name}" if name != "has_vmcoreinfo" else name: value for name, value in values.items()})

    def room(self, raw):
        self.used += 0x1000
        return self.put(self.used, raw)

    def an_object(self, address, children):
        """An object whose children are in a hash table of glib's."""
        values = [self.room(b"") for _ in children]
        for at, (name, kind, opaque) in zip(values, children):
            self.put_struct("struct ObjectProperty", at, {"name": self.room(name.ljust(64, b"\0")),
                                                          "type": self.room(kind.ljust(64, b"\0")), "opaque": opaque})
        values += [0] * (8 - len(values))
        hashes = self.room(struct.pack("<8I", *(2 if value else 0 for value in values)))
        table = struct.pack("<QIIII", 8, 7, 7, len(children), len(children)).ljust(32, b"\0") + struct.pack(
            "<QQQ", 0, hashes, self.room(struct.pack("<8Q", *values)))
        self.put_struct("struct Object", address, {"properties": self.room(table)})


GOOD = {"has_vmcoreinfo": 1, "guest_format": 1, "size": 4132, "paddr": 0x12B2000}


@pytest.mark.parametrize("where", [b"peripheral-anon", b"peripheral"])
def test_where_the_guest_said_that_its_note_is(where):
    vm = WithDevice(where, **GOOD)
    if where == b"peripheral":  # both are there in every QEMU
        vm.an_object(0x2000, [(b"peripheral-anon", b"child<container>", 0x4000), (where, b"child<container>", 0x3000)])
    assert told(vm) == Place(0x12B2000, 4132)


@pytest.mark.parametrize("values, kind, reason", [
    ({**GOOD, "has_vmcoreinfo": 0}, NotSupported, "has not loaded qemu_fw_cfg"),
    ({**GOOD, "guest_format": 0}, Corrupt, "format 0 and 4132 bytes"),
    ({**GOOD, "guest_format": 7}, Corrupt, "format 7"),
    ({**GOOD, "size": 0}, Corrupt, "0 bytes"),
    ({**GOOD, "size": 0xFFFFFFFF}, Corrupt, "4294967295 bytes"),
])
def test_a_guest_that_said_nothing_of_use(values, kind, reason):
    with pytest.raises(kind, match=reason):
        told(WithDevice(**values))


def test_a_vm_without_the_device():
    vm = WithDevice(kind=b"child<isa-debug-exit>", **GOOD)
    vm.an_object(0x2000, [(b"peripheral-anon", b"child<container>", 0x3000),
                          (b"peripheral", b"child<container>", 0x4000)])
    with pytest.raises(NotSupported, match="without -device vmcoreinfo"):
        told(vm)


def test_a_device_that_is_not_in_the_core():
    vm = WithDevice(**GOOD)
    vm.forget(STATE)
    with pytest.raises(Unreadable):
        told(vm)
