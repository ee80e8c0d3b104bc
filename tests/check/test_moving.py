"""Queues that moved while a VM that runs was read: what is left of them stood still, and is judged."""
import pytest

from tests.builders import pair
from vqcheck.check.judge import judge
from vqcheck.check.verdict import CANNOT_JUDGE, FAULT, HEALTHY
from vqcheck.snapshot import moving

MS = 1_000_000
BUSY = {"avail": 110, "popped": 108, "used": 104, "last_used": 103, "age_ns": 2 * MS}
LATER = {"avail": 150, "popped": 148, "used": 144, "last_used": 143, "age_ns": 2 * MS}
OLD = 30_000 * MS
PLACE = 4096 * 1000


def read(first, again, sides=(0, 1)):
    """Both sides as they are read where these were found one after the other; of some sides only."""
    return [moving.without(one, moving.moved(one, other)) if number in sides else one
            for number, (one, other) in enumerate(zip(first, again))]


def with_old(sides, ages=(OLD, OLD), offset=PLACE):
    """The same with the first entry that the device holds being so old: by the guest, and by QEMU."""
    guest, host = sides
    (queue,), (theirs,) = guest.devices[0].queues, host.devices[0].queues
    head = theirs.held.requests[0].head
    mine = queue._replace(in_flight=[one._replace(age_ns=ages[0], sector=PLACE // 512) if one.head == head else one
                                     for one in queue.in_flight])
    held = theirs.held._replace(requests=[one._replace(age_ns=ages[1], offset=offset) if one.head == head else one
                                          for one in theirs.held.requests])
    return (guest._replace(devices=[guest.devices[0]._replace(queues=[mine])]),
            host._replace(devices=[host.devices[0]._replace(queues=[theirs._replace(held=held)])]))


def stays(sides, heads, **given):
    """Both sides after another look, at which requests with these heads were still there."""
    return [moving.without(one, [moving.Moved(one.devices[0].name, 0, heads, "last_used_idx 1, then 2",
                                              ["last_used_idx"])]) for one in with_old(sides, **given)]


def test_a_busy_queue_does_not_hang():
    verdict = judge(*read(pair(**BUSY), pair(**LATER)))
    (queue,) = verdict.queues
    assert (verdict.status, queue.headline) == (HEALTHY, "it moves, and does not hang")
    assert queue.reasons[0].startswith("completions arrived while it was read (last_used_idx moved)")
    assert not any("carries a warning" in note for note in verdict.reasons)


def test_a_device_that_goes_on_is_not_enough():
    assert judge(*read(pair(**BUSY), pair(**LATER), sides=[1])).status == CANNOT_JUDGE


def test_a_driver_that_only_posts_is_not_enough():
    posts = {**BUSY, "avail": 111}
    guest, host = read(pair(**BUSY), pair(**posts))
    assert guest.devices[0].queues[0].moved == ["avail_idx_shadow", "num_free", "avail_idx"]
    assert judge(guest, host).status == CANNOT_JUDGE


def test_a_driver_that_went_on_between_two_looks():
    first, second = pair(**BUSY), read(pair(**LATER), pair(**{**LATER, "avail": 151}), sides=[1])
    assert judge(*first, *[one._replace(capture=one.capture._replace(time="2026-03-01T12:00:03Z"))
                           for one in second]).status == HEALTHY


def test_one_old_request_beside_others_that_come_and_go():
    held = [one.head for one in pair(**BUSY)[1].devices[0].queues[0].held.requests]
    verdict = judge(*stays(pair(**BUSY), held[:1]))
    (queue,) = verdict.queues
    (finding,) = queue.findings
    assert (verdict.status, finding.rule, finding.confidence.level) == (FAULT, "B1", "fair")
    assert finding.headline.startswith("1 request seen by the device and not completed")
    assert "as others came and went" in finding.evidence[0].host


@pytest.mark.parametrize("given", [{"ages": (2 * MS, 2 * MS)}, {"ages": (2 * MS, OLD)}, {"ages": (OLD, 2 * MS)},
                                   {"ages": (OLD, None)}, {"offset": 8192}])
def test_what_is_not_old_and_of_both_sides_is_no_fault(given):
    held = [one.head for one in pair(**BUSY)[1].devices[0].queues[0].held.requests]
    assert judge(*stays(pair(**BUSY), held[:1], **given)).status != FAULT


def test_an_old_request_that_only_the_guest_has_leaves_it_open():
    guest, host = stays(pair(**BUSY), [pair(**BUSY)[1].devices[0].queues[0].held.requests[0].head])
    queue = host.devices[0].queues[0]
    host = host._replace(devices=[host.devices[0]._replace(queues=[queue._replace(
        held=queue.held._replace(requests=[]))])])
    assert judge(guest, host).status == CANNOT_JUDGE
