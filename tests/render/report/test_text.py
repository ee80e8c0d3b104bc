"""The verdict as text: fits the terminal, says the verdict first, escapes what is hostile."""
import io

import pytest

from tests import corpus
from tests.builders import fleet, incident, pair
from tests.corpus.cases import verdict_of
from vqcheck.check.judge import judge
from vqcheck.check.verdict import CANNOT_JUDGE, FAULT
from vqcheck.render import colour
from vqcheck.render.report import verdict_text

ENTRIES = corpus.synthetic()


@pytest.mark.parametrize("entry", ENTRIES, ids=[one.name for one in ENTRIES])
def test_every_verdict_fits_and_begins_with_its_status(entry):
    verdict = verdict_of(entry)
    text = verdict_text.show(verdict, verbose=True)
    assert max(map(len, text.splitlines())) <= 100
    assert text.startswith(verdict_text.STATUS[entry.status] + ": ")
    assert text.isascii() and "\x1b" not in text and text.endswith("\n")


def test_the_incident_says_all_that_the_engineer_needs():
    text = verdict_text.show(judge(*incident()))
    for words in ("FAULT: vdb = virtio-disk1, queue 0: 4 entries completed", "I0 lost-interrupt (critical",
                  "interrupt (device to driver) due for used entry 43932",
                  "Requests that the guest waits for, oldest first",
                  "guest: last_used_idx 43932  |  host: used->idx 43936",
                  "most likely: the notification was lost across",
                  "1. in the guest, issue one read", "used_event: written by the driver"):
        assert words in text, words
    assert "excluded" not in text


def test_verbose_tells_every_rule_and_what_was_ruled_out():
    verdict = judge(*incident(), explain=True)
    text = verdict_text.show(verdict, verbose=True)
    assert "excluded: the driver did not ask" in text
    assert "I0   holds: " in text and "K1   clear: nothing is posted" in text
    assert "I8   clear" in text or "I8   not judged" in text
    assert "Rules that were tried" not in verdict_text.show(judge(*incident()))


def test_a_suspicion_beside_a_fault_is_one_line():
    verdict = judge(*pair(avail=104, popped=102, used=101, last_used=100, age_ns=30_000_000_000))
    text = verdict_text.show(verdict)
    assert verdict.status == FAULT and text.count("What to do now") == sum(
        one.certainty == "shown" for one in verdict.queues[0].findings)


def test_colour_is_for_terminals_only(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colour.for_stream(Terminal()) is colour.painted and colour.for_stream(io.StringIO()) is colour.plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert colour.for_stream(Terminal()) is colour.plain
    painted = verdict_text.show(judge(*incident()), paint=colour.painted)
    assert painted.startswith("\x1b[31;1mFAULT\x1b[0m: vdb")


def test_many_queues_begin_with_a_summary_and_the_worst():
    guest, host = fleet(30, 1)
    sick = pair(avail=43936, last_used=43932)
    rings = guest.devices[7].queues[0].rings
    mine, yours = (one.devices[0].queues[0]._replace(rings=rings) for one in sick)
    guest.devices[7] = guest.devices[7]._replace(queues=[mine])
    host.devices[7] = host.devices[7]._replace(queues=[yours])
    verdict = judge(guest, host)
    text = verdict_text.show(verdict)
    assert text.startswith("FAULT: vd7 = virtio-disk7") and "30 queues (1 fault, 0 cannot judge, 29 healthy)" in text
    assert "I0    lost-interrupt  shown       1  vd7 queue 0" in text and "1 of 30 queues told in full" in text
    every = verdict_text.show(verdict, every=True)
    assert every.index("vd7 = virtio-disk7, queue 0: FAULT") < every.index("vd3 = virtio-disk3, queue 0: HEALTHY")


def test_hostile_names_are_spelled_out():
    guest, host = incident()
    guest = guest._replace(devices=[guest.devices[0]._replace(name="vd\x1b[2Jb\u202e")])
    verdict = judge(guest, host)
    text = verdict_text.show(verdict, verbose=True)
    assert "\x1b" not in text and "\u202e" not in text and "vd\\x1b[2Jb\\u202e" in text
    assert verdict.status != CANNOT_JUDGE
