"""vqcheck diff: what moved between two captures of one side, and what stood still with work to do."""
import pytest

from tests.builders import packed_pair, pair
from tests.corpus.interrupts import _later
from vqcheck.check.progress import IDLE, MOVED, STANDS, DifferentThings, progress
from vqcheck.render.report import progress_text


def test_an_index_that_moved_says_by_how_much_over_the_wrap():
    first, second = pair(avail=65534)[1], _later(pair(avail=3, popped=2)[1], 4)
    found = progress(first, second)
    (queue,) = found.queues
    by = {one.field: one.by for one in queue.changes}
    assert (queue.state, found.seconds, by["device.used_idx"], by["ring.avail_idx"]) == (MOVED, 4.0, 4, 5)


def test_requests_that_stay_are_named_and_stand():
    first, second = pair(avail=104, popped=104, used=103), pair(avail=104, popped=104, used=103)
    for side in (0, 1):
        (queue,) = progress(first[side], _later(second[side], 4)).queues
        assert (queue.state, queue.stayed, queue.went, queue.came) == (STANDS, [103], [], [])


def test_a_head_that_has_another_request_went_and_came():
    first = pair(avail=104, popped=103)[0]
    request = first.devices[0].queues[0].in_flight[0]
    younger = request._replace(age_ns=1000, token=None, sector=4711)
    queue = first.devices[0].queues[0]._replace(in_flight=[younger])
    second = _later(first._replace(devices=[first.devices[0]._replace(queues=[queue])]), 4)
    (found,) = progress(first, second).queues
    assert (found.state, found.stayed, found.went, found.came) == (MOVED, [], [request.head], [request.head])


def test_the_order_is_found_by_the_clock():
    first, second = pair()[0], _later(pair(avail=43999)[0], 4)
    assert progress(second, first).swapped and not progress(first, second).swapped
    assert progress(second, first).queues == progress(first, second).queues


def test_an_idle_queue_is_idle_and_packed_ones_are_compared_too():
    assert progress(pair()[1], pair()[1]).queues[0].state == IDLE
    first, second = packed_pair((3,), 0)[0], packed_pair((3, 2), 0)[0]
    (queue,) = progress(first, second).queues
    assert ("driver.next_avail_idx", 2) in [(one.field, one.by) for one in queue.changes]


def test_counters_states_and_threads_are_told():
    first, second = pair()[1], pair(stack=["virtio_blk_handle_vq", "aio_poll"])[1]
    second = second._replace(qemu=second.qemu._replace(run_state="paused"))
    found = progress(first, second)
    assert {one.field for one in found.process} == {"qemu.run_state", "thread 4242 iothread iothread0"}
    assert "qemu.run_state" in progress_text.show(found)


@pytest.mark.parametrize("other, words", [
    (pair()[1], "brings the two sides together"),
    (pair(guest={"target": pair()[0].target._replace(uuid="00000000-0000-4000-8000-000000000000")})[0],
     "different VMs")])
def test_what_can_not_be_compared_says_why(other, words):
    with pytest.raises(DifferentThings, match=words):
        progress(pair()[0], other)


def test_the_text_begins_with_what_stands_still():
    first, second = pair(avail=104, popped=104, used=103), pair(avail=104, popped=104, used=103)
    text = progress_text.show(progress(first[1], _later(second[1], 4)))
    assert text.startswith("In 4.0 s on the host's side: 1 queue with work to do and standing still, 0 moved, 0 idle")
    assert "virtio-disk1 queue 0: stands with work" in text and max(map(len, text.splitlines())) <= 100
