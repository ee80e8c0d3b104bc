"""Packed rings: layout, positions on the circle of two laps, chains, and everything a hostile ring can do."""
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.virtio.packed_ring import PackedRing
from vqcheck.virtio import packed
from vqcheck.virtio.packed import (
    DESC_F_AVAIL,
    DESC_F_INDIRECT,
    DESC_F_NEXT,
    DESC_F_USED,
    DESC_F_WRITE,
    Descriptor,
    Position,
    UsedBuffer,
    walk_chain,
)

AVAILABLE, USED = DESC_F_AVAIL, DESC_F_AVAIL | DESC_F_USED
"""Flags of the first lap, whose wrap counter is 1."""

START = Position(0, 1)


def ring_of(*descriptors, size=None):
    found = [Descriptor(*fields) for fields in descriptors]
    return found + [Descriptor(0, 0, 0, 0)] * ((size or len(found)) - len(found))


@pytest.mark.parametrize("num", [1, 3, 100, 256, 1000, 32768])
def test_sizes_need_not_be_powers_of_two(num):
    assert packed.size_problem(num) is None


@pytest.mark.parametrize("num", [-1, 0, 32769, 65536])
def test_sizes_that_no_packed_queue_has(num):
    assert packed.size_problem(num) == f"queue size {num} is outside 1..32768"


def test_sizes_in_bytes():
    assert (packed.ring_bytes(256), packed.ring_bytes(100), packed.EVENT_BYTES) == (4096, 1600, 4)


def test_descriptors_are_little_endian_and_an_incomplete_last_one_is_ignored():
    raw = bytes(range(1, 17)) + b"\xff" * 5
    assert packed.decode_descriptors(raw) == [Descriptor(0x0807060504030201, 0x0C0B0A09, 0x0E0D, 0x100F)]


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), *[st.integers(0, 2**16 - 1)] * 2)))
def test_descriptors_survive_encoding(fields):
    raw = b"".join(struct.pack("<QIHH", *one) for one in fields)
    assert packed.decode_descriptors(raw) == [Descriptor(*one) for one in fields]


def test_event_suppression():
    assert packed.decode_event(b"\x05\x80\x02\x00") == packed.EventSuppression(0x8005, packed.EVENT_DESC)
    with pytest.raises(ValueError, match="takes 4 bytes, not 3"):
        packed.decode_event(b"\0\0\0")


@pytest.mark.parametrize("flags, wrap, available, used", [
    (0x0000, 1, False, False),  # a fresh ring
    (0x0080, 1, True, False),
    (0x8080, 1, False, True),
    (0x8000, 1, False, False),  # still of the next lap
    (0x8000, 0, True, False),
    (0x0000, 0, False, True),
    (0x0080, 0, False, False),
    (0x8080, 0, False, False),  # still of the lap before
    (0x0087, 1, True, False),  # NEXT, WRITE and INDIRECT do not matter
])
def test_available_and_used(flags, wrap, available, used):
    assert (packed.is_available(flags, wrap), packed.is_used(flags, wrap)) == (available, used)


@pytest.mark.parametrize("word, offset, wrap", [(0x8000, 0, 1), (0, 0, 0), (0x80FF, 255, 1), (0x7FFF, 32767, 0)])
def test_positions_in_16_bits(word, offset, wrap):
    assert packed.decode_position(word) == (offset, wrap)
    assert packed.encode_position(Position(offset, wrap)) == word


@pytest.mark.parametrize("position, count, after", [
    ((0, 1), 3, (3, 1)), ((2, 1), 1, (3, 1)), ((4, 1), 1, (0, 0)), ((4, 0), 1, (0, 1)), ((3, 1), 5, (3, 0)),
    ((3, 1), 10, (3, 1)), ((0, 0), -1, (4, 1)), ((2, 1), 0, (2, 1))])
def test_advance_in_a_ring_of_five(position, count, after):
    assert packed.advance(Position(*position), count, 5) == after


@pytest.mark.parametrize("newer, older, apart, signed", [
    ((2, 1), (2, 1), 0, 0),
    ((2, 0), (2, 1), 5, 5),  # full: only the wrap counter tells it from empty
    ((1, 0), (3, 1), 3, 3),
    ((3, 1), (1, 0), 7, -3),  # the older one was given as the newer
    ((4, 1), (0, 1), 4, 4),
    ((0, 1), (4, 1), 6, -4),
])
def test_distance_in_a_ring_of_five(newer, older, apart, signed):
    assert packed.distance(Position(*newer), Position(*older), 5) == apart
    assert packed.signed_distance(Position(*newer), Position(*older), 5) == signed


@given(num=st.integers(1, 32768), begin=st.integers(0, 200_000), data=st.data())
def test_distance_undoes_advance(num, begin, data):
    count = data.draw(st.integers(0, num))
    older = packed.advance(START, begin, num)
    newer = packed.advance(older, count, num)
    assert newer == PackedRing(num).position(begin + count)
    assert packed.distance(newer, older, num) == packed.signed_distance(newer, older, num) == count
    assert packed.advance(newer, -count, num) == older
    assert packed.signed_distance(older, newer, num) == (-count if count < num else num)


@given(num=st.integers(1, 50), at=st.integers(50, 300), back=st.integers(0, 49))
def test_an_offset_gets_its_lap_back(num, at, back):
    newer = packed.advance(START, at, num)
    older = packed.advance(newer, -(back % num), num)
    assert packed.latest(older.offset, newer) == older


def test_a_chain_lies_in_consecutive_descriptors_and_its_last_one_has_the_id():
    ring = ring_of((0x10, 16, 0, AVAILABLE | DESC_F_NEXT), (0x20, 512, 0, AVAILABLE | DESC_F_NEXT | DESC_F_WRITE),
                   (0x30, 1, 7, AVAILABLE | DESC_F_WRITE), size=5)
    chain = walk_chain(ring, START)
    assert [one.addr for one in chain.descriptors] == [0x10, 0x20, 0x30]
    assert (chain.start, chain.id, chain.taken, chain.indirect, chain.problem) == (START, 7, 3, False, None)


def test_a_chain_across_the_end_of_the_ring():
    ring = ring_of((0x30, 1, 9, DESC_F_USED | DESC_F_WRITE), (0, 0, 0, USED), (0x20, 16, 9, AVAILABLE | DESC_F_NEXT))
    chain = walk_chain(ring, Position(2, 1))
    assert ([one.addr for one in chain.descriptors], chain.id, chain.problem) == ([0x20, 0x30], 9, None)


@pytest.mark.parametrize("offset", [-1, 2, 32768])
def test_a_start_outside_the_ring(offset):
    chain = walk_chain(ring_of((0, 0, 0, 0), (0, 0, 0, 0)), Position(offset, 1))
    assert (chain.descriptors, chain.problem) == ((), f"position {offset} is outside the ring of 2")


def test_a_chain_that_leaves_what_is_available():
    chain = walk_chain(ring_of((1, 1, 5, AVAILABLE | DESC_F_NEXT), (2, 1, 5, USED), size=4), START)
    assert (chain.taken, chain.id, chain.problem) == (1, None, "descriptor 1 is not available")
    assert walk_chain(ring_of((1, 1, 5, USED)), START).problem == "descriptor 0 is not available"


def test_a_chain_around_the_whole_ring():
    ring = ring_of(*[(1, 1, 0, AVAILABLE | DESC_F_NEXT)] * 3)
    chain = walk_chain(ring, START)
    assert (chain.taken, chain.id, chain.problem) == (3, None, "the chain runs around the whole ring")


def test_readable_after_writable():
    ring = ring_of((1, 1, 0, AVAILABLE | DESC_F_NEXT | DESC_F_WRITE), (2, 1, 0, AVAILABLE))
    assert walk_chain(ring, START).problem == "a device-readable descriptor follows a device-writable one"


def test_in_an_indirect_table_every_entry_counts_and_only_write_matters():
    table = struct.pack("<QIHH", 0x100, 16, 0, 0) + struct.pack("<QIHH", 0x200, 1, 55, DESC_F_WRITE | DESC_F_INDIRECT)
    asked = []

    def read(address, size):
        asked.append((address, size))
        return table

    ring = ring_of((0x5000, 32, 3, AVAILABLE | DESC_F_INDIRECT | DESC_F_WRITE), size=4)
    chain = walk_chain(ring, START, read)
    assert asked == [(0x5000, 32)]
    assert [one.addr for one in chain.descriptors] == [0x100, 0x200]
    assert (chain.id, chain.taken, chain.indirect, chain.problem) == (3, 1, True, None)


def test_an_indirect_table_that_nobody_reads():
    chain = walk_chain(ring_of((0x5000, 32, 3, AVAILABLE | DESC_F_INDIRECT)), START)
    assert (len(chain.descriptors), chain.id, chain.indirect, chain.problem) == (1, 3, True, None)


def test_directions_in_an_indirect_table():
    table = struct.pack("<QIHH", 1, 1, 0, DESC_F_WRITE) + struct.pack("<QIHH", 2, 1, 0, 0)
    chain = walk_chain(ring_of((0x5000, 32, 3, AVAILABLE | DESC_F_INDIRECT)), START, lambda address, size: table)
    assert chain.problem == "a device-readable descriptor follows a device-writable one"


@pytest.mark.parametrize("length", [0, 15, 17, 16 * 32768 + 16, 0xFFFFFFF0])
def test_an_indirect_table_of_an_impossible_length_is_not_read(length):
    chain = walk_chain(ring_of((0x5000, length, 3, AVAILABLE | DESC_F_INDIRECT)), START, read=pytest.fail)
    assert chain.problem == f"an indirect table of {length} bytes"


@pytest.mark.parametrize("ring", [
    ring_of((1, 16, 0, AVAILABLE | DESC_F_INDIRECT | DESC_F_NEXT), (2, 1, 0, AVAILABLE)),
    ring_of((1, 16, 0, AVAILABLE | DESC_F_NEXT), (2, 16, 0, AVAILABLE | DESC_F_INDIRECT)),
])
def test_an_indirect_descriptor_stands_alone(ring):
    assert walk_chain(ring, START, read=pytest.fail).problem == "an indirect descriptor is part of a chain"


@pytest.mark.parametrize("written, known, lengths, problem", [
    ((0, 9, 4, USED), {}, [], "id 4 at 0 is not in flight"),
    ((0, 9, 4, USED), {4: 0}, [], "id 4 at 0 takes 0 descriptors, 3 are left"),
    ((0, 9, 4, USED), {4: 4}, [], "id 4 at 0 takes 4 descriptors, 3 are left"),
    ((0, 9, 4, USED), {4: 2}, [None], None),
    ((0, 9, 4, USED | DESC_F_WRITE), {4: 2}, [9], None),
])
def test_used_descriptors_are_checked(written, known, lengths, problem):
    run = packed.used_buffers(ring_of(written, size=3), START, known.get)
    assert ([one.len for one in run.buffers], run.problem) == (lengths, problem)


def test_the_same_buffer_twice():
    run = packed.used_buffers(ring_of((0, 0, 1, USED), (0, 0, 1, USED), size=4), START, {1: 1}.get)
    assert run == ((UsedBuffer(START, 1, None, 1),), Position(1, 1), "id 1 at 1 was given back before")


def test_used_buffers_never_take_more_than_the_ring():
    ring = ring_of((0, 0, 1, USED), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 2, USED))
    run = packed.used_buffers(ring, START, {1: 3, 2: 2}.get)
    assert run == ((UsedBuffer(START, 1, None, 3),), Position(3, 1), "id 2 at 3 takes 2 descriptors, 1 are left")


def test_nothing_is_read_behind_a_corrupt_chain():
    ring = ring_of((1, 1, 0, AVAILABLE | DESC_F_NEXT | DESC_F_WRITE), (2, 1, 0, AVAILABLE), (3, 1, 1, AVAILABLE))
    chains = packed.available_chains(ring, START)
    assert [(one.taken, one.problem is None) for one in chains] == [(2, False)]


def test_a_last_used_outside_the_ring():
    run = packed.used_buffers(ring_of((0, 0, 1, USED)), Position(9, 1), {1: 1}.get)
    assert run == ((), Position(9, 1), "position 9 is outside the ring of 1")


def test_one_used_descriptor_completes_a_batch_in_order():
    ring = ring_of((0, 512, 6, USED | DESC_F_WRITE), size=8)
    run = packed.used_buffers(ring, START, {4: 2, 5: 1, 6: 3}.get, in_order=[4, 5, 6, 7])
    assert run.buffers == (UsedBuffer(START, 4, None, 2), UsedBuffer(Position(2, 1), 5, None, 1),
                           UsedBuffer(Position(3, 1), 6, 512, 3))
    assert (run.end, run.problem) == (Position(6, 1), None)
    assert packed.used_buffers(ring, START, {6: 1}.get, in_order=[7]).problem == "id 6 at 0 is not in flight"


def test_batch_after_batch():
    ring = ring_of((0, 8, 5, USED | DESC_F_WRITE), (0, 0, 0, 0), (0, 9, 7, USED | DESC_F_WRITE), size=6)
    run = packed.used_buffers(ring, START, dict.fromkeys([4, 5, 6, 7, 8], 1).get, in_order=[4, 5, 6, 7, 8])
    assert [(one.id, one.len) for one in run.buffers] == [(4, None), (5, 8), (6, None), (7, 9)]
    assert (run.end, run.problem) == (Position(4, 1), None)


def test_batches():
    assert packed.completed_batch([3, 1, 2], 1) == (3, 1)
    assert packed.completed_batch([3, 1, 2], 2) == (3, 1, 2)
    assert packed.completed_batch([3, 1, 2], 9) == ()


DESCRIPTORS = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 64), st.integers(0, 12),
                        st.sampled_from([AVAILABLE, USED, DESC_F_USED, 0]).flatmap(
                            lambda flags: st.integers(0, 7).map(lambda more: flags | more)))


@given(st.lists(DESCRIPTORS, min_size=1, max_size=10), st.integers(-1, 11), st.integers(0, 1),
       st.binary(max_size=100), st.dictionaries(st.integers(0, 12), st.integers(-3, 12)))
def test_no_ring_is_walked_without_end(descriptors, offset, wrap, memory, known):
    ring, start = ring_of(*descriptors), Position(offset, wrap)
    chains = packed.available_chains(ring, start, lambda address, size: memory[:size])
    assert sum(chain.taken for chain in chains) <= len(ring)
    assert all(chain.problem is None for chain in chains[:-1])
    run = packed.used_buffers(ring, start, known.get)
    assert sum(one.taken for one in run.buffers) <= len(ring)
