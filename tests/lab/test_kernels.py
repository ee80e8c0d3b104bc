"""A hang and a healthy queue on every kernel: made for real there too, and called by their names."""
import pathlib
import shutil
import tempfile
from typing import Iterator, NamedTuple

import pytest

from tests.verdicts import EXPECTED
from vqcheck.check.judge import judge

from . import sides
from .keep import keep
from .kernel import DEFAULT, SOURCES
from .scenes import SCENES, Made, make
from .sides import Side

pytestmark = [pytest.mark.lab, pytest.mark.matrix]

NAMES = ("lost-interrupt", "healthy")


class Seen(NamedTuple):
    """A scene on one kernel."""

    made: Made
    guest: Side
    host: Side


@pytest.fixture(scope="module", params=[f"{kernel}: {name}" for kernel in SOURCES if kernel != DEFAULT
                                        for name in NAMES])
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Every kernel and scene in turn; test_scenes.py has those of the default kernel."""
    kernel, name = request.param.split(": ")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        made = make(name, directory, sides.live_commands(directory), SCENES[name].options._replace(kernel=kernel))
        guest, host = sides.guest_by_drgn(made.capture), sides.live(directory)
        keep(f"kernels/{kernel}/{name}", {"guest.vqcap": guest.vqcap, "host.vqcap": host.vqcap,
                                          "truth.json": directory / "truth.json"})
        yield Seen(made, guest, host)
    finally:
        shutil.rmtree(directory)


def test_both_sides_are_what_the_witnesses_say(seen: Seen) -> None:
    (guest,), (host,) = seen.guest.snapshot.devices[0].queues, seen.host.snapshot.devices[0].queues
    truth = seen.made.truth
    assert guest.driver and guest.ring and guest.rings and host.device and host.rings
    assert (guest.size, guest.driver.num_free, guest.driver.last_used_idx, guest.driver.avail_idx_shadow) == (
        truth.guest.num, truth.guest.num_free, truth.guest.last_used_idx, truth.guest.avail_idx_shadow)
    assert (guest.ring.avail_idx, guest.ring.used_idx, guest.ring.used_event, guest.ring.avail_event) == (
        truth.guest.avail_idx, truth.guest.used_idx, truth.guest.used_event, truth.guest.avail_event)
    assert [(one.head, one.tag, one.sector, one.bytes) for one in guest.in_flight or []] == [
        (one.head, one.tag, one.sector, one.length) for one in truth.guest.in_flight]
    assert (host.device.last_avail_idx, host.device.used_idx, host.device.signalled_used, host.device.inuse) == (
        truth.host.last_avail_idx, truth.host.used_idx, truth.host.signalled_used, truth.host.inuse)
    assert guest.rings == host.rings


def test_the_verdict(seen: Seen) -> None:
    EXPECTED[seen.made.name].check(judge(seen.guest.snapshot, seen.host.snapshot))
