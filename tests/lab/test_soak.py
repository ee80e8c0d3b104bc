"""The soak in short: a few pairs of some kinds of machine; `make soak` takes 300 of all kinds."""
import pytest

from . import soak

pytestmark = pytest.mark.lab

PAIRS = 6
QUICK = ("split", "split-no-event-idx", "split-main-loop", "packed-four-polling", "split-6.12-10.0")
"""The kinds that the lab goes through every time."""


@pytest.mark.parametrize("kind", QUICK)
def test_a_healthy_machine_is_never_called_faulty(kind):
    found = list(soak.soak(kind, PAIRS, seed=1))
    assert [one.verdict.headline for one in soak.alarms(found)] == []
    counts = soak.tally(found)
    assert counts["queues at work"] > 0 and counts["queues healthy"] > PAIRS
