"""What the guest's side says of a queue: no more than its own fields prove, and by what the queue is for."""
import pytest

from tests.builders import only_queue, packed_queue, pair, with_queues
from vqcheck.render.guest_says import NOTHING_POSTED, sentences
from vqcheck.snapshot.kernel_model import Napi, TxQueue
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.model import PackedEvent
from vqcheck.virtio.devices import BALLOON, NET, RNG
from vqcheck.virtio.packed import Position, encode_position


def of(guest):
    device = guest.devices[0]
    return sentences(device, device.queues[0])


def said(**scene):
    return of(pair(**scene)[0])


def net(role, queue=None, **scene):
    """What is said of a queue of a network device."""
    scene.setdefault("guest_queue", {})["role"] = role
    guest = pair(guest_device={"device_id": NET, "type": "net"}, **scene)[0]
    return of(guest if queue is None else with_queues(guest, queue))


def packed_said(*args, **changes):
    return of(with_queues(pair()[0], packed_queue(*args, **changes)))


def test_the_incident():
    assert said(avail=43936, last_used=43932) == [
        "4 completed entries not consumed: used->idx 43936, last_used_idx 43932; heads 28, 29, 30, 31",
        "the device owed an interrupt when it wrote used entry 43932: callbacks are on, and used_event 43932 is one of "
        "the entries not consumed"]


def test_an_idle_queue():
    assert said() == ["nothing in flight"]


def test_requests_that_the_device_has():
    assert said(avail=65537 & 0xFFFF, popped=65534, used=65534) == [
        "3 handed to the device and not returned: avail_idx_shadow 1, used->idx 65534; whether the device saw them "
        "only the host knows"]


@pytest.mark.parametrize("scene, sentence", [
    ({"driver": {"avail_flags_shadow": 1}}, "the driver has its callbacks off just now"),
    ({"ring": {"used_event": 43931}}, "the driver asked for no interrupt for them: used_event 43931"),
    ({"ring": {"used_event": 43940}}, "the driver asked for no interrupt for them: used_event 43940"),
    ({"event_idx": False}, "the device owed an interrupt for them: callbacks are on, and there is no EVENT_IDX"),
    ({"event_idx": False, "ring": {"avail_flags": 1}}, "the driver asked for no interrupt (avail->flags bit 0)"),
])
def test_whether_an_interrupt_was_owed(scene, sentence):
    found = said(avail=43936, last_used=43932, **scene)
    assert found[-1].startswith(sentence)
    assert len(found) == 2


def test_an_event_index_ahead_is_still_to_come():
    assert said(avail=43936, last_used=43932, ring={"used_event": 43940})[-1].endswith("which is still to come")
    assert said(avail=43936, last_used=43932, ring={"used_event": 43931})[-1].endswith("none of these entries")


def test_nothing_is_said_of_interrupts_when_the_features_and_the_flag_are_not_known():
    assert len(said(avail=43936, last_used=43932, driver={"event": None}, guest_device={"features": None})) == 1


@pytest.mark.parametrize("scene, sentence", [
    ({"driver": {"broken": True}}, "the driver has given this queue up (broken)"),
    ({"driver": {"num_added": 2}}, "2 buffers added for which the driver has not yet decided whether to kick"),
    ({"driver": {"num_added": 3}, "guest_queue": {"layout": "packed"}}, "3 descriptors added for which the driver"),
    ({"driver": {"avail_idx_shadow": 43937}}, "avail_idx_shadow 43937 is not what the ring says: avail->idx 43936"),
    ({"guest_queue": {"in_flight": []}, "last_used": 43932},
     "the driver holds 0 heads in flight where the indexes say 4"),
    ({"guest_ring": {"used_idx": 7}}, "the indexes contradict each other: last_used_idx 43936, used->idx 7"),
    ({"guest_queue": {"ring": None}}, "nothing in flight"),
    ({"guest_queue": {"ring": None, "used": None, "absent": {"used": "page not in the dump"}}},
     "what the device has returned is not known: page not in the dump"),
    ({"guest_queue": {"driver": None}}, "the driver's state is not known"),
])
def test_other_things_a_guest_can_tell(scene, sentence):
    assert any(one.startswith(sentence) for one in said(**scene)), said(**scene)


def test_a_contradiction_is_all_that_is_said_of_indexes():
    assert len(said(guest_ring={"used_idx": 7})) == 1


@pytest.mark.parametrize("driver, sentence", [
    ({"num_free": 128, "descriptors_in_use": 0}, None),
    ({"num_free": 126, "descriptors_in_use": 2}, None),
    ({"num_free": 120, "descriptors_in_use": 2}, "num_free 120 and 2 descriptors in use make 122, and not the 128 of"),
    ({"free_list": 128, "num_free": 128}, None),
    ({"free_list": 3, "num_free": 128}, "the free list holds 3 descriptors where num_free says 128"),
    ({"free_list": 3, "num_free": 128, "free_list_problem": "a loop"},
     "the free list is cut short after 3 of 128: a loop"),
    ({"free_list": None, "descriptors_in_use": None}, None),
])
def test_the_books_of_the_free_list(driver, sentence):
    found = said(driver=driver)
    assert found[0] == "nothing in flight"
    assert [one[:len(sentence)] for one in found[1:]] == [sentence] if sentence else len(found) == 1
    assert all("a CPU was inside the driver at this instant" in one for one in found[1:])


def test_posted_buffers_are_as_they_should_be():
    assert net("rx", avail=20, used=0) == ["20 buffers posted, which wait for something to come, as they should"]
    assert net("rx") == [NOTHING_POSTED]


def test_received_and_not_consumed():
    found = net("rx", avail=20, used=5, last_used=3)
    assert found[0].startswith("2 completed entries not consumed")
    assert found[1].startswith("15 buffers posted")
    assert found[2].startswith("the device owed an interrupt")


def test_lazy_reclaim_is_normal_unless_the_queue_is_stopped():
    assert net("tx", avail=20, used=20, last_used=3) == [
        "17 entries returned and not reclaimed yet, as this driver may leave them until it next sends: used->idx 20, "
        "last_used_idx 3; heads 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 and 1 more"]
    stopped = net("tx", avail=20, used=20, last_used=3, guest_queue={"tx_queue": TxQueue(stopped=True)})
    assert stopped[1].startswith("the device owed an interrupt")
    assert stopped[2].startswith("the driver has stopped the transmit queue")


def test_byte_queue_limits():
    found = net("tx", guest_queue={"tx_queue": TxQueue(stopped=False, stack_stopped=True)})
    assert found[1].startswith("byte queue limits have stopped the transmit queue")


@pytest.mark.parametrize("role, napi, sentence", [
    ("rx", Napi(enabled=False, scheduled=False), "NAPI is not enabled for it (the interface is down)"),
    ("tx", Napi(enabled=False), "NAPI is not enabled for it (the interface is down, or napi_tx is off)"),
    ("rx", Napi(enabled=True, scheduled=True, polling=False, cpu=3), "NAPI is scheduled on CPU 3"),
    ("rx", Napi(enabled=True, scheduled=True, polling=True, cpu=3), "CPU 3 is inside its NAPI poll"),
    ("rx", Napi(enabled=True, scheduled=True), "NAPI is scheduled on a CPU"),
])
def test_napi(role, napi, sentence):
    assert net(role, guest_queue={"napi": napi})[-1].startswith(sentence)


def test_napi_at_rest_is_nothing_to_say():
    assert net("rx", guest_queue={"napi": Napi(Hex(0x10), enabled=True, scheduled=False)}) == [NOTHING_POSTED]


def test_a_queue_that_the_driver_polls():
    found = net("control", avail=2, used=1, last_used=0, driver={"callback": None})
    assert found[0].startswith("1 completed entry that the driver has not polled yet")
    assert found[1].endswith("only the host knows; the driver polls for them")
    assert len(found) == 2


def test_any_queue_without_a_callback_is_polled():
    assert "has not polled yet" in said(avail=4, last_used=3, driver={"callback": None})[0]
    unknown = said(avail=4, last_used=3, driver={"callback": None, "absent": {"callback": "not in the dump"}})
    assert "not consumed" in unknown[0]


def test_a_device_that_keeps_what_it_is_given():
    scene = {"avail": 1, "used": 0, "guest_device": {"device_id": BALLOON}, "guest_queue": {"role": "stats"}}
    assert said(**scene) == ["1 with the device, which may keep them as long as it likes"]


def test_the_buffer_of_a_random_number_generator():
    assert said(avail=1, used=0, guest_device={"device_id": RNG})[0].startswith("1 buffer posted")


def test_corrupt_chains():
    guest = pair(avail=1, used=0)[0]
    queue = only_queue(guest)
    bad = queue._replace(in_flight=[queue.in_flight[0]._replace(chain_problem="a loop")])
    assert of(with_queues(guest, bad))[-1] == "the descriptor chain of head 0 is corrupt: a loop"


def test_a_packed_queue_at_rest():
    assert packed_said() == ["nothing in flight"]


def test_a_packed_queue_across_the_end_of_the_ring():
    assert packed_said((1, 3, 4), (1,)) == [
        "1 completed entry not consumed, from position 250:1 on; ids 11",
        "2 handed to the device and not returned; whether the device saw them only the host knows",
        "the device owed an interrupt when it wrote the used descriptor at 250:1: callbacks are on, and that is one of "
        "the descriptors not consumed"]


@pytest.mark.parametrize("event, sentence", [
    (PackedEvent(encode_position(Position(252, 1)), 2),
     "the device owed an interrupt when it wrote the used descriptor at 252:1"),
    (PackedEvent(encode_position(Position(254, 1)), 2),
     "the driver asked for no interrupt for them: it wants one at 254:1, which is none of these"),
    (PackedEvent(encode_position(Position(252, 0)), 2), "the driver asked for no interrupt for them"),
    (PackedEvent(0, 0), "the device owed an interrupt for them: callbacks are on, and the driver's event area says"),
    (PackedEvent(0, 1), "the driver asked for no interrupt: its event area says never"),
    (PackedEvent(0, 3), "the driver's event area holds the reserved flags 3"),
    (PackedEvent(400, 2), "the driver's event area is corrupt: position 400 is outside the ring of 256"),
])
def test_whether_an_interrupt_was_owed_in_a_packed_queue(event, sentence):
    queue = packed_queue((1, 3, 4), (1,), driver={"event_flags_shadow": event.flags if event.flags != 1 else 2})
    found = of(with_queues(pair()[0], queue._replace(packed=queue.packed._replace(driver_event=event))))
    assert found[-1].startswith(sentence)


def test_callbacks_of_a_packed_queue_that_are_off_in_the_shadow_alone():
    found = packed_said((1,), (0,), driver={"event_flags_shadow": 1, "event_triggered": True})
    assert found[-1].startswith("the driver has its callbacks off just now (event_flags_shadow 1)")
    assert len(found) == 2


@pytest.mark.parametrize("driver, sentence", [
    ({"event_flags_shadow": 0}, "event_flags_shadow 0 is not what the ring says: 2 in the driver's event area"),
    ({"descriptors_in_use": 7}, "last_used_idx 250:1 and next_avail_idx 2:0 are 8 descriptors apart, and the chains in "
                                "flight take 7"),
    ({"num_free": 1}, "num_free 1 and 8 descriptors in use make 9, and not the 256 of the queue"),
])
def test_the_books_of_a_packed_queue(driver, sentence):
    found = packed_said((1, 3, 4), driver=driver)
    assert any(one.startswith(sentence) for one in found), found


@pytest.mark.parametrize("driver", [
    {}, {"next_avail_idx": 256}, {"last_used_idx": 300},
    {"avail_wrap_counter": True, "next_avail_idx": 249}])
def test_positions_that_contradict_each_other(driver):
    found = packed_said((1,), driver={"avail_wrap_counter": False, "next_avail_idx": 251, **driver})
    assert found[0].startswith("the indexes contradict each other: last_used_idx")
    assert len(found) == 1
