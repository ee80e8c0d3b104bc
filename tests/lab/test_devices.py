"""Every virtio device of real QEMUs, found both ways: by the handlers of run-state changes, and by the tree of buses.

No guest is needed: a device registers for run-state changes, and hangs on its bus, as soon as QEMU has made it.
"""
import contextlib
import pathlib
import tempfile
from typing import Callable, Iterator, List, NamedTuple, Set

import pytest

from vqcheck.host.devices import by_buses, by_run_state_handlers
from vqcheck.target.target import Target
from vqcheck.target.view import View

from . import devices, disks, qemu_build, sides
from .bare import Bare
from .options import Options
from .qmp import Qmp
from .vhost_user import KINDS, Backend

pytestmark = pytest.mark.lab

PLATFORM = "q35"
DISKS = 2
"""virtio-disk0 and the disk under test."""
BRIDGE = ["-device", "pci-bridge,id=bridge,chassis_nr=1,addr=1e",
          "-device", "virtio-rng-pci,rng=random0,bus=bridge,addr=7"]
"""A device without an id, one bus further down than the others; the lab's 10.0 is built without bridges."""


class Made(NamedTuple):
    """A QEMU with every device."""
    target: Target
    paths: Set[str]
    """The places of its virtio devices in QEMU's tree of objects, as QMP knows them."""
    least: int
    """How many were asked for."""


def _qemus() -> List[object]:
    return [pytest.param(name, marks=() if name in ("7.2", "10.0") else pytest.mark.matrix)
            for name in qemu_build.SOURCES]


@pytest.fixture(scope="module", params=_qemus())
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    """Each QEMU in turn."""
    from vqcheck.target.by_drgn.process import open_pid  # noqa: PLC0415 - only the lab's environment has it
    qemu: str = request.param
    with _started(qemu) as bare:
        qmp = Qmp(bare.qmp)
        kinds = {one["name"] for one in qmp.command("qom-list-types", implements="virtio-device")}
        paths = set(_below(qmp, "/machine", kinds))
        qmp.close()
        yield Made(open_pid(bare.pid), paths, len(devices.of(PLATFORM, qemu)) + DISKS)


@contextlib.contextmanager
def _started(qemu: str) -> Iterator[Bare]:
    """A machine with every device that this QEMU can give it, some on a bus behind a bridge."""
    platform = devices.PLATFORMS[PLATFORM]
    with tempfile.TemporaryDirectory(prefix="vqcheck-lab-") as name:
        folder = pathlib.Path(name)
        there = devices.of(PLATFORM, qemu)
        ends = [Backend(folder / one.other_end, KINDS[one.other_end]) for one in there if one.other_end]
        words = ["-machine", f"{platform.machine},memory-backend=ram", "-m", f"256M{platform.more_memory}",
                 "-object", "memory-backend-memfd,id=ram,size=256M,share=on",
                 *disks.words(Options(devices=True), platform, folder),
                 *devices.words(PLATFORM, "", name, name, qemu), *(BRIDGE if _has_bridges(qemu) else ())]
        try:
            with Bare(words, qemu) as bare:
                yield bare
        finally:
            for end in ends:
                end.close()


def _has_bridges(qemu: str) -> bool:
    return 'name "pci-bridge"' in sides.run([str(qemu_build.qemu(qemu)), "-device", "help"], 60)


def _below(qmp: Qmp, path: str, kinds: Set[str]) -> Iterator[str]:
    """The paths of all objects of some kinds below one."""
    for one in qmp.command("qom-list", path=path):
        if one["type"].startswith("child<"):
            below = f"{path}/{one['name']}"
            if one["type"][len("child<"):-1] in kinds:
                yield below
            yield from _below(qmp, below, kinds)


def test_both_ways_find_the_same_devices(made: Made) -> None:
    by_handlers, by_tree = by_run_state_handlers(made.target), by_buses(made.target)
    assert sorted(by_handlers) == sorted(by_tree)
    assert len(set(by_handlers)) == len(by_handlers)


@pytest.mark.parametrize("way", [by_run_state_handlers, by_buses])
def test_they_are_those_that_qemu_names(made: Made, way: Callable[[Target], List[int]]) -> None:
    found = [View(made.target, "struct DeviceState", address).string("canonical_path") for address in way(made.target)]
    assert sorted(path or "?" for path in found) == sorted(made.paths)
    assert len(found) >= made.least
