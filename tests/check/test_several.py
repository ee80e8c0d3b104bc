"""Several captures a side: what stood still is stuck, what encloses a third one fits together with it."""
import itertools

import pytest

from tests.builders import incident, pair
from tests.check.sayings import open_matters, said, shown
from tests.corpus.interrupts import several
from vqcheck.check.history import in_order, seconds_between
from vqcheck.check.judge import OneSided, judge
from vqcheck.check.verdict import CANNOT_JUDGE, FAULT, HEALTHY

MS = 1_000_000
LOST = {"avail": 43936, "last_used": 43932}


def lost(**changes):
    return lambda: pair(**LOST, **{"age_ns": 3 * MS, **changes})


def test_any_order_gives_the_same_verdict():
    snapshots = several(lost(), lost())()
    verdicts = [judge(*order) for order in itertools.permutations(snapshots)]
    assert all(verdict == verdicts[0] for verdict in verdicts) and shown(verdicts[0]) == ["lost-interrupt"]


def test_time_turns_in_flight_into_stuck():
    early, late = lost()(), several(lost(), lost())()
    assert judge(*early).status == CANNOT_JUDGE
    verdict = judge(*late)
    assert verdict.status == FAULT and "2 captures over 4.0 s" in said(verdict)
    assert verdict.queues[0].findings[0].confidence.level == "high"


def test_half_a_second_is_not_enough():
    assert judge(*several(lost(), lost(), seconds=0.5)()).status == CANNOT_JUDGE


def test_a_clock_that_stands_still_is_not_believed_where_the_time_of_day_says_more():
    (guest, host), (later_guest, later_host) = lost()(), lost()()
    capture = later_guest.capture._replace(time="2026-03-01T12:00:09+00:00")  # the guest's own clock has not moved
    verdict = judge(guest, host, later_guest._replace(capture=capture), later_host)
    assert verdict.status == FAULT and "over 8.0 s" in said(verdict)


def test_captures_of_two_boots_prove_nothing_together():
    guest, host, later_guest, later_host = several(lost(), lost())()
    target = later_guest.target._replace(boot_id="11111111-2222-3333-4444-555555555555")
    assert seconds_between(guest, later_guest._replace(target=target)) is None
    assert judge(guest, host, later_guest._replace(target=target), later_host).status == CANNOT_JUDGE


def test_a_queue_that_moves_is_said_to_move():
    def at(used):
        return lambda: pair(avail=used + 3, popped=used + 2, used=used + 1, last_used=used, age_ns=MS)
    snapshots = list(several(at(100), at(900))())
    snapshots[3] = several(at(100), at(2000))()[3]
    verdict = judge(*snapshots)
    assert shown(verdict) == [] and verdict.status == CANNOT_JUDGE


def test_two_captures_of_a_side_enclose_one_of_the_other():
    guest, _, later_guest, _ = several(lost(), lost())()
    _, host = lost()()
    later_host = several(pair, lambda: pair(avail=43990, last_used=43990), seconds=9)()[3]
    verdict = judge(guest, host, later_guest, later_host)
    assert shown(verdict) == ["lost-interrupt"]
    assert open_matters(judge(guest, later_host)) == ["skewed-captures"]


def test_only_one_side_is_no_verdict():
    guest, host = incident()
    for sides in ((guest, guest), (host,)):
        with pytest.raises(OneSided, match="a verdict needs both sides"):
            judge(*sides)


def test_captures_are_put_in_order_by_the_clock():
    first, _, second, _ = several(pair, pair)()
    assert in_order([second, first]) == [first, second]
    unclocked = [one._replace(capture=one.capture._replace(clock_ns=None)) for one in (second, first)]
    assert in_order(unclocked) == unclocked[::-1]
    nameless = [one._replace(capture=one.capture._replace(time=None)) for one in unclocked]
    assert in_order(nameless) == nameless


def test_a_healthy_queue_stays_healthy():
    verdict = judge(*several(pair, pair)())
    assert (verdict.status, verdict.exit_status) == (HEALTHY, 0)
