"""A hang and a healthy queue on every kernel: made for real there too, and called by their names."""
import pathlib
import shutil
import tempfile
from typing import Iterator, List, NamedTuple

import pytest

from tests import facts
from tests.verdicts import EXPECTED
from vqcheck.check.judge import judge

from . import sides
from .keep import keep
from .kernel import DEFAULT, SOURCES
from .scenes import ALL, ELSEWHERE, Made, make
from .sides import Side

pytestmark = [pytest.mark.lab, pytest.mark.matrix]

NAMES = ("lost-interrupt", "healthy")


def names(kernel: str) -> List[str]:
    """The scenes that are made on a kernel besides the default one."""
    return [*NAMES, *(name for name, scene in ELSEWHERE.items() if scene.options.kernel == kernel)]


class Seen(NamedTuple):
    """A scene on one kernel."""

    made: Made
    guest: Side
    host: Side


@pytest.fixture(scope="module", params=[f"{kernel}: {name}" for kernel in SOURCES if kernel != DEFAULT
                                        for name in names(kernel)])
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Every kernel and scene in turn; test_scenes.py has those of the default kernel."""
    kernel, name = request.param.split(": ")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        options = ALL[name].options._replace(kernel=kernel)
        made = make(name, directory, sides.live_commands(directory, options.subject.device), options)
        guest, host = sides.guest_by_drgn(made.capture, options.subject.linux), sides.live(directory)
        keep(f"kernels/{kernel}/{name}", {"guest.vqcap": guest.vqcap, "host.vqcap": host.vqcap,
                                          "truth.json": directory / "truth.json", **EXPECTED[name].file(directory)})
        yield Seen(made, guest, host)
    finally:
        shutil.rmtree(directory)


def test_both_sides_are_what_the_witnesses_say(seen: Seen) -> None:
    truth, guest, host = seen.made.truth, seen.guest.snapshot, seen.host.snapshot
    facts.check_guest(truth, guest)
    facts.check_host(truth, host)
    facts.check_counters(truth, host)
    facts.check_held(truth, seen.made.name, host)
    facts.check_sides(guest, host)


def test_the_verdict(seen: Seen) -> None:
    EXPECTED[seen.made.name].check(judge(seen.guest.snapshot, seen.host.snapshot))
