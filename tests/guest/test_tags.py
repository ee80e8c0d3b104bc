"""Tags: bitmaps with reserved and freed bits, the requests behind them, and what corrupt memory may claim."""
import pytest

from tests.guest.made.block import COMPLETE, DEPTH, FREE, IDLE, RELEASES, SHIFT, Disk, block_guest, set_bit, tag_set
from vqcheck.guest import tags
from vqcheck.target.bulk import Bulk
from vqcheck.target.view import View


def read(guest, found, scheduler=False):
    return tags.read(Bulk(guest), found.tags, scheduler)


@pytest.mark.parametrize("release", RELEASES)
def test_bits_that_are_free_and_only_not_yet_cleared(release):
    guest = block_guest(release)
    found = tag_set(guest)
    for tag in (0, 31, 32, DEPTH - 1):
        set_bit(guest, found, tag)
    if guest.member("struct sbitmap_word", "cleared"):
        set_bit(guest, found, 31, "cleared")
        assert read(guest, found).tags.in_use == 3
    else:
        assert read(guest, found).tags.in_use == 4


def test_bits_behind_the_depth_do_not_count():
    guest = block_guest("6.1")
    found = tag_set(guest)
    for tag in (DEPTH - 1, DEPTH, DEPTH + 3):
        set_bit(guest, found, tag)
    assert read(guest, found).tags.in_use == 1


@pytest.mark.parametrize("release", RELEASES)
def test_reserved_tags_come_first(release):
    guest = block_guest(release)
    disk = Disk(guest, contexts=1, reserved=2)
    found = disk.tags[0]
    for tag in (1, 2):
        guest.set("request", found.pool + 0x300 * tag, q=disk.queue, tag=tag, ref=1, state=1)
        set_bit(guest, found, tag, reserved=2)
    result = read(guest, found)
    assert (result.tags.depth, result.tags.reserved, result.tags.in_use, result.tags.started) == (DEPTH + 2, 2, 2, 2)
    assert [one.uint("tag") for one in result.requests] == [1, 2]


def test_waiters_are_absent_where_the_kernel_does_not_count_them():
    old, new = block_guest("4.18"), block_guest("5.10")
    assert "ws_active" in read(old, tag_set(old)).tags.absent["waiters"]
    found = tag_set(new)
    new.set("blk_mq_tags", found.tags, **{"__bitmap_tags.ws_active": 3})
    assert read(new, found).tags.waiters == 3


def test_a_request_not_yet_noted_is_found_under_its_tag():
    disk = Disk(block_guest("5.10"), contexts=1)
    at = disk.busy(0, 9, IDLE, noted=False)
    assert [one.address for one in read(disk.guest, disk.tags[0]).requests] == [at]


def test_a_stale_note_of_another_request_does_not_count():
    disk = Disk(block_guest("6.1"), contexts=1, scheduler="bfq")
    at = disk.scheduled(0, 7, tag=20, state=COMPLETE)
    disk.guest.set("request", at, tag=FREE)  # it gave the tag back, and the next one was not noted yet
    assert read(disk.guest, disk.tags[0]).requests == []
    assert [one.address for one in read(disk.guest, disk.sched_tags[0], True).requests] == [at]


def test_a_flush_borrows_the_tag_of_a_request():
    disk = Disk(block_guest("6.1"), contexts=1)
    disk.busy(0, 5, IDLE)
    flush = disk.guest.struct("request", "flush_rq", q=disk.queue, tag=5, ref=1, state=1, cmd_flags=2)
    disk.guest.poke(disk.tags[0].rqs + 5 * 8, disk.guest.pointer(flush))
    assert [one.address for one in read(disk.guest, disk.tags[0]).requests] == [flush]


def test_a_request_that_is_not_in_the_dump_leaves_started_unknown():
    disk = Disk(block_guest("6.1"), contexts=1)
    disk.busy(0, 1)
    disk.guest.poke(disk.tags[0].rqs + 2 * 8, disk.guest.pointer(0xDEAD0000))
    disk.guest.poke(disk.tags[0].static_rqs + 2 * 8, disk.guest.pointer(0xDEAD0000))
    set_bit(disk.guest, disk.tags[0], 2)
    result = read(disk.guest, disk.tags[0])
    assert result.tags.in_use == 2 and result.tags.started is None
    assert "page not in the dump" in result.tags.absent["started"]
    assert len(result.requests) == 1 and result.why_not_all == result.tags.absent["started"]


def test_a_stale_note_of_what_is_gone_does_no_harm():
    disk = Disk(block_guest("6.1"), contexts=1)
    at = disk.busy(0, 1, noted=False)
    disk.guest.poke(disk.tags[0].rqs + 8, disk.guest.pointer(0xDEAD0000))
    result = read(disk.guest, disk.tags[0])
    assert [one.address for one in result.requests] == [at] and result.tags.started == 1


@pytest.mark.parametrize("values", [
    {"depth": 1 << 20}, {"shift": 7}, {"shift": 1 << 31}, {"map_nr": 1 << 30}, {"map_nr": 1}, {"depth": DEPTH + 64},
])
def test_bitmaps_that_cannot_be(values):
    guest = block_guest("6.1")
    found = tag_set(guest)
    guest.set("blk_mq_tags", found.tags, **{f"bitmap_tags.sb.{name}": value for name, value in values.items()})
    guest.reads.clear()
    result = read(guest, found)
    assert "claims" in result.tags.absent["in_use"] and result.tags.in_use is None and result.tags.depth is None
    assert all(size < 4096 for _, size in guest.reads)


def test_a_number_of_reserved_tags_that_cannot_be():
    guest = block_guest("6.1")
    found = tag_set(guest)
    set_bit(guest, found, 3)
    guest.set("blk_mq_tags", found.tags, nr_reserved_tags=1 << 31)
    assert "reserved tags are claimed" in read(guest, found).tags.absent["in_use"]


def test_an_empty_bitmap_has_no_words():
    guest = block_guest("6.1")
    at = guest.struct("sbitmap", "empty", shift=SHIFT)
    assert tags.set_bits(Bulk(guest), View(guest, "struct sbitmap", at)) == []


def test_a_bitmap_that_is_not_in_the_dump():
    guest = block_guest("6.1")
    found = tag_set(guest)
    guest.forget(found.bitmap)
    result = read(guest, found)
    assert set(result.tags.absent) == {"depth", "in_use", "started", "waiters"} and result.requests == []
