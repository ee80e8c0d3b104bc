"""Structs read ahead in bulk, and what is left to single reads."""
import pytest

from tests.fake_target import FakeTarget
from vqcheck.target.bulk import GAP, MAX_SPAN, Bulk
from vqcheck.target.errors import Unreadable

START, SIZE = 0x10000, 16


def target_of(length):
    target = FakeTarget()
    target.put(START, bytes(number & 0xFF for number in range(length)))
    return target


def test_what_lies_close_together_is_read_once_and_answered_from_there():
    target = target_of(4096)
    bulk = Bulk(target)
    bulk.load([START + 512, START, START + 256, START], SIZE)
    assert target.reads == [(START, 512 + SIZE)]
    assert bulk.read(START + 256, 4) == b"\0\1\2\3" and bulk.read(START + 300, 2) == bytes([300 & 0xFF, 301 & 0xFF])
    assert len(target.reads) == 1


def test_what_was_loaded_is_not_loaded_again():
    target = target_of(4096)
    bulk = Bulk(target)
    bulk.load([START, START + 64], SIZE)
    bulk.load([START + 64, START + 2048], SIZE)
    assert target.reads == [(START, 80), (START + 2048, SIZE)]


def test_far_apart_and_large_spans_are_read_on_their_own():
    target = target_of(4 * MAX_SPAN)
    Bulk(target).load([START, START + SIZE + GAP + 1], SIZE)
    assert len(target.reads) == 2
    target.reads.clear()
    Bulk(target).load(range(START, START + 2 * MAX_SPAN, 64), SIZE)
    assert len(target.reads) > 1 and all(size <= MAX_SPAN for _, size in target.reads)


def test_a_span_with_a_hole_is_left_to_single_reads():
    target = FakeTarget()
    target.put(START, bytes(SIZE))
    target.put(START + 64, b"x" * SIZE)
    bulk = Bulk(target)
    bulk.load([START, START + 64], SIZE)
    assert bulk.read(START + 64, SIZE) == b"x" * SIZE
    with pytest.raises(Unreadable):
        bulk.read(START + 32, SIZE)


def test_a_read_that_goes_beyond_what_was_loaded_is_passed_on():
    target = target_of(4096)
    bulk = Bulk(target)
    bulk.load([START], SIZE)
    assert len(bulk.read(START + 8, SIZE)) == SIZE and target.reads[-1] == (START + 8, SIZE)
    assert bulk.read(START, SIZE, True) and target.reads[-1] == (START, SIZE)  # physical memory is another matter


def test_null_and_nothing_are_not_read():
    target = target_of(64)
    Bulk(target).load([0, 0], SIZE)
    Bulk(target).load([], SIZE)
    assert target.reads == []


def test_all_other_questions_are_the_targets():
    target = FakeTarget("big", 4)
    target.symbols["jiffies"] = 0x55
    target.declare("struct a", [("x", 4), ("y", 4)])
    bulk = Bulk(target)
    assert (bulk.byte_order, bulk.pointer_size, bulk.symbol("jiffies"), bulk.symbol_name(0x55)) \
        == ("big", 4, 0x55, "jiffies")
    assert bulk.type_size("struct a") == 8 and bulk.member("struct a", "y") == (4, 4)
    assert bulk.identity() == target.identity()
    target.stacks = []
    assert bulk.threads() == []
