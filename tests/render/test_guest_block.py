"""The block layer and the SCSI host: requests that the guest itself holds are told from those that an event lost."""
import pytest

from tests.builders import block_queue, pair
from vqcheck.render import guest_block, guest_text
from vqcheck.snapshot.kernel_model import HardwareQueue, ScsiHost, ScsiUnit, Tags
from vqcheck.snapshot.kinds import Hex

TABLE = """\
block layer of vdb: scheduler mq-deadline, quiesce_depth 0, freeze_depth 0, requeue 0, queue_flags
    0x1c4, request_queue 0xffff888003c44000
hctx  state  stopped  dispatch  active  tags     started  waiters  sched tags    sched
                                        used/of                    used/of     waiters
----  -----  -------  --------  ------  -------  -------  -------  ----------  -------
   0  0x1    yes             2       0  128/128      128        3  200/256           0
   1  -      -               -       -  -              -        -  -                 -
All disks of the host share these tags: active is of this disk, tags used, started and waiters are
    of all.
  * hctx 0 is stopped (BLK_MQ_S_STOPPED): it takes no request until the driver starts it again, as
    virtio-blk does with the next completion after its ring was full
  * 2 requests on the dispatch list of hctx 0: the driver has not taken them
  * 3 wait for a free tag of hctx 0 (128/128 in use): tasks, or the hardware context itself"""


def disk(waiting=0, **changes):
    return block_queue(waiting)._replace(**changes)


def said(block, **scene):
    return guest_block.sentences(pair(**scene)[0].devices[0], block)


def shown(*blocks, **scene):
    return guest_block.blocks(pair(guest_part={"block": list(blocks)}, **scene)[0].devices[0])


def test_a_disk_under_pressure():
    busy = HardwareQueue(0, Hex(1), True, 2, 0, Tags(128, 0, 128, 128, 3), Tags(256, 0, 200, None, 0))
    (block,) = shown(disk(scheduler="mq-deadline", hardware_queues=[busy, HardwareQueue(1)]))
    assert block == TABLE


def test_a_disk_at_rest_has_nothing_to_say():
    assert said(disk()) == []
    assert "waits" not in shown(disk())[0]


@pytest.mark.parametrize("changes, sentence", [
    ({"quiesce_depth": 1}, "vdb is quiesced (quiesce_depth 1): no request is given to the driver"),
    ({"freeze_depth": 2}, "vdb is frozen (freeze_depth 2): no new request may enter"),
    ({"requeue": 3}, "3 requests on the requeue list of vdb"),
    ({"disk": None, "requeue": 1}, "1 request on the requeue list of the disk"),
])
def test_what_keeps_requests_back(changes, sentence):
    assert said(disk(**changes)) == [sentence]


def test_nothing_on_the_ring_yet_the_guest_waits():
    assert said(disk(waiting=3)) == [
        "nothing is on a ring, yet 3 requests of vdb wait in the block layer, the oldest for 30.0 s: the guest itself "
        "holds them, and no lost kick or interrupt of now explains it"]


def test_requests_wait_behind_those_on_the_ring():
    assert said(disk(waiting=1), avail=4, used=0) == [
        "1 request of vdb waits in the block layer, for 30.0 s, besides 4 on the device's rings"]


@pytest.mark.parametrize("queue", [{"in_flight": None}, {"role": "unknown"}])
def test_what_is_on_the_ring_may_not_be_known(queue):
    assert said(disk(waiting=1), guest_queue=queue)[0].endswith("what is on the rings is not known")


def test_there_may_be_more_than_were_found():
    assert "yet at least 3 requests of vdb" in said(disk(waiting=3)._replace(waiting_count=None))[0]


@pytest.mark.parametrize("state, sentence", [
    ("in_flight", "1 of them is started (in_flight) and on no ring: the driver or the layer above it has them"),
    ("complete", "1 request of vdb is complete: the driver has finished")])
def test_requests_that_have_left_the_block_layer(state, sentence):
    block = disk(waiting=2)
    block = block._replace(waiting=[block.waiting[0]._replace(state=state), block.waiting[1]])
    assert said(block)[1].startswith(sentence)
    assert len(said(block)) == 2


def test_complete_requests_do_not_wait():
    block = disk(waiting=1)
    block = block._replace(waiting=[block.waiting[0]._replace(state="complete")])
    assert said(block) == ["1 request of vdb is complete: the driver has finished, and the block layer is to end them"]


def test_one_request_that_waits():
    assert said(disk(waiting=1)) == [
        "nothing is on a ring, yet 1 request of vdb waits in the block layer, for 30.0 s: the guest itself holds it, "
        "and no lost kick or interrupt of now explains it"]


def test_waiting_requests_oldest_first_and_not_too_many():
    block = disk(waiting=30)
    (text,) = shown(block._replace(waiting=block.waiting[::-1], waiting_count=400))
    lines = text[text.index("tag  internal"):].splitlines()
    assert lines[3].split() == ["0", "none", "write", "0", "4096", "30.0", "s", "idle"]
    assert len(lines) == 3 + 20 + 1
    assert lines[-1] == "and 380 younger ones (listed in the JSON form)"


def test_many_disks_at_rest_are_one_line():
    blocks = [disk(disk=f"sd{letter}") for letter in "abcdef"] + [disk(disk="sdg", requeue=1)]
    found = shown(*blocks)
    assert len(found) == 2
    assert found[0].startswith("block layer of sdg: ")
    assert found[1] == "block layers at rest, not shown: sda, sdb, sdc, sdd, sde, sdf"
    assert len(shown(*blocks[:4])) == 4


@pytest.mark.parametrize("changes", [
    {"hardware_queues": None}, {"waiting": None}, {"hardware_queues": [HardwareQueue(0)]},
    {"hardware_queues": [HardwareQueue(0, tags=Tags(128, in_use=None))]}, {"waiting": block_queue(1).waiting},
    {"quiesce_depth": 1}])
def test_a_disk_is_not_at_rest_where_that_is_not_known(changes):
    device = pair()[0].devices[0]
    assert guest_block.is_at_rest(device, disk())
    assert not guest_block.is_at_rest(device, disk()._replace(**changes))


HOST = ScsiHost("host2", Hex(0xFFFF888003C55000), "running", failed=0, eh_active=False, blocked=0,
                units=[ScsiUnit("2:0:0:0", "sda", "running")])


def test_a_scsi_host_at_rest():
    (text,) = guest_block.blocks(pair(guest_part={"scsi": HOST})[0].devices[0])
    assert text.splitlines() == [
        "SCSI host host2: state running, failed 0, eh_active no, blocked 0, Scsi_Host 0xffff888003c55000",
        "unit     disk  state", "-------  ----  -------", "2:0:0:0  sda   running"]


@pytest.mark.parametrize("changes, sentence", [
    ({"state": "recovery"}, "host2 is not running: recovery"),
    ({"eh_active": True}, "the error handler of host2 is at work"),
    ({"failed": 2}, "2 commands of host2 timed out or failed and wait for the error handler (host_failed)"),
    ({"blocked": 1}, "host2 is blocked (host_blocked 1)"),
    ({"units": [ScsiUnit("2:0:0:1", "sdb", "offline")]}, "2:0:0:1 (sdb) is not running: offline"),
    ({"units": [ScsiUnit("2:0:0:1", None, "blocked")]}, "2:0:0:1 is not running: blocked"),
])
def test_a_scsi_host_in_trouble(changes, sentence):
    (found,) = guest_block.scsi_sentences(HOST._replace(**changes))
    assert found.startswith(sentence)


@pytest.mark.parametrize("changes", [{"state": None}, {"units": None}, {"units": [ScsiUnit("2:0:0:1")]}])
def test_unknown_is_no_trouble(changes):
    assert guest_block.scsi_sentences(HOST._replace(**changes)) == []


def test_of_very_many_units_those_in_trouble_are_shown():
    units = [ScsiUnit(f"2:0:0:{number}", None, "running") for number in range(100)] + [
        ScsiUnit("2:0:0:100", "sdz", "offline")]
    text = guest_text.show(pair(guest_part={"scsi": HOST._replace(units=units)})[0], True)
    assert "and 61 more" in text
    assert "\n2:0:0:100  sdz   offline\n" in text
