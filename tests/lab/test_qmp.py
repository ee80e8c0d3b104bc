"""`vqcheck host --qmp` on real QEMUs: against what gdb reads of the same, and that it leaves no trace.

`make record` keeps the conversations in tests/data/qmp.
"""
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

import jsonschema
import pytest

from tests.alike import differences, known
from tests.qmp_transcript import Recorder, save
from vqcheck.check.judge import judge
from vqcheck.cli.qmp import connected
from vqcheck.host.by_qmp.careful import Careful
from vqcheck.host.by_qmp.snapshot import take as take_by_qmp
from vqcheck.snapshot.model import Device, Snapshot
from vqcheck.snapshot.schema import schema
from vqcheck.snapshot.write import to_json

from . import debugger, inject, sides
from .bare import Bare
from .capture import Capture, take
from .keep import keep
from .kernel import DEFAULT
from .options import Options
from .qmp import Qmp
from .sides import ROOT
from .thread import stopped
from .vhost_user import GET_VRING_BASE, KINDS, Backend
from .vm import Machine

pytestmark = pytest.mark.lab

PATIENT = 120.0
"""Seconds for an answer: this machine may be busy with much else."""

BOTH = pytest.mark.parametrize("qemu", ["7.2", "10.0"])


@pytest.fixture(name="directory")
def _directory() -> Iterator[pathlib.Path]:
    path = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    yield path
    shutil.rmtree(path)


class Asked(NamedTuple):
    """A walk over QMP."""

    snapshot: Snapshot
    commands: List[str]
    seconds: float


def ask(machine: Machine, device: Optional[str] = None, block: bool = False, record: str = "") -> Asked:
    """The host's side over the machine's free QMP socket; `record` names the conversation, if it is to be kept."""
    with connected(str(machine.free_qmp), PATIENT) as connection:
        recorder = Recorder(connection)
        begun = time.monotonic()
        snapshot = take_by_qmp(Careful(recorder, block), device, "qmp")
        seconds = time.monotonic() - begun
    if record:
        file = machine.directory / "qmp.jsonl.gz"
        save(file, recorder.entries, hide=str(machine.directory))
        keep("qmp", {f"{record}.jsonl.gz": file})
    jsonschema.validate(json.loads(to_json(snapshot)), schema())
    return Asked(snapshot, [one["execute"] for one in recorder.entries], seconds)


def by_gdb(machine: Machine, device: str) -> Snapshot:
    """The same by gdb on the live process; of all devices for ""."""
    debugger.run(machine, "look", sides.live_commands(machine.directory, device))
    return sides.live(machine.directory).snapshot


def vqcheck(*words: object) -> "subprocess.CompletedProcess[str]":
    """The command as a user runs it."""
    return subprocess.run([sys.executable, "-m", "vqcheck", "host", *map(str, words)], cwd=ROOT, capture_output=True,
                          text=True, timeout=300, check=False)


def standing_still(before: Snapshot, after: Snapshot) -> Snapshot:
    """The first of two snapshots, with those devices only that were the same in the second."""
    later = {device.name: device for device in after.devices}
    return before._replace(devices=[one for one in before.devices if later[one.name] == one])


# A hung disk.

TOLD_OF_A_DISK = {
    "devices[].queues[].ring.avail_idx", "devices[].queues[].ring.used_event", "devices[].queues[].ring.avail_event",
    "devices[].queues[].device.last_avail_idx", "devices[].queues[].device.shadow_avail_idx",
    "devices[].queues[].device.used_idx", "devices[].queues[].device.signalled_used",
    "devices[].queues[].device.signalled_used_valid", "devices[].queues[].device.inuse",
    "devices[].queues[].available[].head", "devices[].queues[].rings.desc", "devices[].queues[].layout",
    "devices[].bus.address", "devices[].status", "devices[].features.negotiated", "devices[].features.offered",
    "devices[].host.qom_path", "devices[].host.vhost_started", "devices[].host.isr", "target.uuid", "target.release",
    "target.machine", "qemu.run_state", "threads[].role", "devices[].host.block.completed",
    "devices[].host.block.iostatus", "devices[].host.block.filename", "devices[].host.block.nodes[].driver",
}


@pytest.mark.parametrize("qemu, kernel", [("7.2", DEFAULT), ("10.0", DEFAULT),
                                          pytest.param("7.2", "6.1-s390x", marks=pytest.mark.matrix)])
def test_a_lost_kick_as_gdb_reads_it(directory: pathlib.Path, qemu: str, kernel: str) -> None:
    with Machine(directory, Options(qemu=qemu, kernel=kernel)) as machine:
        machine.wait_load()
        inject.lost_kick(machine)
        name = f"{qemu}-lost-kick" if kernel == DEFAULT else f"{qemu}-lost-kick-s390x"
        asked = ask(machine, "virtio-disk1", block=True, record=name)
        witness = by_gdb(machine, "virtio-disk1")
        capture = take(machine)
    assert asked.snapshot.capture.warnings is None, "a hung queue does not move"
    assert not list(differences(asked.snapshot, witness))
    assert set(known(asked.snapshot)) >= TOLD_OF_A_DISK
    assert set(known(asked.snapshot)) <= set(known(witness)), "it knows more than who reads QEMU's memory"
    print(f"QEMU {qemu}: {len(asked.commands)} commands, {asked.seconds:.2f} s")
    assert faults(capture, asked.snapshot) == faults(capture, witness) == ["lost-kick"]


def faults(capture: Capture, host: Snapshot) -> List[str]:
    """What is found wrong with the disk by the guest's memory and a snapshot of the host's side."""
    verdict = judge(sides.guest_by_drgn(capture).snapshot, host)
    found = [finding for queue in verdict.queues for finding in queue.findings]
    print(f"{host.producer.debugger}: {verdict.headline}", [(one.slug, one.certainty, one.confidence) for one in found])
    return [one.slug for one in found]


@pytest.mark.parametrize("hang", [inject.lost_interrupt, inject.lost_interrupt_eventfd])
def test_a_lost_interrupt_is_called_so(directory: pathlib.Path, hang: Callable[[Machine], int]) -> None:
    with Machine(directory) as machine:
        machine.wait_load()
        hang(machine)
        asked = ask(machine, "virtio-disk1")
        capture = take(machine)
    assert faults(capture, asked.snapshot) == ["lost-interrupt"]


# Every device.

@pytest.mark.parametrize("qemu, packed", [("7.2", False), ("10.0", True)])
def test_every_device_as_gdb_reads_it_and_no_ring_is_stopped(directory: pathlib.Path, qemu: str, packed: bool) -> None:
    options = Options(qemu=qemu, packed=packed, devices=True, queues=2, memory_mb=256, idle=True)
    with Machine(directory, options) as machine:
        machine.wait("end of the bursts", lambda: min(machine.truth().writers) >= 8)
        name = f"{qemu}-devices-{'packed' if packed else 'split'}"
        before = ask(machine, block=True, record=name)
        witness = by_gdb(machine, "")
        after = ask(machine, block=True)
        alone = ask(machine)
        requests = [request for backend in machine.backends for request in backend.requests]
    print(f"{name}: {len(alone.snapshot.devices)} devices, {len(alone.commands)} commands, {alone.seconds:.2f} s")
    assert requests, "the backends were not talked to at all"
    assert GET_VRING_BASE not in requests, "a ring of vhost-user's was stopped"
    still = standing_still(before.snapshot, after.snapshot)
    assert len(still.devices) >= 15, f"too much moves: {[one.name for one in still.devices]}"
    assert not list(differences(still, witness))
    assert {one.name for one in before.snapshot.devices} == {one.name for one in witness.devices}
    check_vhost({one.name: one for one in before.snapshot.devices})
    assert "x-query-virtio-queue-element" not in before.commands + alone.commands
    assert not [one for one in alone.commands if one.startswith(("query-block", "query-named-block"))]


def check_vhost(devices: Dict[str, Device]) -> None:
    """Of what another process serves there are rings, and nothing that would be of QEMU's own indexes."""
    for name in ("vsock0", "fs0"):
        host, queues = devices[name].host, devices[name].queues
        assert host is not None and host.vhost_started is True and host.vhost and host.vhost[0].backend == "user"
        assert queues and all(one.rings and one.device is None and one.available is None for one in queues)
        assert all((one.ring or one.packed) is not None for one in queues)


# What hangs.

@BOTH
def test_a_block_layer_that_is_stuck_and_then_a_main_loop(directory: pathlib.Path, qemu: str) -> None:
    with Machine(directory, Options(qemu=qemu)) as machine:
        machine.wait_load()
        inject.backend_stuck(machine)
        machine.wait_load()
        for block in (False, True):
            (disk,) = ask(machine, "virtio-disk1", block).snapshot.devices
            assert disk.host is not None and (disk.host.block is not None) == block
        # A drain waits for the suspended request, and the main loop with it.
        machine.qmp.send("stop")
        time.sleep(2)
        done = vqcheck("--qmp", machine.free_qmp, "--timeout", "5")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f"vqcheck: QEMU does not answer on {machine.free_qmp} within 5 s: its main loop or the big "
                           "lock is stuck; read it with `vqcheck host --pid`\n")


@BOTH
def test_an_iothread_that_is_stuck_does_no_harm(directory: pathlib.Path, qemu: str) -> None:
    with Machine(directory, Options(qemu=qemu)) as machine:
        machine.wait_load()
        iothread = machine.qmp.command("query-iothreads")[0]["thread-id"]
        with stopped(iothread):
            asked = ask(machine, "virtio-disk1")
            assert machine.qmp.command("query-status")["status"] == "running", "the main loop still answers"
        assert asked.snapshot.devices[0].queues[0].device is not None


def test_a_socket_that_somebody_else_has(directory: pathlib.Path) -> None:
    with Machine(directory) as machine:
        other = socket.socket(socket.AF_UNIX)
        with other:
            other.connect(str(machine.free_qmp))
            assert b"QMP" in other.recv(1000)
            done = vqcheck("--qmp", machine.free_qmp, "--timeout", "3")
        assert done.returncode == 2
        assert done.stderr.startswith(f"vqcheck: nobody greets on {machine.free_qmp} within 3 s: such a socket takes "
                                      "one client at a time, and somebody else may have it")
        done = vqcheck("--qmp", machine.monitor, "--timeout", "20")
        assert done.returncode == 2
        assert "does not speak QMP (a human monitor, perhaps)" in done.stderr


# Where devices are.

BEHIND_BRIDGES = ["-machine", "pc", "-object", "rng-random,id=random,filename=/dev/urandom",
                  "-device", "pci-bridge,id=b1,chassis_nr=1,addr=4", "-device", "pci-bridge,chassis_nr=2,bus=b1,addr=2",
                  "-device", "virtio-rng-pci,rng=random,bus=b1,addr=7",
                  "-device", "virtio-rng-pci,rng=random,bus=pci.1,addr=9"]


def test_devices_without_an_id_behind_bridges_without_one(directory: pathlib.Path) -> None:
    with Bare(BEHIND_BRIDGES) as bare:
        qmp = Qmp(bare.qmp)
        deadline = time.monotonic() + PATIENT
        while "secondary bus 2." not in qmp.human("info pci") and time.monotonic() < deadline:
            time.sleep(0.5)
        qmp.close()
        with connected(str(bare.qmp), PATIENT) as connection:
            recorder = Recorder(connection)
            snapshot = take_by_qmp(Careful(recorder))
    save(directory / "bridges.jsonl.gz", recorder.entries)
    keep("qmp", {"7.2-bridges.jsonl.gz": directory / "bridges.jsonl.gz"})
    assert [one.bus and one.bus.address for one in snapshot.devices] == ["0000:01:07.0", "0000:02:09.0"]


def test_a_device_on_virtio_mmio(directory: pathlib.Path) -> None:
    with Machine(directory, Options(platform="microvm", devices=True, memory_mb=256)) as machine:
        (asked,) = ask(machine, "virtio-disk1", record="7.2-microvm").snapshot.devices
        (witness,) = by_gdb(machine, machine.backend).devices
    assert asked.bus == witness.bus and asked.bus is not None and asked.bus.type == "mmio"
    assert asked.host is not None and asked.host.qom_path == machine.backend


@BOTH
def test_a_card_that_vhost_user_may_come_to_serve(directory: pathlib.Path, qemu: str) -> None:
    backend = Backend(directory / "net", KINDS["net"])
    words = ["-machine", "pc,memory-backend=ram", "-object", "memory-backend-memfd,id=ram,size=128M,share=on",
             "-chardev", f"socket,id=end,path={directory / 'net'}", "-netdev", "vhost-user,id=peer,chardev=end",
             "-device", "virtio-net-pci,id=nic0,netdev=peer,romfile=",
             "-netdev", "user,id=slirp", "-device", "virtio-net-pci,id=nic1,netdev=slirp,romfile="]
    with Bare(words, qemu) as bare, connected(str(bare.qmp), PATIENT) as connection:
        recorder = Recorder(connection)
        snapshot = take_by_qmp(Careful(recorder))
        save(directory / "net.jsonl.gz", recorder.entries, hide=str(directory))
        assert bare.alive
    keep("qmp", {f"{qemu}-vhost-user-net.jsonl.gz": directory / "net.jsonl.gz"})
    served, own = snapshot.devices
    assert served.queues == [] and "could stop a ring of vhost-user" in served.absent["queues"]
    assert served.features is not None and served.host is not None and served.host.vhost_started is False
    assert len(own.queues) == 3
    asked = [one["arguments"]["path"] for one in recorder.entries if one["execute"] == "x-query-virtio-queue-status"]
    assert asked and not [path for path in asked if "nic0" in path]
    assert backend.requests and GET_VRING_BASE not in backend.requests


def test_no_virtio_device_at_all() -> None:
    for qemu in ("7.2", "10.0"):
        with Bare(["-machine", "pc"], qemu) as bare, connected(str(bare.qmp), PATIENT) as connection:
            assert take_by_qmp(Careful(connection)).devices == []
