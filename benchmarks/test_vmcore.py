"""`vqcheck vmcore` against `cp --sparse=always` of the same bytes, with half of them zeros that gcore wrote out.

Needs a QEMU of the lab's, no guest: its memory is filled from outside.  Rounds alternate, and both read what is in the
page cache.  Judged is the time of the processor: that on the wall is also other people's.  Prints the table of
README.md.
"""
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time
from typing import List, NamedTuple, Sequence

import pytest

from tests.lab.paused import Paused
from tests.target.vmcore.test_find_info import RELEASE, UTS
from tests.target.vmcore.test_find_info import info as vmcoreinfo_text
from vqcheck.target.files.core_map import held, read_core_map
from vqcheck.target.vmcore import notes

pytestmark = pytest.mark.lab

SIZES_MB = (512, 2048)
ROUNDS = 3
CHUNK = 1 << 20
PROMISED_RATIO = 2.0
"""At most so many times as long as cp takes."""
PROMISED_MEMORY = 200 << 20
"""Bytes: what drgn takes for QEMU's debug information, and nothing that grows with the guest."""


class Taken(NamedTuple):
    """What a program took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of the processor, those in the kernel included."""
    resident: int
    """The most RAM that it had, in bytes."""


def run(words: Sequence[str]) -> Taken:
    """Run a program and measure it, as a shell that was asked for it would."""
    start = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return Taken(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)


def fill(qemu: Paused, size: int) -> None:
    """Every second mebibyte holds something: pages that the kernel has been given are in cores, zeros or not."""
    noise = os.urandom(CHUNK)
    for at in range(0, size, CHUNK):
        qemu.write(at, noise if at // CHUNK % 2 else bytes(CHUNK))
    # What makes a kernel, so that it is not searched for in vain.
    qemu.write(0x5000, notes.vmcoreinfo(vmcoreinfo_text(0x20000)))
    qemu.write(UTS, b"".join(word.ljust(65, b"\0") for word in (b"Linux", b"guest", RELEASE.encode())))


def only_memory(core: pathlib.Path, size: int, path: pathlib.Path) -> None:
    """The guest's memory alone, as a file to be copied."""
    every = read_core_map(str(core))
    (ram,) = [one for one in every.segments if one.in_file == size]
    (piece,) = held(every, ram.address, size)
    with open(core, "rb") as source, open(path, "wb") as out:
        source.seek(piece.offset)
        shutil.copyfileobj(source, out, CHUNK)
        out.truncate(size)


def copied(source: pathlib.Path, target: pathlib.Path) -> List[str]:
    """The words of a copy."""
    return ["cp", "--sparse=always", "--reflink=never", str(source), str(target)]


def timed(source: List[str], target: pathlib.Path) -> Taken:
    """One run, onto nothing."""
    target.unlink(missing_ok=True)
    return run(source)


@pytest.mark.parametrize("megabytes", SIZES_MB)
def test_against_cp(megabytes: int, tmp_path: pathlib.Path) -> None:
    size = megabytes << 20
    with Paused(tmp_path, "-machine", "q35,memory-backend=ram", "-m", str(megabytes), "-object",
                f"memory-backend-memfd,id=ram,size={size},share=on") as qemu:
        fill(qemu, size)
        core = qemu.core()
    plain, copy, dump = tmp_path / "ram", tmp_path / "copy", tmp_path / "dump"
    only_memory(core, size, plain)
    ours_words = [sys.executable, "-m", "vqcheck", "vmcore", "--core", str(core), "-o", str(dump)]
    host_words = [sys.executable, "-m", "vqcheck", "host", "--core", str(core)]
    ours, cp, start = [], [], []
    for _ in range(ROUNDS):
        ours.append(timed(ours_words, dump))
        cp.append(timed(copied(plain, copy), copy))
        start.append(run(host_words))  # what comes before the copying: Python, drgn, QEMU's debug information
    assert dump.stat().st_blocks * 512 < size * 0.55 and copy.stat().st_blocks * 512 < size * 0.55
    took, theirs, before = (statistics.median(one.cpu for one in many) for many in (ours, cp, start))
    wall = {name: statistics.median(one.wall for one in many) for name, many in (("ours", ours), ("cp", cp))}
    resident = max(one.resident for one in ours)
    print(f"\n| {megabytes} MiB | {wall['ours']:.2f} | {wall['cp']:.2f} | {took:.2f} | {before:.2f} | {theirs:.2f} | "
          f"{(took - before) / theirs:.1f} | {resident >> 20} |")
    assert took - before < PROMISED_RATIO * theirs
    assert resident < PROMISED_MEMORY


def test_the_memory_does_not_grow_with_the_guest(tmp_path: pathlib.Path) -> None:
    """16 GiB of memory, of which hardly any is there."""
    with Paused(tmp_path, "-machine", "q35,memory-backend=ram", "-m", "16384", "-object",
                "memory-backend-memfd,id=ram,size=16G,share=on") as qemu:
        qemu.stop()
        taken = run([sys.executable, "-m", "vqcheck", "vmcore", "--pid", str(qemu.pid), "-o", str(tmp_path / "dump")])
    print(f"\n| 16384 MiB, empty, --pid | {taken.wall:.2f} | resident {taken.resident >> 20} MiB |")
    assert taken.resident < PROMISED_MEMORY and re.fullmatch("dump", (tmp_path / "dump").name)
