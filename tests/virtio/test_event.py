"""Index arithmetic: the whole truth table, and properties against brute force."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcheck.virtio.event import distance, need_event, signed_distance

INDEX = st.integers(0, 0xFFFF)
COUNT = st.integers(0, 0x8000)
"""Entries between two evaluations: never more than the largest queue."""

TRUTH_TABLE = [
    # event, new, old, needed, what it shows
    (43932, 43933, 43932, True, "the first completion, signalled one by one"),
    (43932, 43936, 43932, True, "the same, batched"),
    (43932, 43936, 0, True, "with a signalled_used of 0, as in the incident"),
    (43932, 43936, 43936, False, "nothing new since the last evaluation"),
    (43932, 43937, 43936, False, "after a lost interrupt one more completion does not signal again"),
    (65535, 0, 65535, True, "new wraps"),
    (0, 0, 65535, False, "entry 0 is not written yet"),
    (65534, 2, 65534, True, "event is old: inside"),
    (1, 2, 65534, True, "event is new - 1: inside"),
    (2, 2, 65534, False, "event is new: outside"),
    (65533, 2, 65534, False, "event is old - 1: outside"),
    (7, 1234, 1234 + 65536, False, "65536 entries look like none: the alias that QEMU guards against"),
]


@pytest.mark.parametrize("event, new, old, needed, shows", TRUTH_TABLE)
def test_truth_table(event, new, old, needed, shows):
    assert need_event(event, new, old) is needed, shows


@pytest.mark.parametrize("event", [0, 1, 1233, 1234, 1235, 65535])
def test_nothing_new_never_needs_an_event(event):
    assert not need_event(event, 1234, 1234)


@given(event=INDEX, old=INDEX, count=st.integers(0, 600))
def test_need_event_is_membership_of_the_half_open_interval(event, old, count):
    written = {(old + step) % 65536 for step in range(count)}
    assert need_event(event, (old + count) & 0xFFFF, old) == (event in written)


@given(offset=st.integers(-3, 3), old=INDEX, count=COUNT, from_new=st.booleans())
def test_need_event_at_the_edges_of_the_interval(offset, old, count, from_new):
    new = (old + count) & 0xFFFF
    event = ((new if from_new else old) + offset) & 0xFFFF
    assert need_event(event, new, old) == ((event - old) % 65536 < count)


@given(event=INDEX, old=INDEX, count=COUNT, shift=st.integers(-200_000, 200_000))
def test_shifting_everything_changes_nothing(event, old, count, shift):
    new = old + count
    plain = need_event(event, new & 0xFFFF, old)
    assert need_event((event + shift) & 0xFFFF, (new + shift) & 0xFFFF, (old + shift) & 0xFFFF) == plain


@given(old=INDEX, count=COUNT, event=INDEX)
def test_one_evaluation_in_a_split_interval_fires(old, count, event):
    """Evaluating in two steps neither loses nor doubles the notification."""
    middle, new = (old + count // 2) & 0xFFFF, (old + count) & 0xFFFF
    steps = [need_event(event, middle, old), need_event(event, new, middle)]
    assert sum(steps) == need_event(event, new, old)


@given(older=INDEX, count=st.integers(0, 0xFFFF))
def test_distance_undoes_addition(older, count):
    newer = (older + count) & 0xFFFF
    assert distance(newer, older) == count
    assert (older + signed_distance(newer, older)) & 0xFFFF == newer
    assert -0x8000 <= signed_distance(newer, older) <= 0x7FFF


@pytest.mark.parametrize("newer, older, apart", [
    (5, 3, 2), (3, 5, -2), (0, 65535, 1), (65535, 0, -1), (0x8000, 0, -0x8000)])
def test_signed_distance(newer, older, apart):
    assert signed_distance(newer, older) == apart
