"""Packed rings at work: a driver and a device walk a ring, and event suppression against what they really passed."""
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.virtio.packed_ring import PackedRing
from vqcheck.virtio import event, packed
from vqcheck.virtio.packed import EVENT_DESC, EVENT_DISABLE, EVENT_ENABLE, EventSuppression, Position

STEPS = st.lists(st.one_of(
    st.tuples(st.just("add"), st.integers(1, 4)), st.tuples(st.just("take")),
    st.tuples(st.just("give_back"), st.integers(0, 9)), st.tuples(st.just("consume"))), max_size=120)


@given(num=st.sampled_from([1, 2, 3, 5, 8, 13]), steps=STEPS)
def test_the_flags_alone_tell_what_is_posted_and_what_is_returned(num, steps):
    queue = PackedRing(num)
    for name, *arguments in steps:
        getattr(queue, name)(*arguments)
        posted = packed.available_chains(queue.ring, queue.position(queue.taken))
        assert [chain.id for chain in posted] == queue.posted
        assert [chain.taken for chain in posted] == [queue.lengths[one] for one in queue.posted]
        run = packed.used_buffers(queue.ring, queue.position(queue.consumed), queue.lengths.get)
        assert [one.id for one in run.buffers] == queue.returned
        assert (run.end, run.problem) == (queue.position(queue.used), None)
        positions = [queue.position(count) for count in (queue.added, queue.taken, queue.used, queue.consumed)]
        apart = [packed.distance(newer, older, num) for newer, older in zip(positions, positions[1:])]
        assert apart == [queue.added - queue.taken, queue.taken - queue.used, queue.used - queue.consumed]


@given(num=st.sampled_from([1, 3, 5, 8]), steps=STEPS)
def test_batches_in_order(num, steps):
    queue = PackedRing(num)
    for name, *arguments in steps:
        if name == "consume":
            while queue.returned:  # a driver in the middle of a batch knows more than the ring tells
                queue.consume()
        else:
            getattr(queue, {"give_back": "give_back_batch"}.get(name, name))(*arguments)
        in_flight = queue.returned + queue.held + queue.posted
        run = packed.used_buffers(queue.ring, queue.position(queue.consumed), queue.lengths.get, in_flight)
        assert ([one.id for one in run.buffers], run.problem) == (queue.returned, None)
        assert run.end == queue.position(queue.used)


@pytest.mark.parametrize("at, new, old, needed, shows", [
    ((3, 1), (4, 1), (3, 1), True, "the next descriptor, one by one"),
    ((3, 1), (6, 1), (3, 1), True, "the same, batched"),
    ((6, 1), (6, 1), (3, 1), False, "event is new: not passed yet"),
    ((2, 1), (6, 1), (3, 1), False, "event was passed before"),
    ((4, 1), (4, 1), (4, 1), False, "nothing new"),
    ((6, 1), (1, 0), (5, 1), True, "on the lap before, and new has wrapped"),
    ((0, 0), (1, 0), (5, 1), True, "the first descriptor of the new lap"),
    ((0, 1), (1, 0), (5, 1), False, "the same offset, one lap earlier"),
    ((6, 0), (1, 0), (5, 1), False, "the same offset, one lap later"),
    ((5, 1), (5, 0), (5, 1), True, "a whole lap"),
    ((5, 0), (5, 0), (5, 1), False, "a whole lap, and the event at its end"),
])
def test_events_in_a_ring_of_seven(at, new, old, needed, shows):
    assert packed.need_event(Position(*at), Position(*new), Position(*old), 7) is needed, shows


@st.composite
def moves(draw):
    """A queue size, where one side stood before, how far it moved (a lap at most) and an event near it."""
    num = draw(st.one_of(st.integers(1, 40), st.integers(1, 32768)))
    old, count = draw(st.integers(32768, 200_000)), draw(st.integers(0, num))
    near = draw(st.sampled_from([old - num, old - 1, old, old + count - 1, old + count, old + num]))
    return num, old, count, draw(st.one_of(st.just(near), st.integers(old - num, old + num)))


@given(moves())
def test_need_event_is_membership_of_what_was_passed(move):
    num, old, count, at = move
    place = PackedRing(num).position
    assert packed.need_event(place(at), place(old + count), place(old), num) == (old <= at < old + count)


@given(moves())
def test_need_event_as_linux_computes_it(move):
    """virtqueue_kick_prepare_packed(): an event of the other lap is one lap back, in 16 bits."""
    num, old, count, at = move
    place = PackedRing(num).position
    new, passed = place(old + count), place(at)
    offset = passed.offset if passed.wrap == new.wrap else passed.offset - num
    assert packed.need_event(passed, new, place(old), num) == event.need_event(offset, new.offset, new.offset - count)


@given(moves())
def test_need_event_as_qemu_computes_it(move):
    """vring_packed_need_event() compares bare offsets; it is asked only if used_idx has not wrapped since."""
    num, old, count, at = move
    place = PackedRing(num).position
    new, before, passed = place(old + count), place(old), place(at)
    assume(new.wrap == before.wrap)
    offset = passed.offset if passed.wrap == new.wrap else passed.offset - num
    plain = event.need_event(offset, new.offset, before.offset)
    assert packed.need_event(passed, new, packed.latest(before.offset, new), num) == plain


@given(moves(), st.integers(-70_000, 70_000))
def test_shifting_everything_changes_nothing(move, shift):
    num, old, count, at = move
    plain = [PackedRing(num).position(where) for where in (at, old + count, old)]
    moved = [packed.advance(where, shift, num) for where in plain]
    assert packed.need_event(*moved, num) == packed.need_event(*plain, num)


@given(moves())
def test_one_evaluation_in_a_split_interval_fires(move):
    num, old, count, at = move
    place = PackedRing(num).position
    middle = place(old + count // 2)
    steps = [packed.need_event(place(at), middle, place(old), num),
             packed.need_event(place(at), place(old + count), middle, num)]
    assert sum(steps) == packed.need_event(place(at), place(old + count), place(old), num)


@pytest.mark.parametrize("suppression, moved, still", [
    (EventSuppression(0, EVENT_ENABLE), True, False),
    (EventSuppression(0x8003, EVENT_DISABLE), False, False),
    (EventSuppression(0x8003, EVENT_DESC), True, False),
    (EventSuppression(0x0003, EVENT_DESC), False, False),
    (EventSuppression(0x8003, 3), None, None),
    (EventSuppression(0x8003, 0xFFFE), None, None),
])
def test_is_due(suppression, moved, still):
    assert packed.is_due(suppression, Position(4, 1), Position(3, 1), 7) is moved
    assert packed.is_due(suppression, Position(3, 1), Position(3, 1), 7) is still
