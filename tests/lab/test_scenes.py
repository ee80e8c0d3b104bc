"""Each scene made for real, read by crash and gdb, held against independent witnesses, and judged.

`make record` makes the scenes again and keeps their recordings in tests/data.
"""
import json
import pathlib
import shutil
import tempfile
from typing import Dict, Iterator, NamedTuple

import jsonschema
import pytest

from tests.verdicts import EXPECTED
from vqcheck.check.judge import judge
from vqcheck.guest.snapshot import take
from vqcheck.snapshot.schema import schema

from . import sides
from .keep import keep
from .kernel import kernel
from .scenes import SCENES, Made, make
from .sides import Side

pytestmark = pytest.mark.lab


class Seen(NamedTuple):
    """A scene, and what each tool made of it."""

    made: Made
    guest: Side
    crash_output: str
    live: Side
    core: Side


@pytest.fixture(scope="module", params=SCENES)
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Every scene in turn."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        made = make(request.param, directory, sides.live_commands(directory))
        guest, output = sides.guest(directory, made.capture.vmcore)
        core = sides.core(made.capture)
        found = Seen(made, guest, output, sides.live(directory), core)
        _record(found)
        yield found
    finally:
        shutil.rmtree(directory)


def _record(seen: Seen) -> None:
    keep(f"scenes/{seen.made.name}", {"guest.vqcap": seen.guest.vqcap, "host.vqcap": seen.live.vqcap,
                                      "truth.json": seen.made.capture.directory / "truth.json"})


def test_the_guests_side_is_what_drgn_reads(seen: Seen) -> None:
    (queue,) = seen.guest.snapshot.devices[0].queues
    truth = seen.made.truth.guest
    assert queue.driver is not None and queue.ring is not None and queue.rings is not None
    assert queue.size == truth.num and queue.rings.desc == truth.desc
    assert (queue.driver.num_free, queue.driver.avail_idx_shadow, queue.driver.avail_flags_shadow,
            queue.driver.last_used_idx) == (truth.num_free, truth.avail_idx_shadow, truth.avail_flags_shadow,
                                            truth.last_used_idx)
    assert (queue.ring.avail_idx, queue.ring.used_idx, queue.ring.used_event, queue.ring.avail_event) == (
        truth.avail_idx, truth.used_idx, truth.used_event, truth.avail_event)
    assert [(one.head, one.tag, one.sector, one.bytes) for one in queue.in_flight or []] == [
        (one.head, one.tag, one.sector, one.length) for one in truth.in_flight]


def test_the_same_walk_through_drgn_gives_the_same_queues(seen: Seen) -> None:
    import drgn  # noqa: PLC0415 - only the lab's environment has it

    from vqcheck.target.by_drgn.target import DrgnTarget  # noqa: PLC0415
    linux = kernel()
    program = drgn.Program()
    program.set_core_dump(str(seen.made.capture.vmcore))
    program.load_debug_info([str(linux.vmlinux), *map(str, linux.debug_modules.glob("*.ko"))])
    witness = take(DrgnTarget(program), "vdb")
    assert witness.devices == seen.guest.snapshot.devices
    # crash does not say which build of the kernel it was given.
    assert witness.target._replace(build_id=None, absent={}) == seen.guest.snapshot.target._replace(
        build_id=None, absent={})


def test_the_guests_interrupt_is_the_one_in_proc_interrupts(seen: Seen) -> None:
    (queue,) = seen.guest.snapshot.devices[0].queues
    report = seen.made.truth.report
    assert queue.irq is not None and queue.irq.name in report.interrupts
    if seen.made.truth.qmp is not None:  # nothing moved since the last report
        assert queue.irq.total == report.interrupts[queue.irq.name]


@pytest.mark.parametrize("way", ["live", "core"])
def test_the_hosts_side_is_what_gdb_and_qmp_say(seen: Seen, way: str) -> None:
    side: Side = getattr(seen, way)
    (queue,) = side.snapshot.devices[0].queues
    device, truth = queue.device, seen.made.truth.host
    assert device is not None and queue.rings is not None
    assert (queue.rings.desc, queue.rings.avail, queue.rings.used) == (truth.desc, truth.avail, truth.used)
    assert (device.last_avail_idx, device.shadow_avail_idx, device.used_idx, device.signalled_used,
            device.signalled_used_valid, device.notification, device.inuse) == (
        truth.last_avail_idx, truth.shadow_avail_idx, truth.used_idx, truth.signalled_used,
        truth.signalled_used_valid, truth.notification, truth.inuse)
    assert (queue.ring and queue.ring.used_idx) == seen.made.truth.guest.used_idx
    qmp = seen.made.truth.qmp
    if qmp is not None:
        assert (qmp["last-avail-idx"], qmp["used-idx"], qmp["inuse"], qmp["vring-num"]) == (
            device.last_avail_idx, device.used_idx, device.inuse, queue.size)


def test_eventfd_counters_are_known_live_and_absent_in_a_core(seen: Seen) -> None:
    notify = seen.live.snapshot.devices[0].queues[0].notify
    assert notify is not None and notify.host_notifier is not None and notify.guest_notifier is not None
    assert (notify.host_notifier.eventfd_count, notify.guest_notifier.eventfd_count) == (
        seen.made.truth.host.kick_count, seen.made.truth.host.call_count)
    dead = seen.core.snapshot.devices[0].queues[0].notify
    assert dead is not None and dead.host_notifier is not None
    assert dead.host_notifier.eventfd_count is None
    assert "not in a core" in dead.host_notifier.absent["eventfd_count"]


@pytest.mark.parametrize("way", ["live", "core"])
def test_the_verdict(seen: Seen, way: str) -> None:
    side: Side = getattr(seen, way)
    expected = EXPECTED[seen.made.name]
    verdict = judge(seen.guest.snapshot, side.snapshot)
    expected.check(verdict)
    status, text = sides.merge(seen.guest, side)
    assert status == verdict.exit_status, text
    assert sides.merge(side, seen.guest) == (status, text), "the order of the files must not matter"


def test_the_lost_event_is_the_right_one(seen: Seen) -> None:
    verdict = judge(seen.guest.snapshot, seen.live.snapshot)
    events = [finding.event for queue in verdict.queues for finding in queue.findings if finding.event]
    truth = seen.made.truth.guest
    due: Dict[str, int] = {"interrupt": truth.used_event, "kick": truth.avail_event}
    for event in events:
        assert event.idx == due[event.kind]
        assert event.head in {request.head for request in truth.in_flight}
        assert event.request is not None


def test_crash_shows_the_disk(seen: Seen) -> None:
    queue = seen.guest.snapshot.devices[0].queues[0]
    assert queue.driver is not None and queue.ring is not None
    assert f"{queue.driver.last_used_idx}/{queue.ring.used_idx}" in seen.crash_output
    assert "Traceback" not in seen.crash_output and "internal error" not in seen.crash_output


def test_snapshots_hold_to_the_published_schema(seen: Seen) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    for side in (seen.guest, seen.live, seen.core):
        validator.validate(json.loads(side.json.read_text()))
