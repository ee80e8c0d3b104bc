"""What stands out: the worst first, and nothing of a healthy guest."""
import pytest

from tests.builders import block_queue, fleet, incident, only_queue, packed_queue, pair, with_queues
from vqcheck.render import guest_notes
from vqcheck.render.notes import LIMIT
from vqcheck.snapshot.kernel_model import Napi, NetDevice, ScsiHost, TxQueue
from vqcheck.virtio.devices import BALLOON, CONSOLE, NET

YOUNG = 20_000_000


def texts(guest):
    return [f"{note.place}: {note.text}" for note in guest_notes.notes(guest.devices[0])]


def noted(**scene):
    return texts(pair(**scene)[0])


def net(role, queue=None, up=True, **scene):
    return noted(guest_device={"device_id": NET, "name": "eth0"}, guest_part={"net": NetDevice("eth0", up=up)},
                 guest_queue={"role": role, **(queue or {})}, **scene)


def test_the_incident():
    assert texts(incident()[0]) == ["vdb queue 0: 4 completed and not consumed, oldest 30.0 s"]


def test_a_packed_queue():
    assert texts(with_queues(pair()[0], packed_queue((1, 2), (1,)))) == [
        "vdb queue 0: 1 completed and not consumed, 1 in flight, oldest 2.0 s"]


def test_an_old_request():
    assert noted(avail=6, used=4, age_ns=3_800_000_000) == ["vdb queue 0: 2 in flight, oldest 3.8 s"]


@pytest.mark.parametrize("scene", [
    {}, {"avail": 6, "used": 4, "age_ns": YOUNG}, {"avail": 6, "last_used": 4, "age_ns": YOUNG},
    {"irq": {"in_progress": True}}, {"guest_part": {"block": [block_queue()]}},
    {"guest_part": {"scsi": ScsiHost("host2", state="running")}},
    {"avail": 1, "used": 0, "guest_device": {"device_id": BALLOON}, "guest_queue": {"role": "stats"}},
    {"avail": 9, "last_used": 0, "guest_device": {"device_id": CONSOLE}, "guest_queue": {"role": "tx"}},
    {"guest_device": {"device_id": CONSOLE}, "guest_queue": {"role": "rx"}},
])
def test_load_and_rest_do_not_stand_out(scene):
    assert noted(**scene) == []


def test_requests_of_unknown_age_stand_out():
    queue = only_queue(pair(avail=2, used=0)[0])
    unknown = [one._replace(age_ns=None) for one in queue.in_flight]
    assert texts(with_queues(pair()[0], queue._replace(in_flight=unknown))) == ["vdb queue 0: 2 in flight"]


@pytest.mark.parametrize("scene, text", [
    ({"driver": {"broken": True}}, "broken: the driver has given it up"),
    ({"guest_ring": {"used_idx": 7}}, "the indexes contradict each other (last_used_idx 43936, used->idx 7, "
                                      "avail_idx_shadow 43936 in a queue of 128)"),
    ({"driver": {"free_list_problem": "a loop"}}, "the free list is corrupt"),
    ({"irq": {"depth": 1, "masked": True}}, "irq 27 disabled (depth 1), masked"),
    ({"irq": {"effective_online": False, "effective_affinity": "3"}}, "irq 27 goes to CPU 3, which is offline"),
])
def test_other_things_that_stand_out(scene, text):
    assert noted(**scene) == [f"vdb queue 0: {text}"]


def test_corrupt_chains():
    queue = only_queue(pair(avail=1, used=0, age_ns=YOUNG)[0])
    bad = queue._replace(in_flight=[queue.in_flight[0]._replace(chain_problem="a loop")])
    assert texts(with_queues(pair()[0], bad)) == ["vdb queue 0: 1 corrupt descriptor chain"]


def test_a_stopped_transmit_queue():
    assert net("tx", {"tx_queue": TxQueue(stopped=True)}) == ["eth0 queue 0: tx stopped by the driver"]
    assert net("tx", {"tx_queue": TxQueue(stack_stopped=True)}) == ["eth0 queue 0: tx stopped by byte queue limits"]
    assert net("tx", {"tx_queue": TxQueue(stopped=True)}, up=False) == []


def test_a_starved_receive_queue():
    napi = Napi(enabled=True)
    assert net("rx", {"napi": napi}) == ["eth0 queue 0: no receive buffer is posted"]
    assert net("rx", {"napi": napi._replace(enabled=False)}) == []
    assert net("rx", {"napi": napi}, avail=3, used=0) == []


def test_the_block_layer():
    assert noted(guest_part={"block": [block_queue(3)]}) == [
        "vdb: 3 requests waiting in the block layer and nothing on the ring, oldest 30.0 s"]
    assert noted(guest_part={"block": [block_queue(3, disk="sdc")]}, avail=1, used=0, age_ns=YOUNG) == [
        "vdb sdc: 3 requests waiting in the block layer, oldest 30.0 s"]
    assert noted(guest_part={"block": [block_queue(quiesce_depth=1, freeze_depth=1)]}) == ["vdb: quiesced, frozen"]


def test_a_stopped_hardware_queue():
    block = block_queue()
    block = block._replace(hardware_queues=[block.hardware_queues[0]._replace(stopped=True)])
    assert noted(guest_part={"block": [block]}) == ["vdb: hctx 0 stopped"]


def test_young_requests_that_wait_are_load():
    block = block_queue(1)
    for changes in ({"age_ns": YOUNG}, {"state": "complete"}):
        waiting = [block.waiting[0]._replace(**changes)]
        assert noted(guest_part={"block": [block._replace(waiting=waiting)]}) == []


def test_the_scsi_host():
    assert noted(guest_part={"scsi": ScsiHost("host2", state="recovery")}) == ["vdb: host2 is not running: recovery"]


def test_a_shared_interrupt_is_noted_once():
    guest = pair(irq={"masked": True})[0]
    queue = only_queue(guest)
    guest = with_queues(guest, *(queue._replace(queue_index=index) for index in range(64)))
    assert texts(guest) == ["vdb queues 0-63: irq 27 masked"]


def test_the_worst_comes_first_and_not_too_many():
    guest = fleet(40, 1)[0]
    late = only_queue(pair(avail=6, used=4)[0])
    devices = [device._replace(queues=[late]) for device in guest.devices]
    devices[-1] = devices[-1]._replace(queues=[late._replace(driver=late.driver._replace(broken=True))])
    lines = guest_notes.block(guest._replace(devices=devices)).splitlines()
    assert lines[1:3] == ["  vd39 queue 0: broken: the driver has given it up, 2 in flight, oldest 30.0 s",
                          "  vd0 queue 0: 2 in flight, oldest 30.0 s"]
    assert (len(lines), lines[-1]) == (1 + LIMIT + 1, "  and 10 more")


def test_a_healthy_guest():
    assert guest_notes.block(fleet(3, 2)[0]) == "nothing stands out on the guest's side"


def test_of_what_is_not_known_nothing_is_said_to_be_well():
    guest = fleet(2, 2)[0]
    blind = guest.devices[0]._replace(queues=[one._replace(in_flight=None) for one in guest.devices[0].queues])
    text = guest_notes.block(guest._replace(devices=[blind, guest.devices[1]]))
    assert text == "requests of 2 queues are not known, and may stand out"
