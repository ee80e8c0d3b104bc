"""The host walker on a real QEMU's recording with single values spoiled: each must be noticed, named, and survived."""
import pytest

from tests import recordings
from vqcheck.host.devices import UnknownDevice
from vqcheck.host.snapshot import take
from vqcheck.target.errors import NoSymbol, TargetError
from vqcheck.target.recording import Recorder, Replay

SCENE = "lost-interrupt"


@pytest.fixture
def recorded():
    return recordings.bundle(SCENE, "host")


def spoil(recorded, address, path, type_name, value, width=None):
    """Write into the recorded memory of a struct."""
    member = recorded.members[(type_name, path)]
    raw = bytearray(recorded.memory[(False, address)])
    raw[member.offset:member.offset + member.size] = value.to_bytes(width or member.size, "little")
    recorded.memory[(False, address)] = bytes(raw)


def disk(recorded):
    return recordings.replay(recorded).devices[0]


def test_the_recording_is_sound(recorded):
    device = disk(recorded)
    assert (device.name, device.type, device.bus.type, device.status) == ("virtio-disk1", "blk", "pci", 15)
    assert device.host.qom_path == "/machine/peripheral/virtio-disk1/virtio-backend"
    assert (device.host.run_state, device.host.block.node, device.host.block.format) == ("running", "disk1", "raw")
    assert device.host.block.iostatus == "ok"


@pytest.mark.parametrize("name", ["virtio-disk1", "/machine/peripheral/virtio-disk1",
                                  "/machine/peripheral/virtio-disk1/virtio-backend", "disk1", "1"])
def test_every_name_of_the_device_works(recorded, name):
    assert take(Replay(recorded), name).devices[0].name == "virtio-disk1"


def test_an_unknown_device_is_answered_with_those_that_there_are(recorded):
    with pytest.raises(UnknownDevice, match="'vdb'; its virtio devices: 0: virtio-disk0, 1: virtio-disk1"):
        take(Replay(recorded), "vdb")


@pytest.mark.parametrize("num, words", [(0, "queue size 0"), (70000, "queue size 70000"), (100, "power of two")])
def test_an_impossible_ring_size(recorded, num, words):
    address = disk(recorded).queues[0].device.address
    spoil(recorded, address, "vring.num", "struct VirtQueue", num)
    (queue,) = disk(recorded).queues
    assert queue.size is None and queue.ring is None
    assert words in queue.absent["size"] and words in queue.absent["ring"]


def test_a_null_pointer_half_way(recorded):
    address = disk(recorded).queues[0].device.address
    spoil(recorded, address, "vring.caches", "struct VirtQueue", 0)
    (queue,) = disk(recorded).queues
    assert queue.ring is None and "vring.caches is NULL" in queue.absent["ring"]
    assert queue.device.used_idx == recordings.truth(SCENE).host.used_idx


def test_guest_ram_that_is_not_in_the_core(recorded):
    ring = disk(recorded).queues[0].ring
    sizes = {6 + 8 * 256}
    (used,) = [key for key, raw in recorded.memory.items() if len(raw) in sizes]
    del recorded.memory[used]
    recorded.unreadable[(False, used[1], 6 + 8 * 256)] = "not in the core file"
    (queue,) = disk(recorded).queues
    assert ring is not None and queue.ring is None and "not in the core file" in queue.absent["ring"]


def test_an_index_out_of_range_gives_no_window(recorded):
    address = disk(recorded).queues[0].device.address
    spoil(recorded, address, "last_avail_idx", "struct VirtQueue", 7)
    (queue,) = disk(recorded).queues
    assert queue.available is None and "ahead of last_avail_idx 7" in queue.absent["available"]


def test_a_stripped_qemu(recorded):
    recorded.symbols["vm_change_state_head"] = None
    with pytest.raises(NoSymbol, match="vm_change_state_head"):
        take(Replay(recorded), None)


def test_a_recording_of_something_else_is_not_guessed_at(recorded):
    del recorded.symbols["vm_change_state_head"]
    with pytest.raises(TargetError, match="the recording does not hold"):
        take(Replay(recorded), None)


def test_a_list_that_loops(recorded):
    entries = [key for key, raw in recorded.memory.items()
               if len(raw) == recorded.sizes["struct VMChangeStateEntry"]]
    first = entries[0]
    spoil(recorded, first[1], "entries.tqe_next", "struct VMChangeStateEntry", first[1])
    with pytest.raises(TargetError, match="has no end"):
        take(Replay(recorded), "virtio-disk1")


def test_reads_are_few_and_none_is_done_twice(recorded):
    recorder = Recorder(Replay(recorded))
    take(recorder, "virtio-disk1")
    queue = disk(recorded).queues[0].device.address
    assert recorder.bundle.memory.keys() >= {(False, queue)}
    assert recorder.reads < 250
