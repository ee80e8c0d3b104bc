"""Answers that no QEMU should give: a message or a valid snapshot comes of them, and never anything else."""
import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.host.by_qmp.answers import PATH, Each, Forgiving, Made, with_members
from tests.qmp_transcript import load
from vqcheck.host.by_qmp.ask import Refused
from vqcheck.host.by_qmp.careful import Careful
from vqcheck.host.by_qmp.snapshot import take
from vqcheck.render import host_text
from vqcheck.snapshot.read import read
from vqcheck.snapshot.write import to_json
from vqcheck.target.errors import TargetError

ENTRIES = load("7.2-lost-kick")
NET = load("7.2-vhost-user-net")

JUNK = some.one_of(
    some.none(), some.booleans(), some.integers(-(1 << 70), 1 << 70), some.floats(), some.text(max_size=20),
    some.sampled_from(["\x1b[2J\x07", "a\nb", "\ud800", "../../x", "0" * 5000]),
    some.lists(some.integers(), max_size=3), some.dictionaries(some.text(max_size=5), some.integers(), max_size=3))


def places(value, path=()):
    """Every place inside a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def damaged(value, path, junk):
    if not path:
        return junk
    value = copy.copy(value)
    value[path[0]] = damaged(value[path[0]], path[1:], junk)
    return value


def printable(text):
    """Whether a terminal would only print it."""
    return all(line.isprintable() for line in text.split("\n"))


@settings(max_examples=300)
@given(some.data())
def test_damaged_answers(data):
    entries = list(data.draw(some.sampled_from([ENTRIES, NET])))
    device = "virtio-disk1" if len(entries) == len(ENTRIES) else None
    for _ in range(data.draw(some.integers(1, 3))):
        number = data.draw(some.integers(0, len(entries) - 1))
        entry = entries[number]
        if "return" in entry:
            path = data.draw(some.sampled_from(list(places(entry["return"]))))
            entries[number] = {**entry, "return": damaged(entry["return"], path, data.draw(JUNK))}
    careful = Careful(Forgiving(entries), block=True)
    try:
        snapshot = take(careful, device)
    except TargetError as problem:
        assert str(problem)
        return
    assert read(to_json(snapshot).encode()) == snapshot
    for detail in (False, True):
        assert printable(host_text.show(snapshot, detail))


@pytest.mark.parametrize("changes, reason", [
    ({"vring_num": 0}, "queue size 0"), ({"vring_num": 100}, "not a power of two"), ({"vring_num": 1 << 31}, "outside"),
])
def test_a_size_that_cannot_be(changes, reason):
    made = Made({"x-query-virtio-queue-status": with_members(**changes)})
    (queue,) = take(Careful(made), "virtio-disk1").devices[0].queues
    assert queue.size is None and reason in queue.absent["size"] and reason in queue.absent["ring"]
    assert queue.device.last_avail_idx is not None


@pytest.mark.parametrize("changes", [{"last_avail_idx": 65536}, {"used_idx": -1}, {"inuse": "0"}, {"inuse": None},
                                     {"signalled_used_valid": 1}, {"vring_num": True}, {"shadow_avail_idx": None}])
def test_indexes_that_cannot_be(changes):
    made = Made({"x-query-virtio-queue-status": with_members(**changes)})
    (disk,) = take(Careful(made), "virtio-disk1").devices
    assert disk.queues == [] and disk.absent["queues"]


def test_a_queue_that_is_not_set_up():
    made = Made({"x-query-virtio-queue-status": with_members(vring_desc=0)})
    (queue,) = take(Careful(made), "virtio-disk1").devices[0].queues
    assert queue.rings is None and queue.ring is None
    assert "has not set this queue up" in queue.absent["rings"] and "has not set" in queue.absent["available"]


def test_a_ring_that_claims_more_than_it_has():
    made = Made({"x-query-virtio-queue-status": with_members(last_avail_idx=5, shadow_avail_idx=5)})
    (queue,) = take(Careful(made), "virtio-disk1").devices[0].queues
    assert queue.ring is not None and queue.available is None and "in a ring of 256" in queue.absent["available"]


def test_far_too_many_queues():
    made = Made({"x-query-virtio-status": with_members(num_vqs=100000)})
    (disk,) = take(Careful(made), "virtio-disk1").devices
    assert disk.queues == [] and "num-vqs" in disk.absent["queues"]


def test_a_status_that_is_refused():
    made = Made({"x-query-virtio-status": Refused("x-query-virtio-status", "GenericError", "not a VirtIODevice")})
    (disk,) = take(Careful(made), "virtio-disk1").devices
    assert disk.name == "virtio-disk1" and disk.device_id == 2 and disk.queues == []
    assert "not a VirtIODevice" in disk.absent["features"] and disk.host.broken is None


def test_a_number_of_elements_and_nobody_who_has_them():
    made = Made({"x-query-virtio-queue-status": with_members(inuse=3)})
    (queue,) = take(Careful(made), "virtio-disk1").devices[0].queues
    assert queue.device.inuse == 3 and queue.held is None and "not which" in queue.absent["held"]


def test_strings_that_a_terminal_would_obey():
    evil = "\x1b]0;owned\x07\n\u202e"
    made = Made({"query-name": {"name": evil}, "type": Each(lambda arguments: evil), "x-query-virtio": [
        {"path": PATH, "name": "virtio-blk"}]})
    text = host_text.show(take(Careful(made), "virtio-disk1"), True)
    assert printable(text) and "\\x1b" in text


def test_blocks_without_end_and_bridges_without_end():
    deep = {"stats": {}, "node-name": "n"}
    for _ in range(500):
        deep = {"stats": {}, "node-name": "n", "parent": deep}
    made = Made({"query-blockstats": [{**deep, "qdev": PATH}]})
    block = take(Careful(made, block=True), "virtio-disk1").devices[0].host.block
    assert block.nodes is None and "without end" in block.absent["nodes"]
    pci = {"bus": 0, "slot": 1, "function": 0, "qdev_id": "b"}
    nested = [pci]
    for _ in range(500):
        nested = [{**pci, "pci_bridge": {"bus": {"secondary": 1}, "devices": nested}}]
    (disk,) = take(Careful(Made({"query-pci": [{"bus": 0, "devices": nested}]})), "virtio-disk1").devices
    assert disk.bus is None and "without end" in disk.absent["bus"]


def test_json_of_a_snapshot_is_ascii():
    assert json.loads(to_json(take(Careful(Made({"query-name": {"name": "b\u00fc"}})), "virtio-disk1")))[
        "target"]["name"] == "b\u00fc"
