"""The guest's walk against readers that ask for one field at a time: in crash, in PyKdump's double and in drgn.

Boots the guests of machines.py, or takes those that VQCHECK_BENCHMARK_DUMPS has.  Prints the table of README.md.
"""
import os
import pathlib
import re
import subprocess
import sys
from typing import Dict, List, NamedTuple

import pytest

from crash_ext.build import loader

from .machines import SHAPES, Dump, Shape, dump

pytestmark = pytest.mark.lab

ROOT = pathlib.Path(__file__).parents[1]
DOUBLE = ROOT / "tests" / "crash_ext" / "double" / "session.py"
SECONDS = 500
KIB = 1 << 10
PROMISED_MEMORY = 100 << 20
PROMISED_RATIO = 10
RESIDENT = "!grep VmRSS /proc/$PPID/status"


class Reader(NamedTuple):
    """What one reader took."""

    seconds: float
    reads: int
    bytes: int
    """0 where they are not counted."""


class Run(NamedTuple):
    """All readers in one debugger on one guest."""

    shape: Shape
    readers: Dict[str, Reader]
    memory: int
    """Bytes of RAM that the first walk took, over what the debugger had before."""

    @property
    def ours(self) -> Reader:
        return self.readers["vqcheck"]


@pytest.fixture(scope="module", params=SHAPES)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Run]:
    """Runs by debugger."""
    kept = os.environ.get("VQCHECK_BENCHMARK_DUMPS")
    folder = pathlib.Path(kept) if kept else tmp_path_factory.mktemp("dumps")
    guest = dump(request.param, folder)
    world = guest.vmcore.with_name("world")
    found = {"drgn": _drgn(guest, world), "crash": _crash(guest, tmp_path_factory.mktemp("crash")),
             "PyKdump's double": _double(guest, world)}
    print("\n" + table(request.param, found))
    return found


def _drgn(guest: Dump, world: pathlib.Path) -> Run:
    linux = guest.kernel
    output = _output([sys.executable, "-m", "benchmarks.in_drgn", str(guest.vmcore), str(linux.vmlinux),
                      str(linux.debug_modules), str(world)])
    return _run(guest, output, _number("grown", output))


def _crash(guest: Dump, folder: pathlib.Path) -> Run:
    """A crash whose loader finds the benchmark where it looks for `vqstate`."""
    package = folder / "crash_ext"
    package.mkdir()
    (package / "__init__.py").write_text(f"__path__.append({str(ROOT / 'crash_ext')!r})\n")
    (package / "loader_main.py").write_text(f"import sys\nsys.path.append({str(ROOT)!r})\n"
                                            "from benchmarks.in_crash import help_data, main\n")
    script = folder / "script"
    script.write_text(f"{RESIDENT}\nextend {loader()}\nvqstate\nquit\n")
    output = _output(["crash", "-s", "-i", str(script), str(guest.kernel.vmlinux), str(guest.vmcore)],
                     VQCHECK_MODULES=str(guest.kernel.debug_modules), VQCHECK_PATH=str(folder))
    before = re.search(r"VmRSS:\s+(\d+) kB", output)
    assert before, output
    return _run(guest, output, _number("resident", output) - int(before[1]) * KIB)


def _double(guest: Dump, world: pathlib.Path) -> Run:
    output = _output([sys.executable, "-E", "-S", str(DOUBLE), f"epython {ROOT / 'benchmarks' / 'in_double.py'}"],
                     DOUBLE_WORLD=str(world), DOUBLE_HIDE=str(ROOT), VQCHECK_MODULES="/nonexistent")
    return _run(guest, output, _number("grown", output))


def _output(command: List[str], **environment: str) -> str:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    output = done.stdout.decode(errors="replace")
    assert done.returncode == 0 and "MEASURED" in output, output
    return output


def _number(name: str, output: str) -> int:
    found = re.search(rf"^MEMORY.* {name}=(\d+)", output, re.MULTILINE)
    assert found, output
    return int(found[1])


def _run(guest: Dump, output: str, memory: int) -> Run:
    readers = {}
    for line in re.findall(r"^MEASURED (.*)$", output, re.MULTILINE):
        words = dict(word.split("=") for word in line.split())
        readers[words["reader"]] = Reader(float(words["seconds"]), int(words["reads"]), int(words.get("bytes", 0)))
    return Run(guest.shape, readers, memory)


def table(name: str, found: Dict[str, Run]) -> str:
    """The rows of README.md for one guest."""
    rows = []
    for debugger, run in found.items():
        queues = run.shape.disks * run.shape.queues
        for reader, took in run.readers.items():
            ratio = "" if took is run.ours else f"{took.seconds / run.ours.seconds:,.1f}"
            size = f"{took.bytes / queues:,.0f}" if took.bytes else ""
            memory = f"{run.memory / (1 << 20):.0f} MiB" if took is run.ours else ""
            rows.append(f"| {name} | {debugger} | {reader} | {1000 * took.seconds / queues:,.2f} | {ratio} "
                        f"| {took.reads / queues:,.0f} | {size} | {memory} |")
    return "\n".join(rows)


def test_memory(runs: Dict[str, Run]) -> None:
    for debugger, run in runs.items():
        assert run.memory < PROMISED_MEMORY, debugger


def test_reads_are_many_times_fewer_than_one_per_field(runs: Dict[str, Run]) -> None:
    for debugger, run in runs.items():
        for name, reader in run.readers.items():
            assert reader is run.ours or reader.reads > PROMISED_RATIO * run.ours.reads, (debugger, name)


def test_faster_than_readers_of_single_fields(runs: Dict[str, Run]) -> None:
    """In a full ring most of the time goes into the requests' records, and README.md says so."""
    for debugger, reader, many, full in (("crash", "gdb-expressions", PROMISED_RATIO, 5),
                                         ("crash", "readmem-per-field", 2, 0.8),
                                         ("drgn", "drgn-objects", 2, 1.2)):
        run = runs[debugger]
        least = many if run.shape.disks > 1 else full
        assert run.readers[reader].seconds > least * run.ours.seconds, reader
