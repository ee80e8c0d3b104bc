"""What leaves a verdict unchanged: the order of arguments, unknown members, where the indexes began; and that what is
not known never makes a rule false."""
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import corpus
from tests.builders import packed_pair, pair
from tests.check.mutate import SKIPPED
from tests.corpus.cases import said
from vqcheck.check import judge
from vqcheck.check.verdict import FAULT, HEALTHY
from vqcheck.snapshot.read import read
from vqcheck.snapshot.shape import fields
from vqcheck.snapshot.write import to_json, to_plain

SYNTHETIC = corpus.synthetic()
IDS = [one.name for one in SYNTHETIC]
SPLIT = [{"avail": 43936, "last_used": 43932}, {"avail": 104, "popped": 100},
         {"avail": 104, "popped": 104, "used": 103},
         {}, {"avail": 140, "popped": 120, "used": 110, "last_used": 100}]
PACKED = [{"chains": (3, 4, 3), "returned": 3}, {"chains": (3, 4, 3), "popped": 0}, {"chains": (2, 2)}, {}]


def summary(verdict):
    return verdict.status, said(verdict)


@pytest.mark.parametrize("entry", SYNTHETIC, ids=IDS)
def test_the_order_of_arguments_is_nothing(entry):
    snapshots = entry.snapshots()
    assert judge.judge(*snapshots) == judge.judge(*snapshots[::-1])


@pytest.mark.parametrize("entry", SYNTHETIC, ids=IDS)
def test_members_that_are_not_known_are_nothing(entry):
    def more(value):
        if isinstance(value, dict):
            return {**{key: item if key == "absent" else more(item) for key, item in value.items()},
                    "from_the_future": {"deep": [1, None]}}
        return [more(item) for item in value] if isinstance(value, list) else value
    snapshots = entry.snapshots()
    through = [read(json.dumps(more(to_plain(one))).encode()) for one in snapshots]
    assert summary(judge.judge(*through)) == summary(judge.judge(*snapshots))


@pytest.mark.parametrize("entry", SYNTHETIC, ids=IDS)
def test_what_is_written_and_read_again_is_judged_the_same(entry):
    snapshots = entry.snapshots()
    assert judge.judge(*(read(to_json(one).encode()) for one in snapshots)) == judge.judge(*snapshots)


@given(st.integers(0, 0xFFFF), st.sampled_from(SPLIT), st.booleans(), st.sampled_from([3, 30_000]))
def test_where_a_split_rings_indexes_began_is_nothing(shift, scene, event_idx, age_ms):
    def at(by):
        moved = {key: (value + by) & 0xFFFF for key, value in {"avail": 43936, **scene}.items()}
        return judge.judge(*pair(**moved, event_idx=event_idx, age_ns=age_ms * 1_000_000))
    assert summary(at(shift)) == summary(at(0))


@given(st.integers(0, 255), st.booleans(), st.sampled_from(PACKED), st.sampled_from([3, 30_000]))
def test_where_a_packed_ring_began_is_nothing(offset, wrap, scene, age_ms):
    def at(start):
        return judge.judge(*packed_pair(**scene, start=start, age_ns=age_ms * 1_000_000))
    assert summary(at((offset, int(wrap)))) == summary(at((7, 1)))


def blanks(record, path=()):
    """Every record with one more field that is not known."""
    optional = {field.name for field in fields(type(record)) if field.optional}
    for name in record._fields:
        value = getattr(record, name)
        if name in SKIPPED or value is None:
            continue
        if name in optional and hasattr(record, "absent"):
            yield ".".join((*path, name)), record._replace(**{name: None}, absent={**record.absent, name: "a test"})
        if hasattr(value, "_fields"):
            for inner, changed in blanks(value, (*path, name)):
                yield inner, record._replace(**{name: changed})
        elif isinstance(value, list):
            for place, item in enumerate(value):
                if hasattr(item, "_fields"):
                    for inner, changed in blanks(item, (*path, name)):
                        yield inner, record._replace(**{name: [*value[:place], changed, *value[place + 1:]]})


FAULTS = [one for one in SYNTHETIC if one.status == FAULT and len(one.snapshots()) == 2]


@pytest.mark.parametrize("entry", FAULTS, ids=[one.name for one in FAULTS])
def test_what_is_not_known_is_never_taken_for_healthy(entry):
    """A fault from which one field is taken away is still a fault, or can't be judged, but for what shows it at all."""
    snapshots = entry.snapshots()
    for side, snapshot in enumerate(snapshots):
        for path, blank in blanks(snapshot):
            others = (blank, snapshots[1]) if side == 0 else (snapshots[0], blank)
            verdict = judge.judge(*others)
            if verdict.status == HEALTHY:
                assert path in TELLING, path


TELLING = {
    "devices.guest", "devices.guest.block", "devices.guest.block.waiting", "devices.guest.block.quiesce_depth",
    "devices.guest.block.hardware_queues", "devices.guest.block.hardware_queues.stopped", "devices.host.broken",
}
"""Fields that alone say that something is wrong: without them nothing is seen that would be wrong."""
