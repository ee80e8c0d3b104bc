"""The guest walker in every layout that struct vring_virtqueue has had, in both byte orders and pointer sizes."""
import pytest

from tests.guest import machine as made
from tests.guest.machine import RELEASES, WITH_PACKED_RINGS, machine
from tests.guest.made.queues import AVAIL, INDIRECT
from vqcheck.guest.snapshot import take

SPLIT = pytest.mark.parametrize("release", RELEASES)
PACKED = pytest.mark.parametrize("release", WITH_PACKED_RINGS)
MEASURED = {  # with gdb, on the Debian kernels of these releases
    "5.10": (192, {"packed_ring": 56, "broken": 59, "free_head": 64, "num_added": 68, "last_used_idx": 72, "split": 80,
                   "split.avail_flags_shadow": 112, "split.avail_idx_shadow": 114, "split.desc_state": 120,
                   "split.queue_dma_addr": 128, "packed.used_wrap_counter": 113, "packed.next_avail_idx": 116,
                   "packed.desc_extra": 128, "packed.device_event_dma_addr": 152, "notify": 176, "we_own_ring": 184}),
    "6.1": (208, {"packed_ring": 72, "premapped": 78, "free_head": 80, "last_used_idx": 88, "event_triggered": 90,
                  "split.desc_state": 136, "split.desc_extra": 144, "split.queue_dma_addr": 152,
                  "split.vring_align": 168, "packed.next_avail_idx": 132, "packed.event_flags_shadow": 134,
                  "packed.ring_dma_addr": 152, "notify": 192, "we_own_ring": 200}),
    "7.2": (224, {"use_map_api": 64, "broken": 66, "layout": 72, "free_head": 76, "batch_last": 80, "num_added": 88,
                  "last_used_idx": 92, "last_used": 94, "event_triggered": 96, "split": 104,
                  "split.queue_dma_addr": 160, "packed.desc_state": 144, "packed.ring_dma_addr": 160, "notify": 200,
                  "map": 216}),
}


def queue_of(target):
    (device,) = take(target, "vdb").devices
    (queue,) = device.queues
    return queue


@pytest.mark.parametrize("release", MEASURED)
def test_the_made_up_struct_is_laid_out_as_the_real_one(release):
    size, offsets = MEASURED[release]
    target = machine(release)
    assert target.type_size("struct vring_virtqueue") == size
    assert {path: target.member("struct vring_virtqueue", path).offset for path in offsets} == offsets


def test_in_the_incidents_kernel_the_states_follow_the_struct():
    """Linux 4.18 on aarch64: what crash printed there has desc_state[] as its last member."""
    target = machine("4.18")
    assert target.member("struct vring_virtqueue", "desc_state") == (target.type_size("struct vring_virtqueue"), 0)
    assert target.member("struct vring_virtqueue", "vring.num").offset == 56
    assert target.member("struct vring_virtqueue", "queue_dma_addr").offset == 136


@SPLIT
@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("pointer_size", [8, 4])
@pytest.mark.parametrize("modern", [True, False], ids=["VERSION_1", "legacy"])
def test_every_split_layout_gives_the_incidents_numbers(release, byte_order, pointer_size, modern):
    queue = queue_of(machine(release, byte_order, pointer_size, modern))
    assert (queue.size, queue.layout, queue.name, queue.role) == (128, "split", "req.0", "request")
    assert (queue.driver.last_used_idx, queue.driver.num_free, queue.driver.free_head) == (43932, 124, 1)
    assert queue.ring == (0, 43936, 43932, 0, 43936, 43936)
    assert (queue.driver.broken, queue.driver.indirect, queue.driver.event) == (False, True, True)
    assert queue.used == [(43932, 0, 1), (43933, 5, 1), (43934, 6, 1), (43935, 7, 1)]
    assert [(one.head, one.tag, one.descriptors, one.indirect, one.chain_problem) for one in queue.in_flight] == [
        (head, 20 + number, 1, 3, None) for number, head in enumerate((0, 5, 6, 7))]
    assert (queue.driver.free_list, queue.driver.free_list_problem, queue.driver.descriptors_in_use) == (124, None, 4)
    assert queue.driver.callback == "virtblk_done"
    assert (queue.irq.number, queue.irq.name, queue.irq.shared) == (27, "virtio1-req.0", False)
    assert queue.driver.in_order is False and queue.packed is None


@PACKED
@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("pointer_size", [8, 4])
def test_every_packed_layout_gives_the_same_requests(release, byte_order, pointer_size):
    queue = queue_of(machine(release, byte_order, pointer_size, is_packed=True))
    driver = queue.driver
    assert (queue.size, queue.layout, queue.ring) == (128, "packed", None)
    assert (driver.last_used_idx, driver.used_wrap_counter) == (28, True)
    assert (driver.next_avail_idx, driver.avail_wrap_counter, driver.num_free) == (32, True, 124)
    assert queue.used == [(28, 0, 1), (29, 5, 1), (30, 6, 1), (31, 7, 1)]
    assert [(one.head, one.tag) for one in queue.in_flight] == [(0, 20), (5, 21), (6, 22), (7, 23)]
    assert (driver.free_list, driver.free_list_problem, driver.descriptors_in_use) == (124, None, 4)
    assert queue.packed.driver_event == (28 | 1 << 15, 2) and queue.packed.device_event == (32 | 1 << 15, 2)
    assert queue.rings == (made.QUEUE_DMA, made.QUEUE_DMA + 0x800, made.QUEUE_DMA + 0x804, "physical")


@SPLIT
def test_the_index_shadows_came_with_linux_4_4(release):
    driver = queue_of(machine(release)).driver
    if release == "3.10":  # as RHEL 7: the driver counts in avail->idx itself
        assert driver.avail_idx_shadow is None and "avail_idx_shadow" in driver.absent["avail_idx_shadow"]
        assert driver.avail_flags_shadow is None and "avail_flags_shadow" in driver.absent["avail_flags_shadow"]
    else:
        assert (driver.avail_idx_shadow, driver.avail_flags_shadow) == (43936, 0)


@SPLIT
def test_the_rings_address_came_with_linux_4_6(release):
    queue = queue_of(machine(release))
    if release in ("3.10", "4.5"):
        assert queue.rings is None and "virtual addresses" in queue.absent["rings"]
    else:
        assert queue.rings == (8868790272, 8868792320, 8868792640, "physical")


@SPLIT
def test_a_flag_that_a_kernel_lacks_is_absent_and_not_false(release):
    driver = queue_of(machine(release)).driver
    if release in ("6.1", "7.2"):
        assert driver.event_triggered is True
    else:
        assert driver.event_triggered is None and "no member event_triggered" in driver.absent["event_triggered"]


@SPLIT
def test_what_a_kernel_notes_of_its_requests(release):
    first = queue_of(machine(release)).in_flight[0]
    assert (first.kind, first.tag, first.bytes, first.sector) == ("block", 20, 4096, 0)
    if release in ("3.10", "4.5"):
        assert first.operation is None and "cmd_flags" in first.absent["operation"]
        assert first.age_ns is None and "start_time_ns" in first.absent["age_ns"]
        assert first.state is None and "no member state" in first.absent["state"]
    else:
        assert (first.operation, first.age_ns, first.state) == ("write", made.IN_FLIGHT.ages_ns[0], "in_flight")


@SPLIT
@pytest.mark.parametrize("pointer_size", [8, 4])
def test_every_kernels_clock(release, pointer_size):
    capture = take(machine(release, pointer_size=pointer_size), "vdb").capture
    assert (capture.clock_ns, capture.uptime_ns) == (made.NOW_NS, made.NOW_NS + made.SLEPT_NS)
    assert (capture.time, capture.cpus_online) == ("2023-11-14T22:13:20Z", "0-3")


@SPLIT
def test_devices_of_many_kinds_are_all_there(release):
    snapshot = take(machine(release, more=True))
    assert [(one.name, one.type, one.bus, [queue.queue_index for queue in one.queues]) for one in snapshot.devices] == [
        ("vdb", "blk", ("pci", "0000:00:07.0"), [0]),
        ("vdc", "blk", ("pci", "0000:00:07.0"), [0, 1]),
        ("eth0", "net", ("pci", "0000:00:07.0"), [0, 1, 2]),
        ("virtio4", "rng", ("pci", "0001:02:03.1"), [0]),
        ("virtio5", "rng", ("mmio", "a000000.virtio_mmio"), [0])]
    assert snapshot.devices[0].guest.linux_names == ["vdb", "vdb1", "vdb2"]
    assert [queue.irq.total for queue in snapshot.devices[1].queues] == [0, 1]


@SPLIT
def test_a_disk_is_found_where_the_kernel_keeps_its_device(release):
    guest = take(machine(release), "vdb").devices[0].guest
    assert (guest.disk, guest.virtio_blk, guest.driver) == (made.GENDISK, made.VIRTIO_BLK, "virtio_blk")


def test_an_id_that_was_given_out_again_has_its_last_table():
    """Head 5 was used before its turn and is in flight again, without a table: at 29 lies what it was before."""
    target = machine("6.1", is_packed=True)
    for place, head, size, flags in ((28, 0, 48, AVAIL | INDIRECT), (29, 5, 48, AVAIL | INDIRECT), (30, 5, 512, AVAIL),
                                     (31, 6, 64, AVAIL | INDIRECT)):
        target.poke(made.DESC + 16 * place, b"".join(target.encode(value, width) for value, width in (
            (0x100000, 8), (size, 4), (head, 2), (flags, 2))))
    queue = take(target, "vdb").devices[0].queues[0]
    assert queue.used == []
    assert [(one.head, one.indirect) for one in queue.in_flight] == [(0, 3), (5, None), (6, 4), (7, None)]
    assert [one.head for one in queue.in_flight if "indirect" in one.absent] == [7]


def test_a_table_whose_descriptor_the_device_has_written_over_is_not_known():
    queue = take(machine("6.1", is_packed=True), "vdb").devices[0].queues[0]
    assert [entry.id for entry in queue.used] == [0, 5, 6, 7]
    assert all(one.indirect is None and "written over" in one.absent["indirect"] for one in queue.in_flight)
