"""Split rings from bytes: geometry, byte order, chains, and everything a hostile ring can do."""
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcheck.virtio import split
from vqcheck.virtio.split import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, Descriptor, UsedElement, walk_chain


def table(*descriptors):
    return [Descriptor(*fields) for fields in descriptors]


def packed(descriptors, order="<"):
    return b"".join(struct.pack(order + "QIHH", *one) for one in descriptors)


def test_areas_of_the_incident():
    """Of its 3398 bytes, the used ring lies at 0x940: the available ring's end, aligned to 64."""
    assert split.desc_bytes(128) == 0x800
    assert 0x800 + split.avail_bytes(128) == 0x906
    assert 0x940 + split.used_bytes(128) == 3398


@pytest.mark.parametrize("num, complaint", [
    (0, "outside"), (-1, "outside"), (70000, "outside"), (65536, "outside"), (3, "power of two"),
    (100, "power of two")])
def test_sizes_that_no_split_queue_has(num, complaint):
    assert complaint in split.size_problem(num)


@pytest.mark.parametrize("num", [1, 2, 128, 256, 1024, 32768])
def test_sizes_that_a_split_queue_may_have(num):
    assert split.size_problem(num) is None


@pytest.mark.parametrize("order, mark", [("little", "<"), ("big", ">")])
def test_avail_ring(order, mark):
    raw = struct.pack(mark + "7H", 1, 43936, 10, 11, 12, 13, 43932)
    assert split.decode_avail(raw, 4, order) == split.AvailRing(1, 43936, (10, 11, 12, 13), 43932)


@pytest.mark.parametrize("order, mark", [("little", "<"), ("big", ">")])
def test_used_ring(order, mark):
    raw = struct.pack(mark + "HHIIIIH", 1, 43936, 7, 4096, 0xFFFFFFFF, 1, 43935)
    assert split.decode_used(raw, 2, order) == split.UsedRing(
        1, 43936, (UsedElement(7, 4096), UsedElement(0xFFFFFFFF, 1)), 43935)


def test_the_byte_order_matters():
    raw = struct.pack(">5H", 0, 1, 2, 3, 4)
    assert split.decode_avail(raw, 2, "big") != split.decode_avail(raw, 2, "little")


def test_bytes_beyond_the_ring_are_ignored():
    raw = struct.pack("<5H", 0, 1, 2, 3, 4)
    assert split.decode_avail(raw + b"\xff" * 9, 2) == split.decode_avail(raw, 2)


@given(num=st.sampled_from([1, 2, 8, 128]), missing=st.integers(1, 8))
def test_a_short_ring_is_refused(num, missing):
    with pytest.raises(ValueError, match=f"an available ring of {num} takes"):
        split.decode_avail(bytes(split.avail_bytes(num) - min(missing, split.avail_bytes(num))), num)
    with pytest.raises(ValueError, match=f"a used ring of {num} takes"):
        split.decode_used(bytes(split.used_bytes(num) - min(missing, split.used_bytes(num))), num)


def test_descriptors_and_an_incomplete_last_one():
    whole = [(0x1000, 512, DESC_F_NEXT, 1), (0xFFFFFFFFFFFFFFFF, 1, DESC_F_WRITE, 0)]
    assert split.decode_descriptors(packed(whole) + b"\1\2\3") == table(*whole)
    assert split.decode_descriptors(packed(whole, ">"), "big") == table(*whole)


def test_a_chain():
    request = table((0x10, 16, DESC_F_NEXT, 2), (0, 0, 0, 0), (0x20, 4096, DESC_F_NEXT | DESC_F_WRITE, 3),
                    (0x30, 1, DESC_F_WRITE, 9))
    chain = walk_chain(request, 0)
    assert [one.addr for one in chain.descriptors] == [0x10, 0x20, 0x30]
    assert (chain.head, chain.indirect, chain.problem) == (0, False, None)


@pytest.mark.parametrize("head", [-1, 2, 65535])
def test_a_head_outside_the_table(head):
    chain = walk_chain(table((0, 0, 0, 0), (0, 0, 0, 0)), head)
    assert chain.descriptors == ()
    assert chain.problem == f"head {head} is outside the table of 2"


def test_next_outside_the_table():
    chain = walk_chain(table((1, 1, DESC_F_NEXT, 7)), 0)
    assert len(chain.descriptors) == 1
    assert chain.problem == "next 7 is outside the table of 1"


@pytest.mark.parametrize("looped", [
    table((1, 1, DESC_F_NEXT, 0)),
    table((1, 1, DESC_F_NEXT, 1), (2, 1, DESC_F_NEXT, 0)),
    table((1, 1, DESC_F_NEXT, 1), (2, 1, DESC_F_NEXT, 2), (3, 1, DESC_F_NEXT, 1)),
])
def test_a_loop_ends(looped):
    chain = walk_chain(looped, 0)
    assert chain.problem == "the chain loops"
    assert len(chain.descriptors) == len(looped)


def test_readable_after_writable():
    chain = walk_chain(table((1, 1, DESC_F_NEXT | DESC_F_WRITE, 1), (2, 1, 0, 0)), 0)
    assert chain.problem == "a device-readable descriptor follows a device-writable one"


INNER = [(0x100, 16, DESC_F_NEXT, 1), (0x200, 512, DESC_F_NEXT | DESC_F_WRITE, 2), (0x300, 1, DESC_F_WRITE, 0)]


@pytest.mark.parametrize("order, mark", [("little", "<"), ("big", ">")])
def test_an_indirect_table(order, mark):
    memory = packed(INNER, mark)
    asked = []

    def read(address, size):
        asked.append((address, size))
        return memory

    chain = walk_chain(table((0x5000, 48, DESC_F_INDIRECT, 0)), 0, read, order)
    assert asked == [(0x5000, 48)]
    assert (chain.descriptors, chain.indirect, chain.problem) == (tuple(table(*INNER)), True, None)


def test_an_indirect_table_that_nobody_reads():
    chain = walk_chain(table((0x5000, 48, DESC_F_INDIRECT, 0)), 0)
    assert (len(chain.descriptors), chain.indirect, chain.problem) == (1, True, None)


@pytest.mark.parametrize("length", [0, 15, 17, 16 * 32768 + 16, 0xFFFFFFF0])
def test_an_indirect_table_of_an_impossible_length_is_not_read(length):
    chain = walk_chain(table((0x5000, length, DESC_F_INDIRECT, 0)), 0, read=pytest.fail)
    assert chain.problem == f"an indirect table of {length} bytes"


def test_indirect_with_next():
    chain = walk_chain(table((0x5000, 16, DESC_F_INDIRECT | DESC_F_NEXT, 0)), 0, read=pytest.fail)
    assert chain.problem == "an indirect descriptor also has NEXT set"


def test_indirect_inside_indirect():
    inner = packed([(1, 16, DESC_F_INDIRECT, 0)])
    chain = walk_chain(table((0x5000, 16, DESC_F_INDIRECT, 0)), 0, lambda address, size: inner)
    assert chain.problem == "an indirect table inside an indirect table"


def test_a_loop_in_an_indirect_table():
    inner = packed([(1, 1, DESC_F_NEXT, 1), (2, 1, DESC_F_NEXT, 0)])
    chain = walk_chain(table((0x5000, 32, DESC_F_INDIRECT, 0)), 0, lambda address, size: inner)
    assert chain.problem == "the chain loops"


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 7), st.integers(0, 12)),
                min_size=1, max_size=10), st.integers(-1, 12), st.binary(max_size=100))
def test_no_table_is_walked_without_end(descriptors, head, memory):
    chain = walk_chain(table(*descriptors), head, lambda address, size: memory[:size])
    assert len(chain.descriptors) <= max(len(descriptors), len(memory) // 16)
    assert chain.problem is not None or not chain.descriptors[-1].flags & DESC_F_NEXT
