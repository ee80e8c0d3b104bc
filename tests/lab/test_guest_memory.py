"""Guests' memory of every kind, in QEMUs that never run a guest: what cores lack of it, and where the guest has it."""
import pathlib
import re
from typing import Dict, List, Tuple

import pytest

from .dumps import Dumped, dump, refused
from .paused import Paused

pytestmark = pytest.mark.lab

BIOS = 0xFFFC0000

SMALL = ("-machine", "q35,memory-backend=ram", "-m", "64")
TAKES = "`set dump-excluded-mappings on` in gdb"
FILTER = "`echo 0x7f > /proc/PID/coredump_filter`"

LEFT_OUT: Dict[str, Tuple[List[str], str, str]] = {
    "dump-guest-core=off": (["-machine", "q35,dump-guest-core=off", "-m", "64"], "-machine dump-guest-core=off", TAKES),
    "a shared file": ([*SMALL, "-object", "memory-backend-file,id=ram,size=64M,mem-path={dir}/ram,share=on"],
                      "a file that QEMU maps with share=on", FILTER),
    "dump=off": ([*SMALL, "-object", "memory-backend-memfd,id=ram,size=64M,share=on,dump=off"],
                 "its memory backend has dump=off", TAKES),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_core_without_the_guests_memory_is_refused_and_the_way_out_works(name: str, tmp_path: pathlib.Path) -> None:
    words, reason, advice = LEFT_OUT[name]
    with Paused(tmp_path, *(word.format(dir=tmp_path) for word in words)) as qemu:
        core = qemu.core()
        for verb in ("vmcore", "inspect"):
            line = refused(verb, "--core", core, "-o", tmp_path / "out")
            assert f"{core}: the guest's memory is not in it: " in line and reason in line and advice in line
            assert "of a VM that still runs, --pid PID needs no core" in line
        core = qemu.core("set dump-excluded-mappings on") if advice == TAKES else qemu.core(coredump_filter="0x7f")
        by_core, by_pid = dump(tmp_path / "a", "--core", core), dump(tmp_path / "b", "--pid", qemu.pid)
    assert by_core.done.status == by_pid.done.status == 0, by_core.done.err + by_pid.done.err
    assert by_core.path.read_bytes() == by_pid.path.read_bytes()
    assert sum(size for physical, size, _ in by_core.loads() if physical < 64 << 20) > 63 << 20


def test_memory_in_huge_pages(tmp_path: pathlib.Path) -> None:
    """None are set aside for it, and none are used: the guest does not run."""
    with Paused(tmp_path, *SMALL, "-object",
                "memory-backend-memfd,id=ram,size=64M,share=on,hugetlb=on,reserve=off") as qemu:
        line = refused("vmcore", "--core", qemu.core(), "-o", tmp_path / "out")
        by_pid = dump(tmp_path / "out", "--pid", qemu.pid)
    assert "it is in huge pages of 2048 KiB, which cores leave out by default" in line and FILTER in line
    assert by_pid.done.status == 0 and sum(size for _, size, _ in by_pid.loads()) > 64 << 20


def test_a_drgn_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    import drgn  # noqa: PLC0415 - only the lab's environment has it

    from vqcheck.target.by_drgn import inside_qemu  # noqa: PLC0415
    from vqcheck.target.by_drgn.kernel import CannotOpen  # noqa: PLC0415
    from vqcheck.target.by_drgn.target import Caught  # noqa: PLC0415
    monkeypatch.setattr(drgn, "Program", lambda platform: object())
    guest = inside_qemu.Guest("x86_64", [], lambda at, size: b"", b"", False, "core",
                              Caught("core", "core", None, None, None))
    with pytest.raises(CannotOpen, match="0.3.0 or newer can: pip install --upgrade drgn"):
        inside_qemu.open_guest(guest, lambda memory: None)


def test_of_a_core_with_part_of_the_memory_the_rest_is_written(tmp_path: pathlib.Path) -> None:
    words = ["-machine", "q35", "-m", "96", "-object", "memory-backend-memfd,id=low,size=64M,share=on,dump=off",
             "-object", "memory-backend-ram,id=high,size=32M", "-numa", "node,memdev=low", "-numa", "node,memdev=high"]
    with Paused(tmp_path, *words) as qemu:
        found = dump(tmp_path / "out", "--core", qemu.core())
    assert found.done.status == 0
    note, *_ = found.done.err.splitlines()
    assert note.startswith(f"vqcheck vmcore: left out, as it is not in {tmp_path / 'qemu.core'}: guest memory at 0x0-")
    assert note.split(" (low)")[0].endswith("-0x3ffffff") and "its memory backend has dump=off" in note
    held = [(physical, size) for physical, size, _ in found.loads()]
    assert (64 << 20, 32 << 20) in held and not any(physical < 64 << 20 and size > 1 << 18 for physical, size in held)


def _memory_backend(name: str, size: str, more: str = "") -> List[str]:
    return ["-object", f"memory-backend-memfd,id={name},size={size},share=on{more}"]


MAPS: Dict[str, List[str]] = {
    "plain pc": ["-machine", "pc", "-m", "64"],
    "microvm": ["-machine", "microvm", "-m", "64"],
    "hot-pluggable": ["-machine", "q35,nvdimm=on", "-m", "64M,slots=4,maxmem=1G",
                      *_memory_backend("dimm", "16M"), "-device", "pc-dimm,memdev=dimm",
                      *_memory_backend("nv", "16M"), "-device", "nvdimm,memdev=nv",
                      *_memory_backend("pm", "16M"), "-device", "virtio-pmem-pci,memdev=pm",
                      *_memory_backend("vm", "64M"), "-device", "virtio-mem-pci,memdev=vm,requested-size=32M"],
    "two nodes": ["-machine", "q35", "-m", "64", *_memory_backend("a", "32M"), *_memory_backend("b", "32M"),
                  "-numa", "node,memdev=b", "-numa", "node,memdev=a"],
}


@pytest.mark.parametrize("name", MAPS)
def test_the_ranges_are_those_of_qemus_own_dump(name: str, tmp_path: pathlib.Path) -> None:
    with Paused(tmp_path, *MAPS[name]) as qemu:
        ours = dump(tmp_path / "ours", "--pid", qemu.pid)
        qemus = Dumped(qemu.qemus_dump(), ours.done)
    assert ours.done.status == 0, ours.done.err
    found, expected = ([(physical, size) for physical, size, _ in one.loads()] for one in (ours, qemus))
    assert found == expected and len(found) > 1
    for one, other in zip(ours.loads(), qemus.loads()):
        assert _bytes(ours, *one) == _bytes(qemus, *other)


def _bytes(dumped: Dumped, physical: int, size: int, offset: int) -> bytes:
    with open(dumped.path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def test_memory_above_four_gib_and_the_hole_below(tmp_path: pathlib.Path) -> None:
    """5 GiB of memory, three pages of which were ever written to: neither QEMU nor the dump has more afterwards."""
    below, above = 0xC0000000, 1 << 32
    marks = {0x5000: b"low", below - 0x1000: b"last below", below + 0x7000: b"above"}
    with Paused(tmp_path, "-machine", "pc,memory-backend=ram", "-m", "5120", "-object",
                "memory-backend-memfd,id=ram,size=5120M,share=on") as qemu:
        for offset, content in marks.items():
            qemu.write(offset, content)
        qemu.stop()
        found = dump(tmp_path / "out", "--pid", qemu.pid)
        resident = pathlib.Path(f"/proc/{qemu.pid}/status").read_text()
    assert found.done.status == 0, found.done.err
    places = {physical: (size, offset) for physical, size, offset in found.loads()}
    assert places[above][0] == 2 << 30 and max(physical + size for physical, (size, _) in places.items()
                                               if physical < BIOS) == below
    with open(found.path, "rb") as file:
        for physical, content in ((0x5000, b"low"), (below - 0x1000, b"last below"), (above + 0x7000, b"above")):
            start = max(one for one in places if one <= physical)
            file.seek(places[start][1] + physical - start)
            assert file.read(len(content)) == content
    assert found.path.stat().st_size > 5 << 30 and found.path.stat().st_blocks * 512 < 4 << 20
    shared = re.search(r"^RssShmem:\s+(\d+) kB", resident, re.MULTILINE)
    assert shared and int(shared[1]) < 4096
