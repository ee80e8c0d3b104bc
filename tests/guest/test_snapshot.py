"""What the walker makes of one hung disk: its requests, what may be wrong with its ring, and what can be missing."""
import pytest

from tests.guest import machine as made
from tests.guest.machine import machine
from vqcheck.guest.snapshot import take
from vqcheck.target.recording import Recorder, load
from vqcheck.target.vqcap import pack

VRING = "struct vring_virtqueue"


def queue_of(target):
    return take(target, "vdb").devices[0].queues[0]


def test_the_incidents_disk():
    snapshot = take(machine("4.18"), "vdb")
    (device,) = snapshot.devices
    (queue,) = device.queues
    assert (device.name, device.type, device.bus) == ("vdb", "blk", ("pci", "0000:00:07.0"))
    assert (device.guest.virtio_device, device.guest.driver) == ("virtio1", "virtio_blk")
    assert "EVENT_IDX" in device.features.names and device.absent["status"]
    assert (queue.driver.last_used_idx, queue.driver.avail_idx_shadow, queue.ring.used_idx) == (43932, 43936, 43936)
    assert queue.irq.total == 41  # which 4.18 keeps by CPU only
    assert (snapshot.schema, snapshot.side, snapshot.capture.method) == (3, "guest", "dump")


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_features_above_63_are_read_where_the_kernel_has_them(byte_order):
    before = take(machine("6.1", byte_order), "vdb").devices[0].features.negotiated
    target = machine("6.1", byte_order)
    members = target.types["struct virtio_device"][1]
    members["features_array"] = members["features"]._replace(size=16)
    target.poke(made.VIRTIO_DEVICE + members["features"].offset + 8, target.encode(1 << 3, 8))
    after = take(target, "vdb").devices[0].features
    assert after.negotiated == before | 1 << 67 and "BIT_67" in after.names


def test_requests_head_by_head():
    found = queue_of(machine()).in_flight
    assert [(one.head, one.tag, one.operation, one.bytes, one.sector, one.state) for one in found] == [
        (head, 20 + number, "write", 4096, 8 * number, "in_flight") for number, head in enumerate((0, 5, 6, 7))]
    assert [one.age_ns for one in found] == made.IN_FLIGHT.ages_ns
    assert found[0].issued_ns is None and "io_start_time_ns" in found[0].absent["issued_ns"]


def descriptor(target, number, flags, following):
    """Write a descriptor of 16 bytes."""
    order = target.byte_order
    target.poke(made.DESC + 16 * number, (0).to_bytes(8, order) + (16).to_bytes(4, order) + flags.to_bytes(2, order)
                + following.to_bytes(2, order))


def test_a_looped_chain_is_named_and_its_descriptors_are_counted():
    target = machine()
    descriptor(target, 0, 1, 5)
    descriptor(target, 5, 1, 0)
    queue = queue_of(target)
    assert [one.chain_problem for one in queue.in_flight] == ["the chain loops", "the chain loops", None, None]
    assert queue.in_flight[2].descriptors == 1 and queue.in_flight[0].indirect is None


def test_a_chain_of_descriptors_of_the_queue_itself():
    target = machine()
    descriptor(target, 0, 1, 9)
    descriptor(target, 9, 0, 0)
    queue = queue_of(target)
    assert (queue.in_flight[0].descriptors, queue.in_flight[0].indirect) == (2, None)
    assert queue.driver.descriptors_in_use == 5, "more than the free list leaves: 9 is on both"


def test_a_descriptor_table_that_is_not_in_the_dump():
    target = machine()
    target.forget(made.DESC)
    queue = queue_of(target)
    assert all(one.descriptors is None and "page not in the dump" in one.absent["descriptors"]
               for one in queue.in_flight)
    assert queue.driver.descriptors_in_use is None and queue.driver.absent["descriptors_in_use"]
    assert queue.driver.free_list == 124, "the links lie in the driver's own desc_extra"


@pytest.mark.parametrize("size, words", [(0, "queue size 0"), (70000, "queue size 70000"), (96, "not a power of two")])
def test_an_impossible_ring_size_is_absent_with_its_reason(size, words):
    target = machine()
    target.change(VRING, made.VRING, split__vring__num=size)
    queue = queue_of(target)
    assert queue.size is None and queue.ring is None and queue.in_flight is None
    assert words in queue.absent["size"] and words in queue.absent["ring"]


@pytest.mark.parametrize("value, layout, in_order", [(0, "split", False), (1, "packed", False), (2, "split", True),
                                                     (3, "packed", True)])
def test_the_layouts_of_linux_7_2(value, layout, in_order):
    target = machine("7.2", is_packed=layout == "packed")
    target.change(VRING, made.VRING, layout=value)
    queue = queue_of(target)
    assert (queue.layout, queue.driver.in_order, queue.size) == (layout, in_order, 128)
    assert ("free_list" in queue.driver.absent) == in_order


def test_an_unknown_layout_leaves_what_all_layouts_have():
    target = machine("7.2")
    target.change(VRING, made.VRING, layout=4)
    queue = queue_of(target)
    assert queue.layout is None and "layout is 4" in queue.absent["layout"]
    assert "layout is 4" in queue.absent["size"] and "layout is 4" in queue.driver.absent["last_used_idx"]
    assert (queue.driver.num_free, queue.driver.callback) == (124, "virtblk_done")


def test_a_ring_that_is_not_in_the_dump():
    target = machine()
    target.forget(made.RING_USED)
    queue = queue_of(target)
    assert queue.ring is None and "page not in the dump" in queue.absent["ring"]
    assert queue.driver.last_used_idx == 43932 and len(queue.in_flight) == 4


def test_a_ring_that_the_driver_did_not_allocate():
    target = machine()
    target.change(VRING, made.VRING, split__queue_dma_addr=0)
    queue = queue_of(target)
    assert queue.rings is None and "no DMA address" in queue.absent["rings"]


def test_behind_an_iommu_the_rings_addresses_are_iovas():
    target = machine()
    target.change("struct virtio_device", made.VIRTIO_DEVICE, features=made.FEATURES | 1 << 32 | 1 << 33)
    assert queue_of(target).rings.space == "iova"


def test_a_request_that_is_not_in_the_dump():
    target = machine()
    target.forget(made.REQUESTS)
    first, *others = queue_of(target).in_flight
    assert first.tag is None and "page not in the dump" in first.absent["tag"]
    assert [one.tag for one in others] == [21, 22, 23]


def test_a_token_that_is_no_request_of_the_disk():
    target = machine()
    target.change("struct request", made.REQUESTS, q=0x666)
    first = queue_of(target).in_flight[0]
    assert "no request of this disk" in first.absent["tag"] and first.kind is None and first.token


def test_the_two_ways_to_the_queues_must_agree():
    target = machine()
    target.change("struct virtio_blk_vq", made.VQS, vq=0xBAD000)
    device = take(target, "vdb").devices[0]
    assert device.guest.virtio_blk is None and "name different queues" in device.guest.absent["virtio_blk"]
    assert device.guest.disk == made.GENDISK and device.queues[0].driver.last_used_idx == 43932


def test_without_debug_information_of_virtio_blk_the_bus_way_remains():
    target = machine()
    del target.types["struct virtio_blk"]
    device = take(target, "vdb").devices[0]
    assert device.guest.virtio_blk is None and "struct virtio_blk" in device.guest.absent["virtio_blk"]
    assert device.queues[0].driver.last_used_idx == 43932


@pytest.mark.parametrize("release", made.RELEASES)
def test_without_debug_information_of_virtio_ring_the_kernels_own_types_still_tell_something(release):
    target = machine(release)
    for name in [name for name in target.types if name.startswith("struct vring_")]:
        del target.types[name]
    queue = queue_of(target)
    assert (queue.queue_index, queue.name, queue.role, queue.irq.number) == (0, "req.0", "request", 27)
    assert (queue.driver.address, queue.driver.num_free, queue.driver.callback) == (made.VRING, 124, "virtblk_done")
    why = f"no debug information for {VRING}"
    for field in ("layout", "size", "rings", "ring", "packed", "used", "in_flight"):
        assert getattr(queue, field) is None and queue.absent[field] == why, field
    for field in ("free_head", "free_list", "num_added", "last_used_idx", "avail_idx_shadow", "avail_flags_shadow",
                  "next_avail_idx", "in_order", "broken", "indirect", "event", "event_triggered"):
        assert getattr(queue.driver, field) is None and queue.driver.absent[field] == why, field


def test_an_index_that_is_out_of_range_gives_no_window():
    target = machine()
    target.change(VRING, made.VRING, last_used_idx=100)
    queue = queue_of(target)
    assert queue.used is None and "ahead of last_used_idx 100" in queue.absent["used"]


def test_each_struct_and_each_ring_is_read_once():
    target = machine()
    recorder = Recorder(target)
    take(recorder, "vdb")
    starts = [address for address, _ in target.reads]
    for address in (made.RING_AVAIL, made.RING_USED, made.STATES, made.REQUESTS, made.GENDISK, made.IRQ_DESC):
        assert starts.count(address) == 1, hex(address)
    assert starts.count(made.VRING) <= 3  # a link of virtio_device.vqs, a struct virtqueue, a struct vring_virtqueue
    assert recorder.reads == len(target.reads)


def test_a_recording_replays_to_the_same_snapshot():
    recorder = Recorder(machine(more=True), {"side": "guest", "device": "vdb"})
    snapshot = take(recorder, "vdb")
    replay, asked = load(pack(recorder.bundle))
    assert asked == {"side": "guest", "device": "vdb"}
    assert take(replay, asked["device"]) == snapshot


def test_no_callback_is_no_reason():
    target = machine()
    target.change(VRING, made.VRING, vq__callback=0)
    driver = queue_of(target).driver
    assert driver.callback is None and "callback" not in driver.absent


def test_a_callback_without_a_name_is_its_address():
    target = machine()
    del target.symbols["virtblk_done"]
    assert queue_of(target).driver.callback == f"{made.CALLBACK:#x}"


def test_a_device_without_a_driver_is_listed_as_such():
    guest = machine()
    at = next(device.guest.address for device in take(guest).devices if device.name == "vdb")
    guest.poke(at + guest.offset("virtio_device", "dev") + guest.offset("device", "driver"), bytes(guest.pointer_size))
    (device,) = take(guest, "vdb").devices
    assert device.guest.driver is None and device.guest.absent["driver"] == "no driver is bound to it"
