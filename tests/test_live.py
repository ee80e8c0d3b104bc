"""Reading a kernel that runs meanwhile: what moved is absent, what stood still stays, and torn walks are repeated."""
import pytest

from tests.builders import fleet, incident, pair
from tests.fake_target import FakeTarget
from vqcheck import live
from vqcheck.snapshot import moving
from vqcheck.snapshot.held_model import Held, HeldRequest
from vqcheck.snapshot.kernel_model import BlockQueue
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.read import read
from vqcheck.snapshot.write import to_json
from vqcheck.target.errors import Corrupt, NullPointer, TargetError, Unreadable
from vqcheck.target.recording import Recorder, load
from vqcheck.target.vqcap import pack


class Running(FakeTarget):
    """A running kernel with one word in memory."""

    def __init__(self, method="live"):
        super().__init__()
        self.method = method
        self.put(0x1000, bytes(8))

    def identity(self):
        return super().identity()._replace(method=self.method, runs=self.method == "live")


class Walks(list):
    """The walks to come, each a snapshot or an error; each reads the word, and changes it."""

    def __init__(self):
        super().__init__()
        self.take = live.walker(self._walk)

    def _walk(self, target, name):
        target.read_uint(0x1000, 8)
        assert name == "vdb"
        found = self.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def walks():
    return Walks()


HUNG = incident()[0]
BUSY = [pair(avail=100 + step, last_used=90 + step)[0] for step in range(6)]


def queue_of(snapshot):
    return snapshot.devices[0].queues[0]


def test_a_dump_is_read_once(walks):
    walks += BUSY
    assert walks.take(Running("dump"), "vdb") is BUSY[0]
    assert len(walks) == len(BUSY) - 1


def test_a_queue_that_stands_still_is_taken_as_it_is(walks):
    walks += [HUNG, HUNG]
    recorder = Recorder(Running())
    assert walks.take(recorder, "vdb") is HUNG
    assert walks == [] and recorder.bundle.asked == {}


def test_a_queue_that_moves_at_first_is_read_again(walks):
    walks += [BUSY[0], BUSY[1], HUNG, HUNG]
    assert walks.take(Recorder(Running()), "vdb") is HUNG


def test_what_goes_on_moving_is_absent(walks):
    walks += BUSY
    found = walks.take(Recorder(Running()), "vdb")
    queue = queue_of(found)
    reason = "it moved while it was read (last_used_idx 94, then 95)"
    assert (queue.ring, queue.used, queue.driver.last_used_idx, queue.driver.num_free) == (None,) * 4
    assert queue.absent["ring"] == queue.absent["used"] == queue.driver.absent["avail_idx_shadow"] == reason
    assert found.capture.warnings == ["vdb queue 0 moved while it was read: last_used_idx 94, then 95"]
    assert (queue.size, queue.irq, queue.driver.broken) == (
        queue_of(BUSY[4]).size, queue_of(BUSY[4]).irq, queue_of(BUSY[4]).driver.broken)
    assert read(to_json(found).encode()) == found, "it must be a snapshot as others are"


def test_the_memory_of_an_earlier_attempt_is_forgotten(walks):
    walks += [BUSY[0], BUSY[1], HUNG, HUNG]
    target = Running()
    recorder = Recorder(target)
    walks.take(recorder, "vdb")
    assert len(target.reads) == 4 and recorder.reads == 2


@pytest.mark.parametrize("problem", [Corrupt("a list that does not close"), NullPointer("a pointer"),
                                     Unreadable(0x1000, 8, "not mapped")])
def test_a_torn_walk_is_tried_again(walks, problem):
    walks += [problem, HUNG, problem, HUNG, HUNG]
    assert walks.take(Recorder(Running()), "vdb") is HUNG


def test_what_stays_broken_is_an_error(walks):
    walks += [Corrupt("a list that does not close")] * 9
    with pytest.raises(Corrupt, match=r"a list that does not close \(in 3 attempts: what runs changes"):
        walks.take(Recorder(Running()), "vdb")
    assert len(walks) == 9 - live.ATTEMPTS


def test_an_unknown_device_is_said_at_once(walks):
    walks += [TargetError("no disk vdb"), HUNG]
    with pytest.raises(TargetError, match="no disk vdb"):
        walks.take(Recorder(Running()), "vdb")
    assert walks == [HUNG]


def test_a_replay_leaves_out_what_the_recording_was_told_to(walks):
    walks += BUSY
    recorder = Recorder(Running())
    found = walks.take(recorder, "vdb")
    _, asked = load(pack(recorder.bundle))
    assert moving.without(BUSY[4], moving.from_words(asked)) == found


def changed(snapshot, index, **driver):
    """Another state of one of the first device's queues."""
    device = snapshot.devices[0]
    queues = [queue._replace(driver=queue.driver._replace(**driver)) if queue.queue_index == index else queue
              for queue in device.queues]
    return snapshot._replace(devices=[device._replace(queues=queues), *snapshot.devices[1:]])


@pytest.mark.parametrize("field, value", [("last_used_idx", 1), ("avail_idx_shadow", 1), ("num_free", 3),
                                          ("next_avail_idx", 5), ("used_wrap_counter", True)])
def test_only_the_queue_that_moved_is_left_out(field, value):
    first = fleet(2, 3)[0]
    (move,) = moving.moved(first, changed(first, 1, **{field: value}))
    assert (move.device, move.queue_index) == ("vd0", 1) and move.what.startswith(f"{field} ")
    found = moving.without(first, [move])
    assert found.devices[0].queues[1].ring is None
    assert found.devices[0].queues[::2] == first.devices[0].queues[::2] and found.devices[1] == first.devices[1]


def test_a_ring_that_moved_under_a_driver_that_did_not():
    first, again = pair(avail=10, popped=9)[0], pair(avail=10, popped=9, guest_ring={"used_idx": 10})[0]
    (move,) = moving.moved(first, again)
    assert move.what == "used_idx 9, then 10"


def test_a_device_that_went_away():
    first = fleet(2, 1)[0]
    (move,) = moving.moved(first, first._replace(devices=first.devices[:1]))
    assert move == moving.Moved("vd1", 0, [], moving.GONE)


def test_requests_that_stay_while_others_go():
    first, again = pair(avail=100, popped=98, last_used=90)[0], pair(avail=101, popped=99, last_used=91)[0]
    queue, other = queue_of(first), queue_of(again)
    stuck = queue.in_flight[3]
    reused = queue.in_flight[4]
    later = [one for one in other.in_flight if one.head not in (stuck.head, reused.head)]
    later += [stuck, reused._replace(age_ns=reused.age_ns - 1)]
    again = again._replace(devices=[again.devices[0]._replace(queues=[other._replace(in_flight=later)])])
    (move,) = moving.moved(first, again)
    kept = queue_of(moving.without(first, [move])).in_flight
    assert stuck in kept and reused not in kept and len(kept) < len(queue.in_flight)


def test_requests_that_wait_outside_the_ring_are_not_known_then():
    first, again = pair(avail=10)[0], pair(avail=11)[0]
    part = first.devices[0].guest._replace(block=[BlockQueue(disk="vdb", quiesce_depth=0, waiting=[])])
    first = first._replace(devices=[first.devices[0]._replace(guest=part)])
    (block,) = moving.without(first, moving.moved(first, again)).devices[0].guest.block
    assert block.waiting is None and "moved" in block.absent["waiting"] and block.quiesce_depth == 0


@pytest.mark.parametrize("words", [{}, {"side": "guest", "device": "moved"}, {"moved": ""}, {"moved x vdb": "1 what"},
                                   {"moved \u00b2 vdb": "1 what"}, {"movedx 1 vdb": "1 what"}])
def test_other_words_of_a_recording(words):
    assert moving.from_words(words) == []


def test_any_name_survives_in_a_recording():
    moves = [moving.Moved("a name\twith, much", 3, [1, 2], "used_idx 1, then 2"), moving.Moved("", 0, [], "")]
    assert moving.from_words(moving.to_words(moves)) == moves


HOST = [pair(avail=100 + step, popped=95 + step, used=90 + step)[1] for step in range(2)]


def with_held(snapshot, *requests):
    (device,) = snapshot.devices
    (queue,) = device.queues
    return snapshot._replace(devices=[device._replace(queues=[queue._replace(held=Held(list(requests), True, ["x"]))])])


def test_a_device_that_moves_keeps_what_it_held_all_the_while():
    old, young = HeldRequest(3, address=Hex(0x10), age_ns=9), HeldRequest(4, address=Hex(0x20), age_ns=1)
    first, again = with_held(HOST[0], old, young), with_held(HOST[1], old)
    moves = moving.moved(first, again)
    queue = queue_of(moving.without(first, moves))
    assert moves[0].what == "last_avail_idx 95, then 96"
    assert queue.device.last_avail_idx is queue.device.used_idx is queue.ring is queue.available is None
    assert "it moved while it was read" in queue.device.absent["used_idx"]
    assert queue.held.requests == [old] and queue.held.complete is False
    assert queue.device.num_default == queue_of(first).device.num_default  # what never moves stays


# Both sides of what runs.

HUNG_HOST = incident()[1]
BUSY_HOST = [pair(avail=100 + step, last_used=90 + step)[1] for step in range(6)]


class InTurns:
    """Two sides whose walks are to come, and in which order they were asked."""

    def __init__(self, guest, host):
        self.guest, self.host, self.order = list(guest), list(host), ""

    def both(self):
        return live.both(lambda: self._next("g", self.guest), lambda: self._next("h", self.host))

    def _next(self, side, walks):
        self.order += side
        found = walks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def test_sides_are_read_in_turns_so_that_what_stands_still_is_of_one_instant():
    turns = InTurns([HUNG, HUNG], [HUNG_HOST, HUNG_HOST])
    assert turns.both() == (HUNG, HUNG_HOST) and turns.order == "ghgh"


def test_sides_of_which_one_moves_at_first_are_both_read_again():
    turns = InTurns([HUNG] * 4, [BUSY_HOST[0], BUSY_HOST[1], HUNG_HOST, HUNG_HOST])
    assert turns.both() == (HUNG, HUNG_HOST) and turns.order == "ghgh" * 2


def test_of_a_side_that_goes_on_moving_only_what_belongs_together_is_left():
    guest, host = InTurns(BUSY, [HUNG_HOST] * 6).both()
    assert host is HUNG_HOST
    assert queue_of(guest).ring is None and queue_of(guest).absent["ring"].startswith("it moved while it was read")
    guest, host = InTurns([HUNG] * 6, BUSY_HOST).both()
    assert guest is HUNG and queue_of(host).ring is None and queue_of(host).device.used_idx is None


def test_torn_walks_of_either_side():
    torn = Unreadable(0x1000, 8, "not mapped")
    assert InTurns([torn, HUNG, HUNG, HUNG, HUNG], [torn, HUNG_HOST, HUNG_HOST]).both() == (HUNG, HUNG_HOST)
    with pytest.raises(Corrupt, match="in 3 attempts"):
        InTurns([HUNG] * 9, [torn] * 9).both()
