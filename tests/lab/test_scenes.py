"""Each scene made for real, read by crash or drgn and by gdb, held against independent witnesses, and judged.

`make record` makes the scenes again and keeps their recordings in tests/data.
"""
import concurrent.futures
import json
import pathlib
import shutil
import tempfile
from typing import Iterator, List, NamedTuple

import jsonschema
import pytest

from tests import facts, recordings
from tests.verdicts import EXPECTED, lost
from vqcheck.check.judge import judge
from vqcheck.guest.snapshot import take
from vqcheck.snapshot.schema import schema

from . import qemu_build, sides
from .keep import keep
from .kernel import kernel
from .scenes import ALSO, QUICK, SCENES, Made, make
from .sides import Side

pytestmark = pytest.mark.lab

class Seen(NamedTuple):
    """A scene, and what each tool made of it."""

    qemu: str
    made: Made
    guest: Side
    crash_output: str
    """Empty where drgn has read the guest's side: crash does not care which QEMU it was."""
    live: Side
    core: Side

    @property
    def name(self) -> str:
        return self.made.name


def _scenes() -> List[object]:
    found: List[object] = [pytest.param((qemu_build.DEFAULT, name), id=name) for name in SCENES]
    for qemu, names in ALSO.items():
        found += [pytest.param((qemu, name), id=f"{qemu}: {name}",
                               marks=() if name in QUICK.get(qemu, ()) else pytest.mark.matrix) for name in names]
    return found


@pytest.fixture(scope="module", params=_scenes())
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Every scene in turn."""
    qemu, name = request.param
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    options = SCENES[name].options._replace(qemu=qemu)
    try:
        found = _read(qemu, make(name, directory, sides.live_commands(directory, options.subject.device), options))
        keep(recordings.place(qemu, name), {"guest.vqcap": found.guest.vqcap, "host.vqcap": found.live.vqcap,
                                            "truth.json": directory / "truth.json", **EXPECTED[name].file(directory)})
        yield found
    finally:
        shutil.rmtree(directory)


def _read(qemu: str, made: Made) -> Seen:
    """Both sides, by two tools at a time."""
    capture, subject = made.capture, made.truth.options.subject
    with concurrent.futures.ThreadPoolExecutor() as pool:
        core = pool.submit(sides.core, capture, subject.device)
        if qemu == qemu_build.DEFAULT:
            guest, output = sides.guest(capture.directory, capture.vmcore, subject.linux)
        else:
            guest, output = sides.guest_by_drgn(capture, subject.linux), ""
        return Seen(qemu, made, guest, output, sides.live(capture.directory), core.result())


def test_the_guests_side_is_what_drgn_reads(seen: Seen) -> None:
    facts.check_guest(seen.made.truth, seen.guest.snapshot)


def test_the_same_walk_through_drgn_gives_the_same_queues(seen: Seen) -> None:
    import drgn  # noqa: PLC0415 - only the lab's environment has it

    from vqcheck.target.by_drgn.target import DrgnTarget  # noqa: PLC0415
    linux = kernel()
    program = drgn.Program()
    program.set_core_dump(str(seen.made.capture.vmcore))
    program.load_debug_info([str(linux.vmlinux), *map(str, linux.debug_modules.glob("*.ko"))])
    witness = take(DrgnTarget(program), seen.made.truth.options.subject.linux)
    assert witness.devices == seen.guest.snapshot.devices
    # crash does not say which build of the kernel it was given.
    assert witness.target._replace(build_id=None, absent={}) == seen.guest.snapshot.target._replace(
        build_id=None, absent={})


@pytest.mark.parametrize("way", ["live", "core"])
def test_the_hosts_side_is_what_gdb_and_qmp_say(seen: Seen, way: str) -> None:
    side: Side = getattr(seen, way)
    facts.check_host(seen.made.truth, side.snapshot)


@pytest.mark.parametrize("way", ["live", "core"])
def test_what_the_device_holds_is_what_the_guest_waits_for(seen: Seen, way: str) -> None:
    side: Side = getattr(seen, way)
    facts.check_held(seen.made.truth, seen.name, side.snapshot)


def test_both_sides_read_the_same_ring(seen: Seen) -> None:
    facts.check_sides(seen.guest.snapshot, seen.live.snapshot)


def test_ages_are_known_to_a_live_qemu(seen: Seen) -> None:
    facts.check_ages(seen.made.truth, seen.name, seen.live.snapshot)


def test_eventfd_counters_are_known_live_and_absent_in_a_core(seen: Seen) -> None:
    facts.check_counters(seen.made.truth, seen.live.snapshot)
    for queue, state in zip(seen.core.snapshot.devices[0].queues, seen.made.truth.hosts):
        notify = queue.notify
        assert notify is not None and notify.host_notifier is not None
        assert notify.host_notifier.eventfd_count is None
        if state.host_notifier_enabled:
            assert "not in a core" in notify.host_notifier.absent["eventfd_count"]


@pytest.mark.parametrize("way", ["live", "core"])
def test_the_verdict(seen: Seen, way: str) -> None:
    side: Side = getattr(seen, way)
    expected = EXPECTED[seen.name]
    verdict = judge(seen.guest.snapshot, side.snapshot)
    expected.check(verdict)
    status, text = sides.merge(seen.guest, side)
    assert status == verdict.exit_status, text
    assert sides.merge(side, seen.guest) == (status, text), "the order of the files must not matter"


def test_the_lost_event_is_the_right_one(seen: Seen) -> None:
    facts.check_events(seen.made.truth, lost(judge(seen.guest.snapshot, seen.live.snapshot)))


def test_crash_shows_the_device(seen: Seen) -> None:
    queue = facts.queue(seen.made.truth, seen.guest.snapshot)
    assert queue.driver is not None
    place = (f"{queue.driver.last_used_idx}/{queue.ring.used_idx}" if queue.ring
             else f"{queue.driver.last_used_idx}:{queue.driver.used_wrap_counter:d}")
    assert place in seen.crash_output or not seen.crash_output
    assert "Traceback" not in seen.crash_output and "internal error" not in seen.crash_output


def test_snapshots_hold_to_the_published_schema(seen: Seen) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    for side in (seen.guest, seen.live, seen.core):
        validator.validate(json.loads(side.json.read_text()))
