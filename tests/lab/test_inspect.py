"""`vqcheck vmcore` and `vqcheck inspect`: one core of QEMU against what else the lab took at the same instant."""
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import tempfile
from typing import Dict, Iterator, List, NamedTuple, Tuple

import jsonschema
import pytest

from tests.verdicts import EXPECTED
from vqcheck.check.judge import judge
from vqcheck.snapshot.read import read_file
from vqcheck.snapshot.schema import schema
from vqcheck.target.files import elf
from vqcheck.target.vmcore.notes import NT_PRSTATUS
from vqcheck.target.vmcore.write import ALIGNMENT

from . import crash9, inject, layouts, sides, vmcore
from .capture import Capture, take
from .dumps import Dumped, dump, refused
from .layouts import Done, vqcheck
from .options import Options
from .vm import FIRMWARE, Machine

pytestmark = pytest.mark.lab

MEMORY = 128 << 20
BIOS = 0xFFFC0000
PRSTATUS = struct.Struct("<240xQ16xQ")
"""rip and rsp in x86-64's `struct elf_prstatus`."""
CAVEAT = re.compile(r"(vqcheck vmcore: registers: [12] of 2 CPUs were running translated code: .*\n)?")


class Seen(NamedTuple):
    """One machine, under load and hung."""

    healthy: Capture
    hung: Capture
    dumps: Dict[str, Dumped]
    """Of the cores of both, by their names here."""
    live_load: Done
    """`inspect --pid` under load."""
    live_hung: Done
    refused: Done
    """`vmcore --pid` of what runs."""
    running: Done
    """The same with --running."""
    stopped: Dumped
    same: bool
    """Whether that one is, byte by byte, what was in the memfd at that time."""
    qemus: Dumped
    """By QEMU itself, and by us at the same instant, the VM being paused."""
    ours: Dumped


def debug_info(capture: Capture) -> List[object]:
    """The words that name the guest's debug information."""
    return ["--vmlinux", capture.kernel.vmlinux, "--modules", capture.kernel.debug_modules]


def inspect(capture: Capture, *words: object) -> Done:
    """`vqcheck inspect` on a capture's core."""
    return vqcheck("inspect", "--core", capture.core, *debug_info(capture), *words)


@pytest.fixture(scope="module", params=["7.2", "10.0", pytest.param("5.2", marks=pytest.mark.matrix)])
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """A machine of each QEMU."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        with Machine(directory / "vm", Options(qemu=request.param)) as machine:
            yield _through(machine, directory)
    finally:
        shutil.rmtree(directory)


def _through(machine: Machine, directory: pathlib.Path) -> Seen:
    machine.wait_load()
    healthy = _kept(take(machine), directory / "healthy")
    words: List[object] = ["--pid", machine.pid]
    live_load = vqcheck("inspect", *words, *debug_info(healthy), "vdb")
    inject.lost_interrupt(machine)
    hung = _kept(take(machine), directory / "hung")
    live_hung = vqcheck("inspect", *words, *debug_info(hung), "vdb")
    refused = vqcheck("vmcore", *words, "-o", directory / "refused")
    running = vqcheck("vmcore", *words, "--running", "-o", directory / "running")
    os.kill(machine.pid, signal.SIGSTOP)
    stopped = dump(directory / "stopped", *words)
    with open(f"/proc/{machine.pid}/fd/{machine.ram_fd()}", "rb") as ram:
        same = ram.read() == _memory(stopped)
    os.kill(machine.pid, signal.SIGCONT)
    machine.qmp.command("stop")
    machine.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{directory / 'qemus'}")
    ours = dump(directory / "ours", *words)
    dumps = {name: dump(capture.directory / "guest.elf", "--core", capture.core)
             for name, capture in (("healthy", healthy), ("hung", hung))}
    return Seen(healthy, hung, dumps, live_load, live_hung, refused, running, stopped, same,
                Dumped(directory / "qemus", Done(0, "", "")), ours)


def _kept(capture: Capture, directory: pathlib.Path) -> Capture:
    """A capture whose files the next one does not take away."""
    directory.mkdir()
    core, memory = (path.rename(directory / path.name) for path in (capture.core, capture.vmcore))
    return capture._replace(directory=directory, core=core, vmcore=memory)


def _memory(dumped: Dumped) -> bytes:
    """The RAM from 0 on."""
    (offset,) = [offset for physical, _, offset in dumped.loads() if physical == 0]
    with open(dumped.path, "rb") as file:
        file.seek(offset)
        return file.read(MEMORY)


# The dump.

SCENES = pytest.mark.parametrize("scene", ["healthy", "hung"])
ONE_QEMU = pytest.mark.parametrize("seen", ["7.2"], indirect=True)
"""For what does not depend on which QEMU it is."""


@SCENES
def test_the_dump_is_the_memory_of_that_instant(seen: Seen, scene: str) -> None:
    capture, found = getattr(seen, scene), seen.dumps[scene]
    with open(capture.vmcore, "rb") as file:
        file.seek(vmcore.RAM_OFFSET)
        assert file.read() == _memory(found)
    ranges = found.loads()
    assert [(physical, size) for physical, size, _ in ranges] == [(0, MEMORY), (BIOS, 1 << 18)]
    assert all(offset % ALIGNMENT == 0 for _, _, offset in ranges)
    with open(found.path, "rb") as file:
        file.seek(ranges[1][2])
        assert file.read() == (pathlib.Path(FIRMWARE[0]) / "bios-256k.bin").read_bytes()


@SCENES
def test_the_command_says_what_it_wrote(seen: Seen, scene: str) -> None:
    capture, found = getattr(seen, scene), seen.dumps[scene]
    assert found.done.status == 0 and CAVEAT.fullmatch(found.done.err)
    assert re.fullmatch(rf"{re.escape(str(found.path))}: 128 MiB of guest memory in 2 ranges \([\d.]+ MiB on disk\), "
                        rf"Linux {re.escape(capture.kernel.release)}, registers of 2 CPUs, [\d.]+ s, \d+ MB/s\n",
                        found.done.out)
    about = found.path.stat()
    assert about.st_mode & 0o777 == 0o600 and about.st_blocks * 512 < about.st_size
    assert [path.name for path in found.path.parent.iterdir() if path.name.endswith(".part")] == []


@SCENES
def test_drgn_reads_of_it_what_it_reads_of_the_memory(seen: Seen, scene: str) -> None:
    capture, found = getattr(seen, scene), seen.dumps[scene]
    again = sides.guest_by_drgn(capture._replace(vmcore=found.path), "")
    expected = sides.guest_by_drgn(capture, "")
    assert again.snapshot.devices == expected.snapshot.devices and again.snapshot.devices
    assert again.snapshot.target == expected.snapshot.target


@ONE_QEMU
def test_crash_reads_of_it_what_drgn_reads(seen: Seen) -> None:
    by_crash = sides.guest_by_crash(seen.hung._replace(vmcore=seen.dumps["hung"].path))
    assert by_crash.snapshot.devices == sides.guest_by_drgn(seen.hung, "").snapshot.devices


def test_drgn_starts_the_stacks_of_running_cpus_at_their_registers(seen: Seen) -> None:
    """Those of the paused VM, which are exact.  Without them it says `registers for CPU 0 were not saved`.

    How far it unwinds is not ours: a CPU may stand in user space, or in a retpoline, from where nothing does.
    """
    import drgn  # noqa: PLC0415 - only the lab's environment has it
    from drgn.helpers.linux.sched import cpu_curr  # noqa: PLC0415
    program = drgn.Program()
    program.set_core_dump(str(seen.ours.path))
    program.load_debug_info([str(seen.hung.kernel.vmlinux)])
    frames = [program.stack_trace(cpu_curr(program, cpu))[0] for cpu in (0, 1)]
    registers = [PRSTATUS.unpack_from(desc) for _, kind, desc in seen.qemus.notes() if kind == NT_PRSTATUS]
    assert [(frame.pc, frame.sp) for frame in frames] == registers


def test_the_notes_are_those_of_qemus_own_dump(seen: Seen) -> None:
    """Of one instant, as the VM was paused: registers of both CPUs in both forms, and VMCOREINFO."""
    ours, qemus = seen.ours.notes(), seen.qemus.notes()
    assert (seen.ours.done.status, seen.ours.done.err) == (0, "") and [name for name, _, _ in ours] == [
        b"CORE\0", b"CORE\0", b"QEMU\0", b"QEMU\0", b"VMCOREINFO\0"]
    assert ours == qemus
    assert [(physical, size) for physical, size, _ in seen.ours.loads()] == [
        (physical, size) for physical, size, _ in seen.qemus.loads()]
    assert _memory(seen.ours) == _memory(seen.qemus)


@ONE_QEMU
def test_crash_9_shows_where_cpus_stood(seen: Seen) -> None:
    """Crash 8.0.2 does not find the stacks of Linux 6.1's running tasks, whatever the dump."""
    found, linux = seen.ours.path, seen.hung.kernel
    script = found.with_name("bt")
    script.write_text("bt -a\nquit\n")
    words = crash9.command(["crash", "-s", "-i", str(script), str(linux.vmlinux), str(found)], found.parent,
                           [linux.vmlinux.parent])
    output = sides.run(words, sides.CRASH_SECONDS)
    _, *tasks = output.split("PID: ")
    assert len(tasks) == 2 and all("RIP: " in task for task in tasks) and "failed" not in output


def test_what_runs_is_refused_unless_asked_for(seen: Seen) -> None:
    assert (seen.refused.status, seen.refused.out) == (2, "")
    assert "runs, and what is copied meanwhile would be of no one instant: stop it (`kill -STOP" in seen.refused.err
    assert seen.running.status == 0 and seen.running.out.endswith(", NOT OF ONE INSTANT\n")
    assert "the guest ran while its memory was copied" in seen.running.err


def test_a_stopped_qemu_is_copied_as_it_is(seen: Seen) -> None:
    assert seen.stopped.done.status == 0 and CAVEAT.fullmatch(seen.stopped.done.err) and seen.same
    assert "ONE INSTANT" not in seen.stopped.done.out


# Both sides.

@SCENES
def test_one_core_gives_what_two_captures_of_one_instant_give(seen: Seen, scene: str, tmp_path: pathlib.Path) -> None:
    capture: Capture = getattr(seen, scene)
    done = inspect(capture, "vdb", "--keep", tmp_path)
    guest, host = (read_file(str(tmp_path / name)) for name in ("guest.json", "host.json"))
    two = sides.guest_by_drgn(capture)
    by_host = vqcheck("host", "--core", capture.core, "--exe", capture.qemu, "virtio-disk1", "-o", tmp_path / "h.json")
    assert by_host.status == 0, by_host.err
    assert guest.devices == two.snapshot.devices and guest.target == two.snapshot.target
    # Only what reads both sides says that they are of one instant.
    assert host._replace(capture=host.capture._replace(instant=None)) == read_file(str(tmp_path / "h.json"))
    merged = vqcheck("merge", two.json, tmp_path / "h.json")
    assert (done.status, *done.out.split("\n\n")[:2]) == (merged.status, *merged.out.split("\n\n")[:2])
    EXPECTED["lost-interrupt" if scene == "hung" else "healthy"].check(judge(guest, host))
    assert done.err == f"vqcheck inspect: snapshots written to {tmp_path}: guest.json, host.json\n"


def test_both_snapshots_say_that_they_are_of_one_file_and_one_instant(seen: Seen, tmp_path: pathlib.Path) -> None:
    inspect(seen.hung, "vdb", "--keep", tmp_path)
    documents = [json.loads((tmp_path / name).read_text()) for name in ("guest.json", "host.json")]
    for document in documents:
        jsonschema.Draft202012Validator(schema()).validate(document)
    guest, host = (document["capture"] for document in documents)
    for name in ("method", "source", "time", "time_source"):
        assert guest[name] == host[name]
    assert (guest["method"], guest["source"], guest["time_source"]) == ("core", "qemu.core",
                                                                         "the core file's time stamp")


@ONE_QEMU
def test_a_device_by_either_sides_name(seen: Seen) -> None:
    by_guest, by_host = inspect(seen.hung, "vdb"), inspect(seen.hung, "virtio-disk1")
    assert by_guest == by_host and by_guest.status == 1 and "vdb = virtio-disk1" in by_guest.out
    assert inspect(seen.hung, "/dev/vdb").out == by_host.out
    assert inspect(seen.hung, "/machine/peripheral/virtio-disk1").out == by_host.out
    other = inspect(seen.hung, "vda")
    assert other.status == 0 and "virtio-disk1" not in other.out


@ONE_QEMU
def test_all_devices_the_worst_first(seen: Seen) -> None:
    short, full = inspect(seen.hung), inspect(seen.hung, "--all")
    assert short.status == full.status == 1
    assert short.out.splitlines()[0] == full.out.splitlines()[0] and "FAULT: vdb = virtio-disk1" in short.out
    assert "1 of 2 queues told in full" in short.out and "2 queues (1 fault, 0 cannot judge, 1 healthy)" in full.out
    assert "vda = virtio-disk0" in full.out and "vda = virtio-disk0" not in short.out
    report = json.loads(inspect(seen.hung, "--format", "json").out)
    assert (report["status"], len(report["queues"])) == ("fault", 2)


@ONE_QEMU
def test_a_layout_does_for_the_guests_debug_information(seen: Seen, tmp_path: pathlib.Path) -> None:
    saved = layouts.save(seen.hung.kernel, tmp_path / "x.vqlayout")
    done = vqcheck("inspect", "--core", seen.hung.core, "--layout", saved, "vdb")
    assert (done.status, done.err) == (1, "") and done.out == inspect(seen.hung, "vdb").out


def test_a_live_qemu_that_hangs_and_one_that_works(seen: Seen) -> None:
    note = ("vqcheck inspect: the VM runs: guest and QEMU are read in turns, twice, and what moved meanwhile is left "
            "out\n")
    assert (seen.live_hung.status, seen.live_hung.err) == (1, note)
    assert "lost-interrupt" in seen.live_hung.out
    assert seen.live_load.status in (0, 2) and seen.live_load.err.startswith(note)  # never a fault


# What can't be read, in one line each.

@ONE_QEMU
def test_a_name_that_neither_side_knows(seen: Seen) -> None:
    line = refused("inspect", "--core", seen.hung.core, *debug_info(seen.hung), "vdx")
    assert "this guest has no virtio device 'vdx'; it has: vda, vdb" in line
    assert "this QEMU has no virtio device 'vdx'; its virtio devices: 0: virtio-disk0, 1: virtio-disk1" in line


@ONE_QEMU
def test_a_vmlinux_of_another_build(seen: Seen, tmp_path: pathlib.Path) -> None:
    linux = seen.hung.kernel
    build_id = str(elf.build_id(str(linux.vmlinux)))
    other = tmp_path / "vmlinux"
    other.write_bytes(linux.vmlinux.read_bytes().replace(bytes.fromhex(build_id), b"\xee" * 20))
    line = refused("inspect", "--core", seen.hung.core, "--vmlinux", other)
    assert f"its kernel is {linux.release} (build id {build_id})" in line and "ee" * 20 in line
    assert "not an ELF file" in refused("inspect", "--core", seen.hung.core, "--vmlinux", linux.vmlinuz)


@ONE_QEMU
def test_no_vmlinux_says_where_it_was_looked_for(seen: Seen) -> None:
    line = refused("inspect", "--core", seen.hung.core)
    assert f"linux-image-{seen.hung.kernel.release}-dbg (Debian)" in line and "--vmlinux" in line


@ONE_QEMU
@pytest.mark.parametrize("verb", ["inspect", "vmcore"])
def test_what_is_no_core_of_this_qemu(seen: Seen, verb: str, tmp_path: pathlib.Path) -> None:
    more: List[object] = ["-o", tmp_path / "out"]
    assert "no core of a process" in refused(verb, "--core", seen.hung.vmcore, *more)
    assert "not an ELF file" in refused(verb, "--core", __file__, *more)
    assert "is another one" in refused(verb, "--core", seen.hung.core, "--exe", "/bin/true", *more)
    assert "is no QEMU" in refused(verb, "--pid", os.getpid(), *more)
    assert "there is no process" in refused(verb, "--pid", 1 << 22, *more)
    assert not (tmp_path / "out").exists()


@ONE_QEMU
def test_the_core_is_not_written_over(seen: Seen) -> None:
    assert "that is the core itself" in refused("vmcore", "--core", seen.hung.core, "-o", seen.hung.core)


@ONE_QEMU
def test_a_core_that_is_cut_off(seen: Seen, tmp_path: pathlib.Path) -> None:
    """gcore writes its notes last."""
    cut = tmp_path / "qemu.core"
    shutil.copy(seen.hung.core, cut)
    os.truncate(cut, seen.hung.core.stat().st_size // 2)
    assert "the core is cut off: it has" in refused("inspect", "--core", cut)


@pytest.mark.matrix
def test_a_guest_of_aarch64(tmp_path: pathlib.Path) -> None:
    with Machine(tmp_path / "vm", Options(kernel="6.1-arm64", memory_mb=256)) as machine:
        machine.wait_load()
        inject.lost_interrupt(machine)
        capture = take(machine)
        machine.qmp.command("stop")
        machine.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{tmp_path / 'qemus'}")
        ours = dump(tmp_path / "ours", "--pid", machine.pid)
    found = dump(tmp_path / "guest.elf", "--core", capture.core)
    assert found.done.status == 0 and "registers of 2 CPUs" in found.done.out
    (offset,) = [offset for physical, _, offset in found.loads() if physical == machine.platform.ram_start]
    with open(capture.vmcore, "rb") as memory, open(found.path, "rb") as file:
        memory.seek(vmcore.RAM_OFFSET)
        file.seek(offset)
        assert memory.read() == file.read(256 << 20)
    wanted = [note for note in Dumped(tmp_path / "qemus", ours.done).notes()
              if note[:2] in ((b"CORE\0", 1), (b"VMCOREINFO\0", 0))]
    assert [_without_fpvalid(note) for note in wanted] == [_without_fpvalid(note) for note in ours.notes()]
    assert sides.guest_by_drgn(capture._replace(vmcore=found.path)).snapshot.devices == sides.guest_by_drgn(
        capture).snapshot.devices
    done = inspect(capture, "vdb")
    assert done.status == 1 and "lost-interrupt" in done.out, done.err


@pytest.mark.matrix
def test_a_guest_of_s390x(tmp_path: pathlib.Path) -> None:
    """Big-endian, and with adapter interrupts; registers of its CPUs are not read."""
    with Machine(tmp_path / "vm", Options(kernel="6.1-s390x")) as machine:
        machine.wait_load()
        inject.lost_adapter_interrupt(machine)
        capture = take(machine)
        running = vqcheck("inspect", "--pid", machine.pid, *debug_info(capture), "vdb")
        machine.qmp.command("stop")
        machine.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{tmp_path / 'qemus'}")
        ours = dump(tmp_path / "ours", "--pid", machine.pid)
    found = dump(tmp_path / "guest.elf", "--core", capture.core)
    assert found.done.status == 0 and "registers of s390x guests are not read" in found.done.err
    with open(capture.vmcore, "rb") as file:
        file.seek(vmcore.RAM_OFFSET)
        assert file.read() == _memory(found)
    assert [one[:2] for one in Dumped(tmp_path / "qemus", ours.done).loads()] == [one[:2] for one in ours.loads()]
    assert sides.guest_by_drgn(capture._replace(vmcore=found.path)).snapshot.devices == sides.guest_by_drgn(
        capture).snapshot.devices
    for done in (inspect(capture, "vdb"), running):
        assert done.status == 1 and "indicator-not-seen" in done.out, done.err


def _without_fpvalid(note: Tuple[bytes, int, bytes]) -> Tuple[bytes, int, bytes]:
    """pr_fpvalid says whether floating-point registers follow: QEMU writes them, and nobody needs them."""
    return (*note[:2], note[2][:384]) if note[0] == b"CORE\0" else note
