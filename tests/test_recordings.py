"""Real kernels and real QEMUs, replayed: the walkers against independent witnesses, the checker against the scene."""
import pytest

from tests import facts, recordings
from tests.lab.kernel import DEFAULT, SOURCES
from tests.lab.scenes import ALL, ALSO, SCENES
from tests.lab.test_kernels import names
from tests.verdicts import EXPECTED, lost
from vqcheck.check.judge import judge


class Recorded:
    """A recorded scene: both walks again, and what the witnesses said."""

    def __init__(self, folder):
        self.scene = folder.rsplit("/", 1)[1]
        self.truth = recordings.truth(folder, recordings.DATA)
        self.guest, self.host = (recordings.replay(recordings.bundle(folder, side, recordings.DATA))
                                 for side in ("guest", "host"))


@pytest.fixture(scope="module", params=recordings.scenes())
def recorded(request):
    return Recorded(request.param)


def test_every_scene_of_the_lab_is_recorded():
    expected = {f"scenes/{name}" for name in SCENES}
    expected |= {recordings.place(qemu, name) for qemu, also in ALSO.items() for name in also}
    expected |= {f"kernels/{kernel}/{scene}" for kernel in SOURCES if kernel != DEFAULT for scene in names(kernel)}
    assert recordings.scenes() == sorted(expected)


def test_every_scene_has_a_verdict():
    assert sorted(EXPECTED) == sorted(ALL)


def test_the_guests_side_is_what_drgn_read(recorded):
    facts.check_guest(recorded.truth, recorded.guest)


def test_the_hosts_side_is_what_gdb_and_qmp_said(recorded):
    facts.check_host(recorded.truth, recorded.host)
    facts.check_counters(recorded.truth, recorded.host)


def test_what_the_device_holds_is_what_the_guest_waits_for(recorded):
    facts.check_held(recorded.truth, recorded.scene, recorded.host)
    facts.check_ages(recorded.truth, recorded.scene, recorded.host)


def test_both_sides_read_the_same_ring(recorded):
    facts.check_sides(recorded.guest, recorded.host)


def test_the_verdict(recorded):
    verdict = judge(recorded.guest, recorded.host)
    EXPECTED[recorded.scene].check(verdict)
    facts.check_events(recorded.truth, lost(verdict))
