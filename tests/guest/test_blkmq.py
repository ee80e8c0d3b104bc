"""The block layer above a disk, in the layouts of four kernels: what is in use, what waits, and what can be missing."""
import pytest

from tests.guest.made import block
from tests.guest.made.block import COMPLETE, DEPTH, IDLE, IN_FLIGHT, NOW, RELEASES, Disk, block_guest, set_bit
from vqcheck.guest.blkmq import MAX_WAITING, NO_SCHEDULER, BlockLayer
from vqcheck.target.bulk import Bulk
from vqcheck.target.view import View

TARGETS = [(release, "little", 8) for release in RELEASES] + [("6.1", "big", 8), ("5.10", "little", 4)]


def read(disk, on_ring=None, queue=None):
    memory = Bulk(disk.guest)
    view = View(memory, "struct request_queue", queue or disk.queue)
    return BlockLayer(memory, NOW).read("vdb", view, on_ring)


def numbers(tags):
    return tags.depth, tags.reserved, tags.in_use, tags.started


@pytest.mark.parametrize("release, order, width", TARGETS)
def test_a_disk_without_a_scheduler(release, order, width):
    disk = Disk(block_guest(release, order, width))
    disk.busy(0, 3)
    disk.busy(0, 70)
    disk.busy(1, 40, IDLE)
    found = read(disk)
    assert (found.disk, found.address, found.scheduler, found.queue_flags) == ("vdb", disk.queue, "none", 0x1C4)
    assert (found.freeze_depth, found.requeue) == (0, 0)
    assert [one.queue_num for one in found.hardware_queues] == [0, 1]
    assert [numbers(one.tags) for one in found.hardware_queues] == [(DEPTH, 0, 2, 2), (DEPTH, 0, 1, 0)]
    assert all(one.sched_tags is None and one.absent["sched_tags"] == NO_SCHEDULER for one in found.hardware_queues)
    assert [(one.tag, one.internal_tag, one.state, one.operation) for one in found.waiting] \
        == [(40, -1, "idle", "write")]
    assert (found.waiting[0].age_ns, found.waiting[0].sector, found.waiting_count) == (41_000_000, 320, 1)


@pytest.mark.parametrize("release", RELEASES)
def test_a_scheduler_and_the_requests_in_it(release):
    disk = Disk(block_guest(release), contexts=1, scheduler="mq-deadline")
    disk.scheduled(0, 5)
    disk.scheduled(0, 6, tag=50, state=IN_FLIGHT)
    found = read(disk)
    assert found.scheduler == "mq-deadline"
    context = found.hardware_queues[0]
    assert numbers(context.tags) == (DEPTH, 0, 1, 1) and numbers(context.sched_tags) == (DEPTH, 0, 2, 1)
    assert [(one.tag, one.internal_tag) for one in found.waiting] == [(-1, 5)] and found.waiting_count == 1


@pytest.mark.parametrize("release", RELEASES)
def test_only_kernels_that_count_quiescing_tell_its_depth(release):
    disk = Disk(block_guest(release))
    if "quiesce_depth" in block.LAYOUTS[release]:
        disk.guest.set("request_queue", disk.queue, quiesce_depth=2)
        assert read(disk).quiesce_depth == 2
    else:
        found = read(disk)
        assert found.quiesce_depth is None and "QUEUE_FLAG_QUIESCED" in found.absent["quiesce_depth"]


def test_a_frozen_disk_a_stopped_context_and_what_lies_on_lists():
    disk = Disk(block_guest("6.1"))
    requests = [disk.busy(1, tag, IDLE) for tag in range(3)]
    guest = disk.guest
    inside = guest.offset("request", "queuelist")
    guest.set("request_queue", disk.queue, mq_freeze_depth=1)
    guest.set("blk_mq_hw_ctx", disk.contexts[1], state=5)
    guest.link(disk.contexts[1] + guest.offset("blk_mq_hw_ctx", "dispatch"), [one + inside for one in requests[:2]])
    guest.link(disk.queue + guest.offset("request_queue", "requeue_list"), [requests[2] + inside])
    found = read(disk)
    assert (found.freeze_depth, found.requeue, found.waiting_count) == (1, 1, 3)
    assert [(one.state, one.stopped, one.dispatch) for one in found.hardware_queues] == [(0, False, 0), (5, True, 2)]


def test_active_requests_count_where_disks_share_their_tags():
    disk = Disk(block_guest("6.1"))
    disk.guest.set("blk_mq_hw_ctx", disk.contexts[0], flags=2, nr_active=7)
    first, second = read(disk).hardware_queues
    assert first.nr_active == 7 and second.nr_active is None and "share" in second.absent["nr_active"]


def test_requests_of_another_disk_with_the_same_tags_do_not_wait_on_this_one():
    guest = block_guest("6.1")
    one = Disk(guest)
    other = Disk(guest, tags=one.tags)
    one.busy(0, 1, IDLE)
    other.busy(0, 2, IDLE)
    memory = Bulk(guest)
    layer = BlockLayer(memory, NOW)
    found = [layer.read("sd", View(memory, "struct request_queue", disk.queue), None) for disk in (one, other)]
    assert [[request.tag for request in disk.waiting] for disk in found] == [[1], [2]]
    assert [disk.hardware_queues[0].tags.in_use for disk in found] == [2, 2]


def test_with_the_rings_known_a_started_request_that_is_on_none_waits_as_well():
    disk = Disk(block_guest("6.1"))
    on_ring = disk.busy(0, 1)
    disk.busy(0, 2)
    disk.busy(0, 3, COMPLETE)
    assert [one.state for one in read(disk, {on_ring}).waiting] == ["complete", "in_flight"]
    assert [one.state for one in read(disk).waiting] == ["complete"]


def test_the_oldest_of_many_are_listed_and_all_are_counted(monkeypatch):
    monkeypatch.setattr("vqcheck.guest.blkmq.MAX_WAITING", 4)
    disk = Disk(block_guest("6.1"), contexts=1)
    for tag in range(10):
        disk.busy(0, tag, IDLE, start_time_ns=0 if tag == 9 else NOW - 1000 * tag)
    found = read(disk)
    assert [one.tag for one in found.waiting] == [8, 7, 6, 5] and found.waiting_count == 10
    assert MAX_WAITING == 256


def test_a_disk_without_blk_mq():
    disk = Disk(block_guest("4.18"))
    disk.guest.set("request_queue", disk.queue, mq_ops=0)
    found = read(disk)
    assert found.hardware_queues is None and found.waiting is None and found.waiting_count is None
    assert found.absent["waiting"] == found.absent["hardware_queues"] == "the disk does not use blk-mq"


@pytest.mark.parametrize("count", [0, 5000])
def test_a_number_of_contexts_that_cannot_be(count):
    disk = Disk(block_guest("7.2"))
    disk.guest.set("request_queue", disk.queue, nr_hw_queues=count)
    assert f"claims {count}" in read(disk).absent["hardware_queues"]


def test_a_context_of_another_disk_is_refused_and_the_rest_is_told():
    disk = Disk(block_guest("6.1"))
    disk.busy(0, 3, IDLE)
    disk.guest.set("blk_mq_hw_ctx", disk.contexts[1], queue=0x666)
    found = read(disk)
    spoilt = found.hardware_queues[1]
    assert "not of this disk" in spoilt.absent["tags"] and spoilt.tags is None and spoilt.stopped is None
    assert found.hardware_queues[0].tags.in_use == 1 and len(found.waiting) == 1
    assert found.waiting_count is None and found.absent["waiting_count"].startswith("there may be more")


def test_a_list_without_end_is_absent():
    disk = Disk(block_guest("6.1"))
    head = disk.contexts[0] + disk.guest.offset("blk_mq_hw_ctx", "dispatch")
    loop = disk.guest.new("loop", bytes(16))
    disk.guest.poke(loop, disk.guest.pointer(loop))
    disk.guest.poke(head, disk.guest.pointer(loop))
    context = read(disk).hardware_queues[0]
    assert context.dispatch is None and "does not come back" in context.absent["dispatch"]


def test_a_request_queue_that_is_not_in_the_dump():
    disk = Disk(block_guest("6.1"))
    disk.guest.forget(disk.queue)
    found = read(disk)
    assert set(found.absent) == set(found._fields) - {"disk", "address", "absent"}


def test_requests_are_read_in_bulk():
    disk = Disk(block_guest("6.1"), contexts=1)
    for tag in range(DEPTH):
        disk.busy(0, tag)
    disk.guest.reads.clear()
    found = read(disk)
    assert found.hardware_queues[0].tags.started == DEPTH
    assert len(disk.guest.reads) < 10


def test_tags_shared_by_hardware_contexts_hold_each_request_once():
    guest = block_guest("6.1")
    tags = block.tag_set(guest)
    disk = Disk(guest, tags=[tags, tags])
    disk.busy(0, 3, IDLE)
    found = read(disk)
    assert [one.tags.in_use for one in found.hardware_queues] == [1, 1] and found.waiting_count == 1


def test_a_tag_that_is_just_being_freed_counts_as_used_and_nothing_waits_for_it():
    disk = Disk(block_guest("5.10"), contexts=1)
    disk.busy(0, 3, IDLE, ref=0)
    set_bit(disk.guest, disk.tags[0], 4)
    found = read(disk)
    assert numbers(found.hardware_queues[0].tags) == (DEPTH, 0, 2, 0) and found.waiting_count == 0
