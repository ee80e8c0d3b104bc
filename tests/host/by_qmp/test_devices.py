"""Which devices there are, which one a name means, and QEMUs that don't say."""
import pytest

from tests.host.by_qmp.answers import Each, Made, with_members
from tests.qmp_transcript import Recorder, Replay, load
from vqcheck.host.by_qmp.ask import Refused
from vqcheck.host.by_qmp.careful import Careful
from vqcheck.host.by_qmp.devices import devices
from vqcheck.host.by_qmp.snapshot import take
from vqcheck.target.errors import TargetError

ALL = "7.2-devices-split"
DISK = "/machine/peripheral/virtio-disk1"


def found(name, conversation=ALL):
    return [one.path for one in devices(Careful(Replay(load(conversation))), name)]


@pytest.mark.parametrize("name", ["virtio-disk1", DISK, f"{DISK}/virtio-backend", "disk1", "0000:00:02.0", "00:02.0",
                                  "1"])
def test_the_names_of_a_device(name):
    assert found(name) == [f"{DISK}/virtio-backend"]


def test_a_device_of_a_known_path_is_the_only_one_asked():
    asked = Recorder(Replay(load(ALL)))
    assert len(devices(Careful(asked), "virtio-disk1")) == 1
    assert len(asked.entries) == 6
    assert len(devices(Careful(asked), "00:02.0")) == 1
    assert len(asked.entries) > 60


def test_an_unknown_device():
    with pytest.raises(TargetError, match="no virtio device 'vdb'; its virtio devices: 0: virtio-disk0, 1: virtio-d"):
        found("vdb")


def test_a_name_of_two():
    twins = Each(lambda arguments: "twin")
    made = Made({"drive": twins}, ALL)
    with pytest.raises(TargetError, match="'twin' means 2 devices"):
        devices(Careful(made), "twin")


def test_a_qemu_without_the_commands():
    made = Made({"x-query-virtio": Refused("x-query-virtio", "CommandNotFound",
                                           "The command x-query-virtio has not been found"),
                 "query-version": with_members(qemu={"major": 5, "minor": 2, "micro": 0})})
    with pytest.raises(TargetError) as problem:
        take(Careful(made))
    assert str(problem.value) == (
        "QEMU 5.2.0 tells nothing of virtqueues over QMP, which it has done since 7.2 (The command x-query-virtio has "
        "not been found); read it with `vqcheck host --pid`")


@pytest.mark.parametrize("kind, text, devices_there", [
    ("GenericError", "No virtio devices found", []), ("GenericError", "Virtio is disabled", None)])
def test_a_qemu_without_devices(kind, text, devices_there):
    made = Made({"x-query-virtio": Refused("x-query-virtio", kind, text)})
    if devices_there is None:
        with pytest.raises(TargetError, match=text):
            take(Careful(made))
    else:
        assert take(Careful(made)).devices == devices_there


def test_a_device_of_which_nothing_can_be_told():
    made = Made({"type": Each(lambda arguments: "vhost-user-device"),
                 "x-query-virtio": [{"path": f"{DISK}/virtio-backend", "name": "virtio-from-the-future"}]})
    snapshot = take(Careful(made), "virtio-disk1")
    assert snapshot.devices == []
    assert snapshot.capture.warnings == ["virtio-disk1 is left out: QMP does not tell what it is "
                                         "(virtio-from-the-future, vhost-user-device)"]


def test_a_vhost_device_that_may_not_be_asked_at_all():
    """vhost-user-input and its like have no VirtioDeviceClass.get_vhost: QEMU 10 would call a null pointer."""
    made = Made({"type": Each(lambda arguments: "vhost-user-input"),
                 "x-query-virtio": [{"path": f"{DISK}/virtio-backend", "name": "virtio-input"}]})
    (device,) = take(Careful(made), "virtio-disk1").devices
    assert (device.type, device.queues) == ("input", []) and "without danger" in device.absent["queues"]
    assert device.host.vhost_started is None
    assert not [one for one in made.asked if one.startswith("x-query-virtio-")]


def test_a_vhost_device_that_has_not_started():
    made = Made({"type": Each(lambda arguments: "vhost-user-blk"), "x-query-virtio-vhost-queue-status": Refused(
        "x-query-virtio-vhost-queue-status", "GenericError", "Error: vhost device has not started yet")})
    (device,) = take(Careful(made), "virtio-disk1").devices
    assert device.queues == [] and "has not started" in device.absent["queues"]
    assert device.host.vhost_started is False
    assert [(one.backend, one.started) for one in device.host.vhost] == [("user", False)]


@pytest.mark.parametrize("status, there", [(None, True), ("completed", True), ("postcopy-active", False),
                                           ("postcopy-paused", False)])
def test_guest_memory_while_a_migration_brings_it(status, there):
    made = Made({"query-migrate": {} if status is None else {"status": status}})
    snapshot = take(Careful(made), "virtio-disk1")
    (queue,) = snapshot.devices[0].queues
    assert (queue.ring is not None) == there
    assert queue.device.last_avail_idx is not None
    assert (snapshot.qemu.incoming == "none") == (status is None)
    if not there:
        assert status in queue.absent["ring"]
        assert not [one for one in made.asked if one.startswith(("gpa2hva", "xp"))]


@pytest.mark.parametrize("changes, accelerator", [
    ({"query-kvm": {"enabled": True, "present": True}}, "kvm"),
    ({"query-kvm": {"enabled": False, "present": True}}, None),
    ({"query-accelerators": {"enabled": "tcg", "present": ["kvm", "tcg"]}}, "tcg"),
])
def test_the_accelerator(changes, accelerator):
    assert take(Careful(Made(changes)), "virtio-disk1").qemu.accelerator == accelerator


@pytest.mark.parametrize("features, arch, endian, order", [
    ("VIRTIO_F_VERSION_1: x", "s390x", "big", "little"), ("VIRTIO_F_ANY_LAYOUT: x", "s390x", "big", "big"),
    ("VIRTIO_F_ANY_LAYOUT: x", "x86_64", "little", "little"), ("VIRTIO_F_ANY_LAYOUT: x", "ppc64", "unknown", None)])
def test_the_rings_byte_order(features, arch, endian, order):
    plain = take(Careful(Made({})), "virtio-disk1").devices[0].queues[0].ring.avail_idx
    made = Made({"query-target": {"arch": arch}, "x-query-virtio-status": with_members(
        device_endian=endian, guest_features={"transports": [features], "dev-features": []})})
    (device,) = take(Careful(made), "virtio-disk1").devices
    (queue,) = device.queues
    assert device.host.byte_order == order
    if order is None:
        assert queue.ring is None and "byte order" in queue.absent["ring"]
    elif order == "little":
        assert queue.ring.avail_idx == plain
    else:
        assert queue.ring.avail_idx == (plain & 0xFF) << 8 | plain >> 8


@pytest.mark.parametrize("mask, packed, iommu, layout, space", [
    ("VIRTIO_F_NEW: x", False, False, "split", "physical"), ("VIRTIO_F_NEW: x", True, False, None, "physical"),
    ("VIRTIO_F_NEW: x", False, True, "split", None), ("VIRTIO_F_NEW: x", "?", None, None, None),
])
def test_what_was_not_offered_was_not_negotiated(mask, packed, iommu, layout, space):
    """Where one feature's name is not known, what the user has turned off is known to be off."""
    made = Made({"x-query-virtio-status": with_members(guest_features={"transports": [mask], "dev-features": []}),
                 "packed": Each(lambda arguments: packed), "iommu_platform": Each(lambda arguments: iommu)})
    (disk,) = take(Careful(made), "virtio-disk1").devices
    (queue,) = disk.queues
    assert disk.features is None and "VIRTIO_F_NEW" in disk.absent["features"]
    assert queue.layout == layout and (queue.rings and queue.rings.space) == space
    assert (queue.ring is not None) == (layout is not None and space is not None)
