"""A hang and a healthy queue on every kernel, replayed: both walkers against their witnesses, and the verdict."""
import pytest

from tests import recordings
from tests.lab.kernel import DEFAULT, SOURCES
from tests.lab.test_kernels import NAMES
from tests.verdicts import EXPECTED
from vqcheck.check.judge import judge

RECORDED = sorted(f"{path.parent.parent.name}/{path.parent.name}" for path in recordings.KERNELS.rglob("truth.json"))


@pytest.fixture(params=RECORDED)
def name(request):
    return request.param


def side(name, which):
    return recordings.replay(recordings.bundle(name, which, recordings.KERNELS))


def test_every_kernel_is_recorded():
    assert sorted(f"{kernel}/{scene}" for kernel in SOURCES if kernel != DEFAULT for scene in NAMES) == RECORDED


def test_the_guests_side_is_what_drgn_read(name):
    truth = recordings.truth(name, recordings.KERNELS)["guest"]
    found = side(name, "guest").devices[0].queues[0]
    assert (found.size, found.rings.desc, found.driver.num_free) == (truth["num"], truth["desc"], truth["num_free"])
    assert (found.driver.last_used_idx, found.driver.avail_idx_shadow) == (truth["last_used_idx"],
                                                                           truth["avail_idx_shadow"])
    assert [(one.head, one.tag, one.sector, one.bytes) for one in found.in_flight] == [
        (one["head"], one["tag"], one["sector"], one["length"]) for one in truth["in_flight"]]


def test_the_hosts_side_is_what_gdb_printed(name):
    truth = recordings.truth(name, recordings.KERNELS)["host"]
    found = side(name, "host").devices[0].queues[0]
    assert found.device._asdict().items() >= {key: truth[key] for key in (
        "last_avail_idx", "used_idx", "signalled_used", "inuse")}.items()


def test_both_sides_read_the_same_ring(name):
    assert side(name, "guest").devices[0].queues[0].ring == side(name, "host").devices[0].queues[0].ring


def test_the_verdict(name):
    EXPECTED[name.split("/")[1]].check(judge(side(name, "guest"), side(name, "host")))
