"""The guest walker on a made-up machine: both layouts of struct vring_virtqueue, and everything that can be missing."""
import pytest

from tests.guest import machine as made
from tests.guest.machine import machine
from vqcheck.guest.disks import UnknownDisk
from vqcheck.guest.snapshot import take
from vqcheck.target.errors import Corrupt, NoType, TargetError
from vqcheck.target.recording import Recorder, load
from vqcheck.target.vqcap import pack


def queue_of(target):
    return take(target, "vdb").devices[0].queues[0]


@pytest.mark.parametrize("flat", [True, False], ids=["flat, Linux 4.18", "split, since Linux 5.0"])
def test_both_layouts_give_the_incidents_numbers(flat):
    snapshot = take(machine(flat), "vdb")
    (device,) = snapshot.devices
    (queue,) = device.queues
    assert (device.name, device.type, device.bus) == ("vdb", "blk", ("pci", "0000:00:07.0"))
    assert (device.guest.virtio_device, device.guest.driver) == ("virtio1", "virtio_blk")
    assert (queue.size, queue.layout, queue.name, queue.role) == (128, "split", "req.0", "request")
    assert (queue.driver.last_used_idx, queue.driver.avail_idx_shadow, queue.driver.num_free) == (43932, 43936, 124)
    assert queue.ring == (0, 43936, 43932, 0, 43936, 43936)
    assert (queue.rings.desc, queue.rings.avail, queue.rings.used) == (8868790272, 8868792320, 8868792640)
    assert queue.driver.callback == "virtblk_done"
    assert [entry.id for entry in queue.used] == [0, 5, 6, 7]
    assert (queue.irq.number, queue.irq.name, queue.irq.total, queue.irq.shared) == (27, "virtio1-req.0", 41, False)


def test_requests_head_by_head():
    found = queue_of(machine()).in_flight
    assert [(one.head, one.tag, one.operation, one.bytes, one.sector, one.state) for one in found] == [
        (head, 20 + number, "write", 4096, 8 * number, "in_flight") for number, head in enumerate((0, 5, 6, 7))]
    assert [one.age_ns for one in found] == made.IN_FLIGHT.ages_ns
    assert found[0].issued_ns is None and "io_start_time_ns" in found[0].absent["issued_ns"]


def test_a_looped_chain_is_named():
    target = machine()
    first, second = (target.encode(0, 8) + target.encode(16, 4) + target.encode(1, 2) + target.encode(other, 2)
                     for other in (5, 0))
    target.memory[made.DESC][:16], target.memory[made.DESC][5 * 16:6 * 16] = first, second
    found = queue_of(target).in_flight
    assert [one.chain_problem for one in found] == ["the chain loops", "the chain loops", None, None]
    assert found[2].descriptors == 1


def test_a_descriptor_table_that_is_not_in_the_dump():
    target = machine()
    target.forget(made.DESC)
    assert all(one.descriptors is None and "page not in the dump" in one.absent["descriptors"]
               for one in queue_of(target).in_flight)


def test_device_names_are_accepted_and_unknown_ones_listed():
    assert take(machine(), "/dev/vdb").devices[0].name == "vdb"
    with pytest.raises(UnknownDisk, match="no disk 'vdc'; its virtio disks: vdb"):
        take(machine(), "vdc")


def test_a_disk_on_another_bus_is_named_as_such():
    target = machine()
    target.put(made.STRINGS + 64, b"scsi\0".ljust(64, b"\0"))
    with pytest.raises(UnknownDisk, match="vdb is not a virtio disk but on bus scsi"):
        take(target, "vdb")
    assert take(target).devices == []


@pytest.mark.parametrize("size, words", [(0, "queue size 0"), (70000, "queue size 70000"), (96, "not a power of two")])
def test_an_impossible_ring_size_is_absent_with_its_reason(size, words):
    target = machine()
    target.change("struct vring_virtqueue", made.VRING, split__vring__num=size)
    queue = queue_of(target)
    assert queue.size is None and queue.ring is None and queue.in_flight is None
    assert words in queue.absent["size"] and words in queue.absent["ring"]


def test_a_ring_that_is_not_in_the_dump():
    target = machine()
    target.forget(made.RING_USED)
    queue = queue_of(target)
    assert queue.ring is None and "page not in the dump" in queue.absent["ring"]
    assert queue.driver.last_used_idx == 43932 and len(queue.in_flight) == 4


def test_a_request_that_is_not_in_the_dump():
    target = machine()
    target.forget(made.REQUESTS)
    first, *others = queue_of(target).in_flight
    assert first.tag is None and "page not in the dump" in first.absent["tag"]
    assert [one.tag for one in others] == [21, 22, 23]


def test_a_token_that_is_no_request_of_the_disk():
    target = machine()
    target.change("struct request", made.REQUESTS, q=0x666)
    assert "no request of this disk" in queue_of(target).in_flight[0].absent["tag"]


def test_a_null_pointer_half_way():
    target = machine()
    target.change("struct virtio_device", made.VIRTIO_DEVICE, vqs=0)
    with pytest.raises(TargetError):
        take(target, "vdb")


def test_a_list_without_end():
    target = machine()
    target.memory[made.VRING][:8] = target.encode(made.VRING, 8)
    with pytest.raises(Corrupt, match="does not come back to its head"):
        take(target, "vdb")


def test_the_two_ways_to_the_queues_must_agree():
    target = machine()
    target.change("struct virtio_blk_vq", made.VQS, vq=0xBAD000)
    with pytest.raises(Corrupt, match="name different queues"):
        take(target, "vdb")


def test_without_debug_information_of_virtio_blk_the_bus_way_remains():
    target = machine()
    del target.types["struct virtio_blk"]
    device = take(target, "vdb").devices[0]
    assert device.guest.virtio_blk is None and "struct virtio_blk" in device.guest.absent["virtio_blk"]
    assert device.queues[0].driver.last_used_idx == 43932


def test_without_debug_information_of_virtio_ring_nothing_can_be_said():
    target = machine()
    del target.types["struct vring_virtqueue"]
    with pytest.raises(NoType, match="struct vring_virtqueue"):
        take(target, "vdb")


def test_without_a_clock_ages_are_absent():
    target = machine()
    del target.symbols["shadow_timekeeper"]
    snapshot = take(target, "vdb")
    assert snapshot.capture.clock_ns is None and "shadow_timekeeper" in snapshot.capture.absent["clock_ns"]
    assert snapshot.devices[0].queues[0].in_flight[0].age_ns is None


def test_an_index_that_is_out_of_range_gives_no_window():
    target = machine()
    target.change("struct vring_virtqueue", made.VRING, last_used_idx=100)
    queue = queue_of(target)
    assert queue.used is None and "ahead of last_used_idx 100" in queue.absent["used"]


def test_each_struct_and_each_ring_is_read_once():
    target = machine()
    recorder = Recorder(target)
    take(recorder, "vdb")
    starts = [address for address, _ in target.reads]
    for address in (made.RING_AVAIL, made.RING_USED, made.STATES, made.REQUESTS, made.GENDISK, made.IRQ_DESC):
        assert starts.count(address) == 1, hex(address)
    assert starts.count(made.VRING) == 2  # once as a link of virtio_device.vqs, once as a struct
    assert recorder.reads == len(target.reads)


def test_a_recording_replays_to_the_same_snapshot():
    recorder = Recorder(machine(), {"side": "guest", "device": "vdb"})
    snapshot = take(recorder, "vdb")
    replay, asked = load(pack(recorder.bundle))
    assert asked == {"side": "guest", "device": "vdb"}
    assert take(replay, asked["device"]) == snapshot


def test_one_vector_for_all_queues_belongs_to_the_device():
    target = machine()
    target.symbols["vp_vring_interrupt"] = 0x9990
    target.change("struct irqaction", made.ACTION, dev_id=made.VIRTIO_DEVICE, handler=0x9990)
    irq = queue_of(target).irq
    assert (irq.number, irq.shared) == (27, True)


def test_the_interrupt_of_the_configuration_is_not_the_queues():
    target = machine()
    target.symbols["vp_config_changed"] = 0x9990
    target.change("struct irqaction", made.ACTION, dev_id=made.VIRTIO_DEVICE, handler=0x9990)
    queue = queue_of(target)
    assert queue.irq is None and "no interrupt has this queue" in queue.absent["irq"]


def test_an_interrupt_that_is_known_has_no_reason_to_be_absent():
    assert "irq" not in queue_of(machine()).absent
