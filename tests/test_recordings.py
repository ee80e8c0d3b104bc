"""Real kernels and real QEMUs, replayed: the walkers against independent witnesses, the checker against the scene."""
import pytest

from tests import recordings
from tests.verdicts import EXPECTED
from vqcheck.check.judge import judge


@pytest.fixture(params=recordings.names())
def name(request):
    return request.param


def queue(name, side):
    return recordings.replay(recordings.bundle(name, side)).devices[0].queues[0]


def test_every_scene_of_the_lab_is_recorded():
    assert recordings.names() == sorted(EXPECTED)


def test_the_guests_side_is_what_drgn_read(name):
    truth, found = recordings.truth(name)["guest"], queue(name, "guest")
    assert (found.size, found.rings.desc, found.driver.num_free) == (truth["num"], truth["desc"], truth["num_free"])
    assert (found.driver.last_used_idx, found.driver.avail_idx_shadow) == (truth["last_used_idx"],
                                                                           truth["avail_idx_shadow"])
    assert found.ring._asdict().items() >= {key: truth[key] for key in (
        "avail_idx", "used_idx", "used_event", "avail_event")}.items()
    assert [(one.head, one.tag, one.sector, one.bytes) for one in found.in_flight] == [
        (one["head"], one["tag"], one["sector"], one["length"]) for one in truth["in_flight"]]
    assert found.irq.name in recordings.truth(name)["report"]["interrupts"]


def test_the_hosts_side_is_what_gdb_printed(name):
    truth, found = recordings.truth(name)["host"], queue(name, "host")
    assert found.device._asdict().items() >= {key: truth[key] for key in (
        "last_avail_idx", "shadow_avail_idx", "used_idx", "signalled_used", "signalled_used_valid", "notification",
        "inuse")}.items()
    assert found.rings[:3] == (truth["desc"], truth["avail"], truth["used"])
    assert found.notify.host_notifier.eventfd_count == truth["kick_count"]
    assert found.notify.guest_notifier.eventfd_count == truth["call_count"]


def test_the_verdict(name):
    guest, host = (recordings.replay(recordings.bundle(name, side)) for side in ("guest", "host"))
    EXPECTED[name].check(judge(guest, host))


def test_both_sides_read_the_same_ring(name):
    assert queue(name, "guest").ring == queue(name, "host").ring
