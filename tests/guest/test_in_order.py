"""In-order queues (IN_ORDER, Linux 7.2): one used entry for a batch, and a driver that stands inside one."""
import pytest

from tests.guest import machine as made
from tests.guest.machine import machine
from vqcheck.guest.snapshot import take

OUTSIDE = 0xFFFFFFFF
AVAIL, USED = 1 << 7, 1 << 15
TOKENS = [made.REQUESTS + made.REQUEST_STEP * number for number in range(3)]


def split(*entries, batch=OUTSIDE, length=0):
    """The hung disk in order; `entries` are id and length in the slots from last_used_idx on, 0 and 0 behind them."""
    target = machine("7.2")
    target.set("vring_virtqueue", made.VRING, layout=2, batch_last__id=batch, batch_last__len=length)
    for step in range(4):
        head, size = entries[step] if step < len(entries) else (0, 0)
        target.poke(made.RING_USED + 4 + 8 * ((made.LAST_USED + step) % made.SIZE),
                    target.encode(head, 4) + target.encode(size, 4))
    return take(target, "vdb").devices[0].queues[0]


@pytest.mark.parametrize("entries, lengths", [
    ([(7, 9)], [None, None, None, 9]),
    ([(5, 9), (99, 99), (7, 8)], [None, 9, None, 8]),
    ([(0, 1), (5, 2), (6, 3), (7, 4)], [1, 2, 3, 4]),
], ids=["one batch", "two batches", "one by one"])
def test_a_used_entry_stands_for_all_up_to_its_head(entries, lengths):
    queue = split(*entries)
    assert [entry.id for entry in queue.used] == [0, 5, 6, 7] and queue.driver.in_order
    assert [entry.len for entry in queue.used] == lengths
    assert [entry.idx for entry in queue.used] == [made.LAST_USED + step for step in range(4)]


def test_a_driver_that_has_begun_a_batch_has_kept_its_end():
    queue = split((0, 0), (0, 0), (7, 4), batch=5, length=11)
    assert [(entry.id, entry.len) for entry in queue.used] == [(0, None), (5, 11), (6, None), (7, 4)]


@pytest.mark.parametrize("entries, batch", [([(99, 1)], OUTSIDE), ([(5, 1), (0, 0), (5, 1)], OUTSIDE), ([], 99)])
def test_a_head_that_is_none_of_those_used(entries, batch):
    queue = split(*entries, batch=batch)
    assert queue.used is None and "which is not the head of one" in queue.absent["used"]


def packed(used, batch=OUTSIDE):
    """Chains of 1, 2 and 1 descriptors at 28, 29 and 31; `used` are the ids that the device has written, by place."""
    target = machine("7.2", is_packed=True)
    target.set("vring_virtqueue", made.VRING, layout=3, batch_last__id=batch, free_head=0xBAD)
    width, members = target.types["struct vring_desc_state_packed"]
    target.poke(made.STATES, bytes(width * made.SIZE))
    for head, token, num in zip((28, 29, 31), TOKENS, (1, 2, 1)):
        for name, value in (("data", token + target.type_size("struct request")), ("num", num)):
            target.poke(made.STATES + width * head + members[name].offset, target.encode(value, members[name].size))
    for place in range(28, 32):
        head, flags = used.get(place, 29 if place == 30 else place), AVAIL
        target.poke(made.DESC + 16 * place, b"".join(target.encode(value, size) for value, size in (
            (0x100000, 8), (7, 4), (head, 2), (flags | USED if place in used else flags, 2))))
    return take(target, "vdb").devices[0].queues[0]


@pytest.mark.parametrize("used, batch, expected", [
    ({}, OUTSIDE, []),
    ({28: 31}, OUTSIDE, [(28, 28), (29, 29), (31, 31)]),
    ({28: 29}, OUTSIDE, [(28, 28), (29, 29)]),
    ({28: 28, 29: 31}, OUTSIDE, [(28, 28), (29, 29), (31, 31)]),
    ({}, 29, [(28, 28), (29, 29)]),
    ({31: 31}, 29, [(28, 28), (29, 29), (31, 31)]),
], ids=["nothing", "one batch", "part of them", "one and a batch", "inside a batch", "inside a batch, and one more"])
def test_a_used_descriptor_stands_for_all_up_to_its_id(used, batch, expected):
    queue = packed(used, batch)
    assert [(entry.idx, entry.id) for entry in queue.used] == expected
    assert queue.driver.free_head is None and "no use for it" in queue.driver.absent["free_head"]
    assert [one.tag for one in queue.in_flight] == [20, 21, 22]


@pytest.mark.parametrize("used, batch, words", [
    ({28: 30}, OUTSIDE, "id 30 at 28 is not in flight"),
    ({}, 30, "inside a batch up to id 30, which is not in flight"),
])
def test_an_id_that_is_not_in_flight(used, batch, words):
    queue = packed(used, batch)
    assert queue.used is None and words in queue.absent["used"]


def test_a_ring_whose_next_chain_is_not_in_flight():
    target = machine("7.2", is_packed=True)
    target.set("vring_virtqueue", made.VRING, layout=3, batch_last__id=OUTSIDE)
    queue = take(target, "vdb").devices[0].queues[0]
    assert queue.used is None and "no chain in flight begins at 28" in queue.absent["used"]
    assert all("28" in one.absent["indirect"] for one in queue.in_flight)
