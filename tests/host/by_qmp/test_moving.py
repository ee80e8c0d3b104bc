"""QEMU and the guest go on while they are asked: what moved is left out, what stood still is kept."""
import pytest

from tests.host.by_qmp.answers import Each, Made
from tests.qmp_transcript import load
from vqcheck.host.by_qmp.careful import Careful
from vqcheck.host.by_qmp.queue import ATTEMPTS
from vqcheck.host.by_qmp.snapshot import take

REAL = next(one["return"] for one in load("7.2-lost-kick") if one["execute"] == "x-query-virtio-queue-status")


def moving(times, member="last-avail-idx"):
    """A queue whose index is another one at each of so many readings, and then stays."""
    count = [0]

    def answer(arguments):
        count[0] = min(count[0] + 1, times)
        return {**REAL, member: (REAL[member] + count[0] - times) & 0xFFFF}
    return Made({"x-query-virtio-queue-status": Each(answer)})


def read(made):
    snapshot = take(Careful(made), "virtio-disk1")
    return snapshot, snapshot.devices[0].queues[0]


def test_a_queue_that_stands_still_is_read_twice():
    made = moving(0)
    snapshot, queue = read(made)
    assert made.asked.count("x-query-virtio-queue-status") == 2
    assert snapshot.capture.warnings is None and queue.device.last_avail_idx == REAL["last-avail-idx"]


@pytest.mark.parametrize("times", range(1, ATTEMPTS + 1))
def test_a_queue_that_comes_to_rest_is_kept_whole(times):
    snapshot, queue = read(moving(times))
    assert snapshot.capture.warnings is None
    assert queue.device.last_avail_idx == REAL["last-avail-idx"] and queue.ring is not None


@pytest.mark.parametrize("member, field", [("last-avail-idx", "last_avail_idx"), ("used-idx", "used_idx"),
                                           ("signalled-used", "signalled_used"), ("inuse", "inuse")])
def test_a_queue_that_goes_on_moving_loses_what_belongs_together(member, field):
    made = moving(1000, member) if member != "inuse" else moving_inuse()
    snapshot, queue = read(made)
    assert made.asked.count("x-query-virtio-queue-status") == 1 + ATTEMPTS
    assert len(snapshot.capture.warnings) == 1
    assert snapshot.capture.warnings[0].startswith(f"virtio-disk1 queue 0 moved while it was read: {field} ")
    assert queue.ring is None and queue.available is None and "it moved while it was read" in queue.absent["ring"]
    for gone in ("last_avail_idx", "shadow_avail_idx", "used_idx", "signalled_used", "inuse"):
        assert getattr(queue.device, gone) is None and "it moved" in queue.device.absent[gone]
    assert queue.size == REAL["vring-num"] and queue.rings.desc == REAL["vring-desc"], "these do not move"


def moving_inuse():
    count = [0]

    def answer(arguments):
        count[0] += 1
        return {**REAL, "inuse": count[0]}
    return Made({"x-query-virtio-queue-status": Each(answer)})


def test_a_ring_that_moves_though_the_device_does_not():
    count = [0]

    def answer(arguments):
        count[0] += 1
        address = arguments["command-line"].split()[2]
        return f"{int(address, 16):016x}: 0x00 0x00 {count[0] & 0xFF:#04x} 0x00\r\n"
    real = Made({})
    avail = f"xp /4xb {REAL['vring-avail']:#x}"
    made = Made({avail: Each(answer)})
    snapshot, queue = read(made)
    assert real and queue.ring is None and "avail_idx" in snapshot.capture.warnings[0]
