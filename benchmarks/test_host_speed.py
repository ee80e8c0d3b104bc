"""QEMU's side, 64 disks of 4 queues of 1024 entries: gdb and drgn against readers of single fields and against QMP.

Boots the machine of machines.HOST once.  Cores are read with its disks idle, and with 16 reads held on each; what asks
a live QEMU does so with the disks idle.  Prints the tables of README.md.
"""
import pathlib
import re
import subprocess
import sys
import time
from typing import Dict, List, NamedTuple, Optional

import pytest

from tests.lab.qemu_build import qemu

from .machines import HOST, Machine
from .measure import OURS

pytestmark = pytest.mark.lab

ROOT = pathlib.Path(__file__).parents[1]
SECONDS = 900
TURNS = 3
"""How often gdb and drgn take turns on a core; each has rounds of its own, too."""
PAUSES = 7
PROMISED_PAUSE = 0.15
"""Seconds that QEMU stands still for one disk, on a machine with nothing else to do."""
DISK = "virtio-disk1"
QUEUES = HOST.disks * HOST.queues
STATES = {"idle": "idle", "held": f"{HOST.requests} reads held on each disk"}


class Reader(NamedTuple):
    """What one reader took for all queues."""

    cpu: float
    wall: float
    reads: int
    bytes: int
    """0 where they are not counted."""


class Live(NamedTuple):
    """What it takes to look at a live QEMU, in seconds of the clock on the wall."""

    pauses: List[float]
    """How long QEMU stood still for one disk."""
    pauses_of_all: List[float]
    gdb: List[float]
    """The whole command with `--stop`, for one disk."""
    drgn: List[float]
    """The whole command without."""


class Measured(NamedTuple):
    """All of it."""

    readers: Dict[str, Dict[str, Reader]]
    """By state of the disks, and by debugger and reader."""
    live: Live


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """All rows, which are printed too."""
    folder = tmp_path_factory.mktemp("host")
    cores = {state: folder / f"{state}.core" for state in STATES}
    with Machine(folder, HOST) as machine:
        machine.wait_up()
        machine.core(cores["idle"])
        over_qmp = _module("live", str(machine.pid), str(machine.qmp))
        live = _live(machine.pid)
        machine.hang()
        machine.core(cores["held"])
    readers = {state: _on_core(core) for state, core in cores.items()}
    readers["idle"].update({f"live, {name}": took for name, took in over_qmp.items()})
    for core in cores.values():
        core.unlink()  # gigabytes
    found = Measured(readers, live)
    print("\n" + "\n".join(rows(found)))
    return found


def _on_core(core: pathlib.Path) -> Dict[str, Reader]:
    turns: Dict[str, List[Reader]] = {}
    for _ in range(TURNS):
        for debugger, found in (("gdb", _gdb(core)), ("drgn", _module("core", str(core), str(qemu())))):
            for name, took in found.items():
                turns.setdefault(f"core, {debugger}, {name}", []).append(took)
    return {name: sorted(taken)[len(taken) // 2] for name, taken in turns.items()}


def _gdb(core: pathlib.Path) -> Dict[str, Reader]:
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmarks import in_gdb; in_gdb.main()"
    return _readers(["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", f"python {script}",
                     str(qemu()), str(core)])


def _module(*words: str) -> Dict[str, Reader]:
    return _readers([sys.executable, "-m", "benchmarks.host_readers", *words])


def _readers(command: List[str]) -> Dict[str, Reader]:
    output, found = _output(command), {}
    for line in re.findall(r"^MEASURED reader=(.*)$", output, re.MULTILINE):
        name, *words = re.split(r" (?=\w+=)", line)
        of = dict(word.split("=") for word in words)
        found[name] = Reader(float(of["seconds"]), float(of["wall"]), int(of["reads"]), int(of.get("bytes", 0)))
    assert found, output
    return found


def _output(command: List[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    output = done.stdout.decode(errors="replace")
    assert done.returncode == 0, output
    return output


def _live(pid: int) -> Live:
    live = Live([], [], [], [])
    for _ in range(PAUSES):
        start = time.monotonic()
        live.pauses.append(_pause(pid, DISK))
        live.gdb.append(time.monotonic() - start)
        live.pauses_of_all.append(_pause(pid, None))
        start = time.monotonic()
        _output([sys.executable, "-m", "vqcheck", "host", "--pid", str(pid), DISK])
        live.drgn.append(time.monotonic() - start)
    return live


def _pause(pid: int, device: Optional[str]) -> float:
    """As the command itself tells."""
    output = _output([sys.executable, "-m", "vqcheck", "host", "--pid", str(pid), "--stop",
                      *([device] if device else [])])
    said = re.search(r"^QEMU stood still for (\d+) ms$", output, re.MULTILINE)
    assert said, output
    return int(said[1]) / 1000


def rows(found: Measured) -> List[str]:
    """The tables of README.md."""
    lines = []
    for state, readers in found.readers.items():
        ours = readers[f"core, gdb, {OURS}"]
        for name, took in readers.items():
            queues = HOST.queues if name.endswith("one disk") else QUEUES
            size = f"{took.bytes / queues:,.0f}" if took.bytes else ""
            ratio = "" if took is ours or queues != QUEUES else f"{took.cpu / ours.cpu:.1f}"
            lines.append(f"| {STATES[state]} | {name} | {1000 * took.cpu / queues:,.2f} | {ratio} "
                         f"| {1000 * took.wall / queues:,.2f} | {took.reads / queues:,.1f} | {size} |")
    for what, taken in zip(("QEMU stands still, one disk", "QEMU stands still, all disks",
                            "`vqcheck host --pid PID --stop`, one disk", "`vqcheck host --pid PID`, one disk"),
                           found.live):
        lines.append(f"| {what} | {sorted(taken)[len(taken) // 2]:.3f} | {min(taken):.3f} |")
    return lines


def test_reads_are_fewer_than_one_per_field(measured: Measured) -> None:
    readers = measured.readers["idle"]
    assert 2 * readers[f"core, gdb, {OURS}"].reads < readers["core, gdb, gdb.Value"].reads
    assert readers[f"core, gdb, {OURS}"].reads == readers[f"core, drgn, {OURS}"].reads


def test_faster_than_readers_of_single_fields(measured: Measured) -> None:
    """Though they gather less: see README.md for requests that are held."""
    readers = measured.readers["idle"]
    ours = readers[f"core, gdb, {OURS}"].cpu
    for other, times in (("core, gdb, gdb.Value", 1.5), ("core, gdb, gdb expressions", 1.5), ("live, QMP, vqcheck", 3)):
        assert readers[other].cpu > times * ours, other


def test_qemu_stands_still_for_less_than_promised(measured: Measured) -> None:
    """By the best of several: whatever else the machine does makes it longer, and nothing makes it shorter."""
    assert min(measured.live.pauses) < PROMISED_PAUSE
