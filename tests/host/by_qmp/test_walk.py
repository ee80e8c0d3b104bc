"""The walker on conversations with real QEMUs (tests/data/qmp), played back."""
import json
import re

import jsonschema
import pytest

from tests.qmp_transcript import FOLDER, Recorder, Replay, load
from vqcheck.host.by_qmp.allowed import BLOCK_COMMANDS, COMMANDS
from vqcheck.host.by_qmp.careful import Careful
from vqcheck.host.by_qmp.snapshot import take
from vqcheck.render import host_text
from vqcheck.snapshot.read import read
from vqcheck.snapshot.schema import schema
from vqcheck.snapshot.write import to_json
from vqcheck.virtio.features import feature_names

NAMES = sorted(path.name[:-len(".jsonl.gz")] for path in FOLDER.glob("*.jsonl.gz"))
WITH_BLOCK = [name for name in NAMES if "devices" in name or "lost-kick" in name]


def walk(name, device=None, block=None):
    return take(Careful(Replay(load(name)), name in WITH_BLOCK if block is None else block), device, "qmp")


def device_of(snapshot, name):
    return next(one for one in snapshot.devices if one.name == name)


def answers(name, command, **arguments):
    """What a QEMU answered to a question, as it is written down."""
    return [one["return"] for one in load(name) if one["execute"] == command
            and arguments.items() <= one["arguments"].items()]


def test_the_conversations_are_there():
    assert len(NAMES) == 10


@pytest.mark.parametrize("name", NAMES)
def test_a_snapshot_comes_of_it_that_reads_back(name):
    device = "virtio-disk1" if "lost-kick" in name or "microvm" in name else None
    snapshot = walk(name, device)
    jsonschema.validate(json.loads(to_json(snapshot)), schema())
    assert read(to_json(snapshot).encode()) == snapshot
    assert snapshot.devices
    for detail in (False, True):
        assert host_text.show(snapshot, detail).isascii()


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_allowed_was_ever_asked(name):
    asked = {one["execute"] for one in load(name)}
    assert asked <= set(COMMANDS) | (set(BLOCK_COMMANDS) if name in WITH_BLOCK else set())


@pytest.mark.parametrize("name", ["7.2-lost-kick", "7.2-lost-kick-s390x", "10.0-lost-kick"])
def test_a_hung_disk_is_what_qemu_said(name):
    (disk,) = walk(name, "virtio-disk1").devices
    (queue,) = disk.queues
    said = answers(name, "x-query-virtio-queue-status")
    assert len(said) == 2 and said[0] == said[1], "it does not move"
    state, rings = queue.device, queue.rings
    assert (state.last_avail_idx, state.shadow_avail_idx, state.used_idx, state.signalled_used, state.inuse,
            state.signalled_used_valid, state.num_default) == tuple(said[0][member] for member in (
                "last-avail-idx", "shadow-avail-idx", "used-idx", "signalled-used", "inuse", "signalled-used-valid",
                "vring-num-default"))
    assert (queue.size, rings.desc, rings.avail, rings.used, rings.space) == (
        said[0]["vring-num"], said[0]["vring-desc"], said[0]["vring-avail"], said[0]["vring-used"], "physical")
    assert len(queue.available) == 4 == (queue.ring.avail_idx - state.last_avail_idx) & 0xFFFF
    assert [one.idx for one in queue.available] == [(state.last_avail_idx + step) & 0xFFFF for step in range(4)]
    assert queue.ring.used_idx == state.used_idx == state.last_avail_idx
    assert queue.held.requests == [] and queue.held.complete
    assert queue.role == "request" and queue.layout == "split"


def test_the_ring_is_what_the_monitor_printed():
    (queue,) = walk("7.2-lost-kick", "virtio-disk1").devices[0].queues
    line = answers("7.2-lost-kick", "human-monitor-command",
                   **{"command-line": f"xp /4xb {int(queue.rings.avail):#x}"})[0]
    low, high = re.findall(r"0x(..)", line)[2:4]
    assert queue.ring.avail_idx == int(high + low, 16)
    assert queue.ring.avail_flags == 0 and queue.ring.used_flags == 0
    assert queue.ring.avail_event == queue.device.last_avail_idx, "a kick was due for the first that waits"


def test_qemu_10_2_tells_more():
    snapshot = walk("10.2-devices-split")
    assert snapshot.producer.debugger == "QMP of QEMU 10.2.2" and snapshot.qemu.accelerator == "tcg"
    assert "PERSISTENT_SUSPEND" in feature_names(int(device_of(snapshot, "mem0").features.offered), 24)


def test_which_vm_it_is():
    snapshot = walk("10.0-lost-kick", "virtio-disk1")
    target = snapshot.target
    assert (target.kind, target.name, target.release, target.machine, target.uuid) == (
        "qemu", "vqcheck-lab", "pc-q35-10.0", "x86_64", "5ca1ab1e-0000-4000-8000-76716368656b")
    assert snapshot.producer.debugger == "QMP of QEMU 10.0.13"
    assert (snapshot.capture.method, snapshot.capture.source, snapshot.capture.pause_ns) == ("live", "qmp", 0)
    assert snapshot.capture.clock_ns is None and snapshot.capture.absent["clock_ns"] == "QMP does not tell it"
    assert snapshot.qemu.run_state == "running" and snapshot.qemu.incoming == "none"
    assert [(one.name, one.poll_max_ns) for one in snapshot.qemu.loops] == [("iothread1", 0)]
    assert sorted(one.role for one in snapshot.threads) == ["iothread iothread1", "vcpu 0", "vcpu 1"]


def test_what_qmp_does_not_tell_is_absent_and_never_zero():
    (disk,) = walk("7.2-lost-kick", "virtio-disk1").devices
    (queue,) = disk.queues
    for record, fields in ((queue.device, ("address", "notification", "enabled")),
                           (queue.notify, ("vector", "msix", "context", "thread", "polling", "route")),
                           (queue.notify.host_notifier, ("fd", "enabled", "eventfd_count", "handler")),
                           (disk.host, ("address", "ioeventfd_started", "intx"))):
        for field in fields:
            assert getattr(record, field) is None
            assert record.absent[field] == "QMP does not tell it", field
    assert queue.device.absent["used_wrap_counter"] == "not applicable: the ring is split"


def test_the_block_layer_is_asked_only_if_wanted():
    asked = Recorder(Replay(load("7.2-lost-kick")))
    (disk,) = take(Careful(asked), "virtio-disk1").devices
    assert disk.host.block is None and "--block" in disk.host.absent["block"]
    assert not set(BLOCK_COMMANDS) & {one["execute"] for one in asked.entries}
    block = walk("7.2-lost-kick", "virtio-disk1").devices[0].host.block
    assert (block.node, block.format, block.iostatus, block.throttling) == ("disk1", "raw", "ok", [])
    assert [(one.node, one.driver) for one in block.nodes] == [("disk1", "raw"), ("debug1", "blkdebug"),
                                                               ("file1", "file")]
    assert block.completed > 0 and block.failed == 0
    assert block.in_flight is None and block.absent["in_flight"] == "QMP does not tell it"


DEVICES = ["virtio-disk0", "virtio-disk1", "scsi0", "nic0", "serial0", "rng0", "balloon0", "keyboard0", "mouse0",
           "tablet0", "gpu0", "crypto0", "plan9", "pmem0", "mem0", "iommu0", "rng1", "rng2", "vsock0", "fs0"]


@pytest.mark.parametrize("name", ["7.2-devices-split", "10.0-devices-packed", "10.2-devices-split"])
def test_every_device(name):
    snapshot = walk(name)
    assert [one.name for one in snapshot.devices] == DEVICES, "by bus address, as QEMU lists them in no order"
    assert [one.bus.address for one in snapshot.devices] == [f"0000:00:{slot:02x}.0" for slot in range(1, 21)]
    assert {one.type for one in snapshot.devices} == {
        "blk", "scsi", "net", "console", "rng", "balloon", "input", "gpu", "crypto", "9p", "pmem", "mem", "iommu",
        "vsock", "fs"}
    known = [one for one in snapshot.devices if one.name not in ("vsock0", "fs0")]
    assert all(one.features is not None and one.features.offered is not None for one in known)
    assert all(one.status is not None for one in known)


@pytest.mark.parametrize("name", ["7.2-devices-split", "10.0-devices-packed", "10.2-devices-split"])
def test_what_another_process_serves(name):
    snapshot = walk(name)
    for device, count in (("vsock0", 2), ("fs0", 3)):
        found = device_of(snapshot, device)
        assert found.features is None and found.status is None
        assert "can end a QEMU" in found.absent["features"] and "could stop a ring" in found.absent["queues"]
        assert found.host.vhost_started is True
        assert [(one.backend, one.started, one.nvqs) for one in found.host.vhost] == [("user", True, count)]
        assert len(found.queues) == count
        for queue in found.queues:
            assert queue.device is None and queue.held is None and queue.available is None
            assert queue.rings.desc and queue.notify.vhost.desc and queue.notify.vhost.num == queue.size
            assert (queue.ring is None) == ("packed" in name) == (queue.packed is not None)
    paths = [one["arguments"]["path"] for one in load(name)
             if one["execute"] in ("x-query-virtio-status", "x-query-virtio-queue-status")]
    assert paths and not [path for path in paths if "vsock0" in path or "fs0" in path]


def test_packed_rings_have_event_areas_and_positions_without_wrap_counters():
    (queue, *_) = device_of(walk("10.0-devices-packed"), "virtio-disk1").queues
    assert queue.layout == "packed" and queue.ring is None
    assert queue.packed.driver_event is not None and queue.packed.device_event is not None
    assert queue.device.last_avail_idx is not None and queue.device.last_avail_wrap_counter is None
    assert "wrap counters" in queue.packed.absent["descriptors"] and "wrap counters" in queue.absent["available"]


def test_rings_behind_an_iommu_are_not_read():
    (queue,) = device_of(walk("7.2-devices-split"), "rng1").queues
    assert queue.rings.space == "iova" and queue.ring is None and "IOMMU" in queue.absent["ring"]


@pytest.mark.parametrize("name, device, peer", [("7.2-devices-split", "nic0", "net0"),
                                                ("7.2-vhost-user-net", "nic0", "peer"),
                                                ("10.0-vhost-user-net", "nic1", "slirp")])
def test_backends_of_a_card(name, device, peer):
    host = device_of(walk(name), device).host
    (client,) = host.net
    assert (client.pair, client.peer, client.packets_waiting) == (0, peer, None)
    assert client.absent["packets_waiting"] == "QMP does not tell it"


def test_disks_of_a_host_adapter():
    disks = device_of(walk("7.2-devices-split"), "scsi0").host.disks
    assert [(one.qom_path, one.channel, one.target, one.lun, one.block.node) for one in disks] == [
        ("/machine/peripheral-anon/device[1]", 0, 0, 0, "disk2"),
        ("/machine/peripheral-anon/device[2]", 0, 1, 0, "disk3")]
    assert [one.node for one in disks[1].block.throttling] == ["disk3"], "a throttle node in the disk's graph"
    plain = device_of(walk("7.2-devices-split", block=False), "scsi0").host.disks
    assert [one.block for one in plain] == [None, None] and "--block" in plain[0].absent["block"]


@pytest.mark.parametrize("name", ["7.2-vhost-user-net", "10.0-vhost-user-net"])
def test_a_card_that_vhost_user_may_come_to_serve(name):
    served, own = walk(name).devices
    assert served.queues == [] and "could stop a ring of vhost-user" in served.absent["queues"]
    assert served.host.vhost_started is False and len(own.queues) == 3
    paths = [one["arguments"]["path"] for one in load(name) if one["execute"] == "x-query-virtio-queue-status"]
    assert paths and not [path for path in paths if "nic0" in path]


def test_devices_behind_bridges_and_without_ids():
    snapshot = walk("7.2-bridges")
    assert [one.bus.address for one in snapshot.devices] == ["0000:01:07.0", "0000:02:09.0"]
    assert [one.name for one in snapshot.devices] == [one.host.qom_path for one in snapshot.devices]
    assert [one.host.qdev_id for one in snapshot.devices] == [None, None]
    assert "without -name" in snapshot.target.absent["name"] and "without -uuid" in snapshot.target.absent["uuid"]


def test_virtio_mmio():
    (disk,) = walk("7.2-microvm", "virtio-disk1").devices
    assert disk.bus.type == "mmio" and int(disk.bus.address, 16) >= 0xfeb00000
    assert disk.host.qom_path == "/machine/peripheral/virtio-disk1"
