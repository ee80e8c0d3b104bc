"""What a verdict says of the captures it rests on: a core's ages, a guest that has panicked."""
import pytest

from tests.builders import pair
from vqcheck.check.judge import judge
from vqcheck.check.report import report
from vqcheck.check.verdict import FAULT, HEALTHY
from vqcheck.render.report import page, verdict_text

HELD = {"avail": 104, "popped": 104, "used": 103}


def captured(side, **how):
    return side._replace(capture=side.capture._replace(**how))


@pytest.mark.parametrize("method, at_least", [("core", True), ("live", False)])
def test_a_cores_ages_are_at_least_what_is_said(method, at_least):
    guest, host = pair(**HELD)
    sides = guest, captured(host, method=method)
    verdict = judge(*sides)
    (request,) = verdict.queues[0].requests
    assert verdict.status == FAULT and request.host_age_at_least is at_least
    text = " ".join(verdict_text.show(verdict).split())
    assert (">= 30.0 s" in text) is ("at least 30.0 s old by QEMU's clock" in text) is at_least
    assert ("&gt;= 30.0 s" in page.show(report(verdict, sides, ()))) is at_least


def test_a_panic_is_said_first_where_nothing_is_at_fault():
    guest, host = pair()
    verdict = judge(captured(guest, method="core", panicked=True), host)
    assert (verdict.status, [one.rule for one in verdict.findings]) == (HEALTHY, ["G12"])
    assert verdict.headline.startswith("the guest's kernel has panicked; ")


def test_a_fault_comes_before_a_panic():
    guest, host = pair(**HELD)
    verdict = judge(captured(guest, method="core", panicked=True), host)
    assert verdict.status == FAULT and "panicked" not in verdict.headline
    assert [one.rule for one in verdict.findings] == ["G12"]
