"""`vqcheck vmcore` on a double of QEMU whose core is a real file: no drgn is needed here, as it is an option."""
import ctypes
import mmap
import os
import sys
import types

import pytest

from tests.host.test_guest_memory import HOST, PAGE, RAM, ROM, ROM_HOST, VRAM, VRAM_HOST, Backed
from tests.target.vmcore.test_find_info import RELEASE, UTS
from tests.target.vmcore.test_find_info import info as an_info
from vqcheck.cli import vm, vmcore
from vqcheck.cli.progress import Progress, size_text
from vqcheck.host.registers import Registers
from vqcheck.host.vmcoreinfo import Place
from vqcheck.target.errors import NotSupported
from vqcheck.target.files import elf
from vqcheck.target.files.core_map import CoreMap, Segment
from vqcheck.target.vmcore import notes

OPENER = "vqcheck.target.by_drgn.process"
SIZE = 0x100000
NAMES = b"".join(word.ljust(65, b"\0") for word in (b"Linux", b"guest", RELEASE.encode(), b"#1", b"x86_64"))


class Qemu(Backed):
    """A QEMU with a megabyte of RAM, a ROM and a display's memory, all of it in its core."""

    def __init__(self, path, **switches):
        super().__init__(**switches)
        self.path = path
        self.map((0, SIZE, RAM, 0), (0x10000000, PAGE, VRAM, 0), (0xFFFFF000, PAGE, ROM, 0))
        self.ram = bytearray(SIZE)
        self.segments = [Segment(VRAM_HOST, PAGE, PAGE, SIZE), Segment(ROM_HOST, PAGE, PAGE, SIZE + PAGE),
                         Segment(HOST, SIZE, SIZE, 0)]
        self.cut = None
        self.program = types.SimpleNamespace(main_module=lambda: types.SimpleNamespace(name="/usr/bin/qemu-system-x"))

    def write(self):
        """The core as the RAM is now."""
        self.path.write_bytes(bytes(self.ram) + b"v" * PAGE + b"r" * PAGE)
        for start, raw in ((HOST, self.ram), (ROM_HOST, b"r" * PAGE), (VRAM_HOST, b"v" * PAGE)):
            self.put(start, raw)
        return self

    @property
    def core(self):
        segments = sorted(self.segments)
        return CoreMap(segments, [], {}, [one.address for one in segments], self.cut)

    def kernel(self, at, leads_to=UTS, more=b""):
        """Put a VMCOREINFO somewhere, and the kernel's names where the right one leads."""
        raw = notes.vmcoreinfo(an_info(0x20000, leads_to) + more)
        self.ram[at:at + len(raw)] = raw
        self.ram[UTS:UTS + len(NAMES)] = NAMES
        return Place(at, len(raw))


@pytest.fixture
def qemu(tmp_path, monkeypatch):
    """The QEMU that the command finds."""
    found = Qemu(tmp_path / "core")
    module = types.ModuleType(OPENER)
    module.open_core = lambda core, exe: found.write()
    module.open_pid = lambda pid, exe: found.write()
    monkeypatch.setitem(sys.modules, OPENER, module)
    monkeypatch.setattr(vm.system, "machine", lambda target: "x86_64")
    monkeypatch.setattr(vm.process, "incoming", lambda target: "none")
    monkeypatch.setattr(vm.process, "run_state", lambda target: "running")
    told(monkeypatch, None)
    monkeypatch.setattr(vmcore, "registers", lambda target: Registers(
        [notes.ArmCpu((0,) * 31, 0, 0, 0)] * 2, "not exact"))
    return found


def told(monkeypatch, place):
    """What the guest told QEMU of its VMCOREINFO."""
    def answer(target):
        if place is None:
            raise NotSupported("nothing")
        return place
    monkeypatch.setattr(vm.vmcoreinfo, "told", answer)


@pytest.fixture
def dump(qemu, tmp_path, vqcheck):
    """Write the dump; gives its (physical address: bytes), its notes, and what was printed."""
    def run(*words):
        out = tmp_path / "dump"
        status, text, err = vqcheck("vmcore", "--core", qemu.path, "-o", out, *words)
        assert status == 0, err
        loads, found = {}, []
        with open(out, "rb") as file:
            for one in elf.program_headers(str(out)):
                file.seek(one.offset)
                raw = file.read(one.in_file)
                if one.kind == elf.PT_LOAD:
                    loads[one.physical] = raw
                else:
                    found += [(name.rstrip(b"\0"), content) for name, _, content in elf.notes_in(raw)]
        return loads, found, text, err
    return run


def test_everything(qemu, dump):
    qemu.kernel(0x5000)
    loads, found, text, err = dump()
    assert loads == {0: bytes(qemu.ram), 0x10000000: b"v" * PAGE, 0xFFFFF000: b"r" * PAGE}
    assert [name for name, _ in found] == [b"CORE", b"CORE", b"VMCOREINFO"] and found[2][1] == an_info(0x20000)
    assert text.startswith(f"{qemu.path.parent / 'dump'}: 1.0 MiB of guest memory in 3 ranges (")
    assert f"on disk), Linux {RELEASE}, registers of 2 CPUs, " in text and text.count("\n") == 1
    assert err == "vqcheck vmcore: registers: not exact\n"


def test_nothing_to_be_said(qemu, dump, monkeypatch):
    qemu.kernel(0x5000)
    monkeypatch.setattr(vmcore, "registers", lambda target: Registers([notes.ArmCpu((0,) * 31, 0, 0, 0)], None))
    _, _, text, err = dump()
    assert "registers of 1 CPU, " in text and err == ""


def test_the_vmcoreinfo_that_the_guest_told_comes_first(qemu, dump, monkeypatch):
    """Another one that would do as well lies before it."""
    qemu.kernel(0x2000)
    told(monkeypatch, qemu.kernel(0x9000, more=b"NUMBER(it)=1\n"))
    assert dump()[1][-1] == (b"VMCOREINFO", an_info(0x20000) + b"NUMBER(it)=1\n")


def test_what_the_guest_told_before_it_was_booted_again(qemu, dump, monkeypatch):
    told(monkeypatch, qemu.kernel(0x2000, leads_to=0x90000))
    qemu.kernel(0x9000)
    assert dump()[1][-1] == (b"VMCOREINFO", an_info(0x20000))


def test_what_the_guest_told_is_taken_where_nothing_better_is_found(qemu, dump, monkeypatch):
    told(monkeypatch, qemu.kernel(0x2000, leads_to=0x90000))
    _, found, _, err = dump()
    assert found[-1] == (b"VMCOREINFO", an_info(0x20000, 0x90000))
    assert "does not lead to its kernel: it may be of an earlier boot" in err


def test_what_the_guest_told_wrongly_is_looked_for(qemu, dump, monkeypatch):
    told(monkeypatch, Place(0x70000, 4096))
    qemu.kernel(0x9000)
    assert dump()[1][-1] == (b"VMCOREINFO", an_info(0x20000))


def test_a_kernel_whose_vmcoreinfo_proves_nothing(qemu, dump, monkeypatch):
    monkeypatch.setattr(vm.system, "machine", lambda target: "riscv64")
    raw = notes.vmcoreinfo(an_info(0x20000), "<")
    qemu.ram[0x2000:0x2000 + len(raw)] = raw
    assert "may be of an earlier boot: for this kernel that can't be told" in dump()[3]


def test_no_vmcoreinfo_and_no_registers(qemu, dump, monkeypatch):
    def registers(target):
        raise NotSupported("kvm has the registers of 2 of 2 CPUs, and QEMU has not")
    monkeypatch.setattr(vmcore, "registers", registers)
    _, found, text, err = dump()
    assert found == [] and ", no VMCOREINFO, no registers, " in text
    assert "it is not Linux, or has not come that far" in err and "will not know where its kernel is" in err
    assert "without the registers of the guest's CPUs: kvm has the registers of 2 of 2 CPUs" in err
    qemu.change("struct MachineState", 0x5000, cgs=0x1234)
    assert "it is a confidential guest, whose memory is encrypted" in dump()[3]


# Memory that is missing.

def refused_core(qemu, refused, tmp_path):
    line = refused("vmcore", "--core", qemu.path, "-o", tmp_path / "dump")
    assert not (tmp_path / "dump").exists()
    return line


def test_a_core_without_the_ram_is_refused_though_it_has_the_rom(qemu, refused, tmp_path):
    qemu.segments[2] = Segment(HOST, 0, SIZE, 0)
    qemu.change("struct HostMemoryBackend", 0x6000, dump=0)
    line = refused_core(qemu, refused, tmp_path)
    assert line.startswith(f"{qemu.path}: the guest's memory is not in it: its memory backend has dump=off; ")
    assert line.endswith("; of a VM that still runs, --pid PID needs no core")


def test_a_core_that_is_cut_off_says_so_instead(qemu, refused, tmp_path):
    qemu.segments[2], qemu.cut = Segment(HOST, 0, SIZE, 0), "the core is cut off: it has 1 bytes of 2"
    assert "the guest's memory is not in it: the core is cut off: it has 1 bytes of 2; of a VM" in refused_core(
        qemu, refused, tmp_path)


def test_what_is_there_is_written_and_what_is_not_is_named(qemu, dump):
    qemu.segments[2] = Segment(HOST + 0x1000, 0x2000, 0x2000, 0x1000)
    loads, _, text, err = dump()
    assert loads.keys() == {0x1000, 0x10000000, 0xFFFFF000} and len(loads[0x1000]) == 0x2000
    assert err.splitlines()[0] == (
        f"vqcheck vmcore: left out, as it is not in {qemu.path}: guest memory at 0x0-0xfff, 0x3000-0xfffff (pc.ram): "
        "whoever wrote the core left it out; a core takes it when `echo 0x7f > /proc/PID/coredump_filter` was done "
        "before")
    assert "in 3 ranges" in text


def test_many_pieces_that_are_missing_are_summed_up(qemu, dump):
    qemu.segments[2:] = [Segment(HOST + 0x2000 * at, 0x1000, 0x1000, 0x2000 * at) for at in range(20)]
    note = dump()[3].splitlines()[0]
    assert "0x1000-0x1fff, 0x3000-0x3fff," in note and "and 12 more pieces of" in note


# What is no use.

def test_a_migration_that_is_not_done(qemu, refused, monkeypatch, tmp_path):
    monkeypatch.setattr(vm.process, "incoming", lambda target: "postcopy-active")
    assert "(postcopy-active): not all of its memory has arrived" in refused_core(qemu, refused, tmp_path)


def test_an_architecture_that_is_not_written(qemu, refused, monkeypatch, tmp_path):
    monkeypatch.setattr(vm.system, "machine", lambda target: "ppc64")
    assert "a guest of ppc64; memory is read of x86_64, aarch64" in refused_core(qemu, refused, tmp_path)


def test_a_process_that_is_no_qemu(qemu, refused, tmp_path):
    del qemu.symbols["address_space_memory"]
    assert refused_core(qemu, refused, tmp_path).endswith(
        "qemu-system-x is no QEMU that runs a VM, as it has no variable address_space_memory")


@pytest.mark.parametrize("output, complaint", [("/dev/null", "regular file only"), ("core", "that is the core itself")])
def test_outputs_that_will_not_do(qemu, refused, output, complaint, tmp_path):
    qemu.write()
    before = qemu.path.read_bytes()
    assert complaint in refused("vmcore", "--core", qemu.path, "-o", tmp_path / output)
    assert qemu.path.read_bytes() == before


@pytest.mark.parametrize("words", [[], ["--core", "c"], ["--pid", "1"], ["--core", "c", "--pid", "1", "-o", "x"],
                                   ["--pid", "x", "-o", "x"]])
def test_words_that_make_no_sense(refused, words):
    assert "see `vqcheck vmcore --help`" in refused("vmcore", *words)


# A process that is there: this one plays QEMU.

@pytest.fixture
def live(qemu, monkeypatch, tmp_path):
    """RAM of the double that is memory of this process."""
    memory = mmap.mmap(-1, SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:9] = b"begintest"
    qemu.region(RAM, ctypes.addressof(ctypes.c_char.from_buffer(memory)), ram=1)
    qemu.map((0, SIZE, RAM, 0))
    monkeypatch.setattr(Qemu, "core", None)
    yield ["vmcore", "--pid", os.getpid(), "-o", tmp_path / "dump"]


def test_a_vm_that_runs_is_refused(live, refused):
    line = refused(*live)
    assert f"process {os.getpid()} runs, and what is copied meanwhile would be of no one instant" in line
    assert f"kill -CONT {os.getpid()}" in line and "--running" in line


def test_a_vm_that_runs_is_taken_when_asked_for(live, vqcheck):
    status, out, err = vqcheck(*live, "--running")
    assert status == 0 and out.endswith(", NOT OF ONE INSTANT\n")
    assert "the guest ran while its memory was copied: the dump is of no one instant" in err


def test_a_vm_that_is_paused(live, vqcheck, monkeypatch, tmp_path):
    monkeypatch.setattr(vm.process, "run_state", lambda target: "paused")
    status, out, _ = vqcheck(*live)
    assert status == 0 and "INSTANT" not in out
    assert b"begintest" in (tmp_path / "dump").read_bytes()


def test_a_vm_that_goes_on_meanwhile(live, vqcheck, monkeypatch):
    states = ["paused", "running"]
    monkeypatch.setattr(vm.process, "run_state", lambda target: states.pop(0))
    status, out, _ = vqcheck(*live)
    assert status == 0 and out.endswith(", NOT OF ONE INSTANT\n")


# How far it has come.

@pytest.mark.parametrize("size, text", [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (150 << 10, "150 KiB"),
                                        (3 << 29, "1.5 GiB"), (1 << 50, "1024 TiB")])
def test_sizes_in_words(size, text):
    assert size_text(size) == text


def test_a_line_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    clock = iter([0.0, 0.1, 1.0, 1.1])
    monkeypatch.setattr("vqcheck.cli.progress.time.monotonic", lambda: next(clock))
    progress = Progress()
    for _ in range(3):
        progress(25 << 20, 100 << 20)
    progress.clear()
    assert capsys.readouterr().err == "\r 25 % of 100 MiB, 26 MB/s, 3 s left\x1b[K\r\x1b[K"


def test_nothing_where_there_is_no_terminal(capsys):
    progress = Progress()
    progress(1, 2)
    progress.clear()
    assert capsys.readouterr().err == "" and progress.seconds >= 0
