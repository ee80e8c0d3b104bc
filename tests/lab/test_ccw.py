"""Channel devices (virtio-ccw) in a QEMU for s390x that never runs a guest, read in every way.

`make record` keeps what gdb read in tests/data/ccw.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Dict, Iterator, List, NamedTuple

import pytest

from vqcheck.snapshot.model import Device, Snapshot
from vqcheck.snapshot.read import read_file

from . import sides
from .keep import keep
from .paused import Paused
from .qmp import Qmp

pytestmark = [pytest.mark.lab, pytest.mark.matrix]

GIVEN = {"disk1": "fe.0.0001", "scsi1": "fe.1.00ab", "nic1": "fe.3.ffff", "serial1": "fe.0.beef", "rng1": "fe.0.0010"}
"""Of each device, but the last: <cssid>.<ssid>.<devno>, the ends of the ranges among them."""
BY_ITSELF = "balloon1"
"""The number of this one is left to QEMU."""

TYPES = {"disk1": "blk", "scsi1": "scsi", "nic1": "net", "serial1": "console", "rng1": "rng", "balloon1": "balloon"}

WORDS = ["-machine", "s390-ccw-virtio,memory-backend=ram", "-m", "64",
         "-object", "memory-backend-memfd,id=ram,size=64M,share=on", "-name", "vqcheck-lab",
         "-blockdev", "driver=null-co,node-name=node1,size=1048576", "-netdev", "user,id=net1",
         "-object", "rng-random,id=random1,filename=/dev/urandom",
         *(word for device in ("virtio-blk-ccw,id=disk1,drive=node1", "virtio-scsi-ccw,id=scsi1",
                               "virtio-net-ccw,id=nic1,netdev=net1", "virtio-serial-ccw,id=serial1",
                               "virtio-rng-ccw,id=rng1,rng=random1")
           for word in ("-device", f"{device},devno={GIVEN[device.split('id=')[1].split(',')[0]]}")),
         "-device", f"virtio-balloon-ccw,id={BY_ITSELF}"]


class Seen(NamedTuple):
    """One QEMU, read in three ways."""

    ways: Dict[str, Snapshot]
    numbers: Dict[str, str]
    """What QEMU itself calls each device, by its id: <cssid>.<ssid>.<devno>."""
    asked: Snapshot
    """One device, asked for by its number."""


@pytest.fixture(name="seen", scope="module")
def _seen() -> Iterator[Seen]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        with Paused(directory, *WORDS, target="s390x") as qemu:
            conversation = Qmp(qemu.socket)
            numbers = {name: conversation.command("qom-get", path=f"/machine/peripheral/{name}", property="dev_id")
                       for name in TYPES}
            conversation.close()
            ways = {"drgn": host(directory, "--pid", qemu.pid), "QMP": host(directory, "--qmp", qemu.socket),
                    "gdb": by_gdb(directory, qemu)}
            asked = host(directory, "--pid", qemu.pid, "0.1.00ab")
        keep("ccw", {"host.vqcap": directory / "host-live.vqcap"})
        yield Seen(ways, numbers, asked)
    finally:
        shutil.rmtree(directory)


def host(directory: pathlib.Path, *words: object) -> Snapshot:
    """What `vqcheck host` makes of it."""
    sides.run([sys.executable, "-m", "vqcheck", "host", *map(str, words), "-o", str(directory / "host.json")],
              sides.GDB_SECONDS)
    return read_file(str(directory / "host.json"))


def by_gdb(directory: pathlib.Path, qemu: Paused) -> Snapshot:
    """The same by vq-host, which makes a recording too."""
    words = [word for one in ["set debuginfod enabled off", *sides.live_commands(directory, "")]
             for word in ("-ex", one)]
    subprocess.run(["gdb", "-nx", "-p", str(qemu.pid), "-batch", *words], stdin=subprocess.DEVNULL, check=True,
                   stdout=subprocess.DEVNULL, timeout=sides.GDB_SECONDS)
    return sides.live(directory).snapshot


WAYS = pytest.mark.parametrize("way", ["drgn", "gdb", "QMP"])


def devices(seen: Seen, way: str) -> Dict[str, Device]:
    """Its devices by their qdev ids."""
    return {device.host.qdev_id or "": device for device in seen.ways[way].devices if device.host}


@WAYS
def test_every_device_is_found(seen: Seen, way: str) -> None:
    found = devices(seen, way)
    assert {name: device.type for name, device in found.items()} == TYPES
    for name, device in found.items():
        assert device.name == name and device.host
        assert device.host.qom_path == f"/machine/peripheral/{name}/virtio-backend"
        assert device.host.type and device.host.type.endswith("-device")


@WAYS
def test_each_sits_where_the_guest_would_have_it(seen: Seen, way: str) -> None:
    """Linux leaves out the channel subsystem, of which it sees but one."""
    for name, device in devices(seen, way).items():
        assert device.bus and device.bus.type == "ccw"
        assert seen.numbers[name] == GIVEN.get(name, seen.numbers[name])
        assert device.bus.address == seen.numbers[name].replace("fe.", "0.")


@WAYS
def test_the_machine_is_known(seen: Seen, way: str) -> None:
    found = seen.ways[way]
    assert found.target.machine == "s390x" and (found.target.release or "").startswith("s390-ccw-virtio-")
    assert found.target.name == "vqcheck-lab" and found.qemu and found.qemu.run_state == "prelaunch"
    assert found.qemu.accelerator == "tcg" or way == "QMP"


def test_a_device_is_asked_for_by_its_number(seen: Seen) -> None:
    assert [device.name for device in seen.asked.devices] == ["scsi1"]


@WAYS
def test_no_driver_has_come(seen: Seen, way: str) -> None:
    for device in devices(seen, way).values():
        assert device.status == 0 and device.queues
        for queue in device.queues:
            assert queue.rings is None and queue.device and queue.device.used_idx == 0
            assert queue.device.num_default or way == "QMP"


def test_the_byte_order_is_the_same_in_every_way(seen: Seen) -> None:
    told = [[device.host.byte_order for device in one.devices if device.host] for one in seen.ways.values()]
    assert told[0] == told[1] == told[2]


def test_gdb_and_drgn_agree(seen: Seen) -> None:
    assert seen.ways["gdb"].devices == seen.ways["drgn"].devices


def test_what_pci_alone_has_is_not_applicable(seen: Seen) -> None:
    told: List[str] = []
    for device in devices(seen, "gdb").values():
        assert device.host and device.host.intx is None
        told.append(device.host.absent["intx"])
        told += [queue.notify.absent["msix"] for queue in device.queues if queue.notify]
    assert set(told) == {"not applicable: channel devices have no interrupt line",
                         "not applicable: the device is on ccw, not on PCI"}
