"""Hung queues and healthy ones, made for real, captured, and proven to be what their name says.

By hand: `python3 -m tests.lab.scenes lost-interrupt --out DIR`
"""
import argparse
import json
import pathlib
import shlex
import sys
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from . import inject, kernel, qemu_build, truth
from .capture import Capture, stack, take
from .truth import GuestState, Truth
from .vm import Machine, Options

SETTLED = 2.0
"""Requests of a hung queue are at least so many seconds old."""
HELD = 6.0
"""A request that hangs in the block layer is: slow storage would have served it by then."""
NO_MOMENT: List[str] = []


class Made(NamedTuple):
    """A scene that was made: its capture, and the evidence that it is what it says."""
    name: str
    capture: Capture
    truth: Truth


class Scene(NamedTuple):
    """How to make one scene, and how to tell that it was made."""
    summary: str
    produce: Callable[[Machine], Sequence[str]]
    """Brings the machine there; returns the gdb commands that do the rest of it within the capture."""
    check: Callable[[Truth, Capture], None]
    quiet: bool = False
    """Whether nothing moves any more, so that QMP can be asked about the same state."""
    options: Options = Options()


def make(name: str, directory: pathlib.Path, commands: Sequence[str] = (), options: Optional[Options] = None) -> Made:
    """Make the scene `name` in `directory`; run the gdb `commands` at the moment of the capture.

    `options` are those of the machine, if not the scene's own.
    Raises AssertionError if the independent evidence says that the scene is not what its name says.
    """
    scene = SCENES[name]
    with Machine(directory, options or scene.options) as machine:
        before = scene.produce(machine)
        report = machine.truth()
        qmp = truth.queue_status(machine) if scene.quiet else None
        capture = take(machine, before, commands)
    evidence = Truth(report, qmp, capture.host, truth.guest_states(capture), machine.options)
    (directory / "truth.json").write_text(json.dumps(evidence.as_json(), indent=1) + "\n")
    _check_sides_agree(evidence)
    scene.check(evidence, capture)
    return Made(name, capture, evidence)


# What brings a machine into each scene.

def _under_load(machine: Machine) -> Sequence[str]:
    machine.wait_load()
    return NO_MOMENT


def _idle(machine: Machine) -> Sequence[str]:
    machine.wait("end of the bursts", lambda: min(machine.truth().writers) >= 8)
    machine.wait_quiet()
    return NO_MOMENT


def _hang(injection: Callable[[Machine], object]) -> Callable[[Machine], Sequence[str]]:
    def produce(machine: Machine) -> Sequence[str]:
        machine.wait_load()
        injection(machine)
        return NO_MOMENT
    return produce


def _suspend(machine: Machine) -> Sequence[str]:
    """One request is suspended: its writer stands still, while the others go on."""
    machine.wait_load()
    inject.backend_stuck(machine)

    def stuck() -> bool:
        reports = machine.reports()
        now = reports[-1]
        past = [report for report in reports if report.uptime < now.uptime - HELD - 0.5]
        return bool(past) and any(new == old for new, old in zip(now.writers, past[-1].writers))
    machine.wait("a writer to stand still", stuck)
    return NO_MOMENT


def _moment(location: str) -> Callable[[Machine], Sequence[str]]:
    def produce(machine: Machine) -> Sequence[str]:
        machine.wait_load()
        return inject.stop_at(location)
    return produce


# What must be true of each scene.

def _check_sides_agree(seen: Truth) -> None:
    """Both sides were taken from one queue at one instant, and QMP agrees where it could be asked."""
    host, guest = seen.host, seen.guest
    assert host.desc == guest.desc, "the two sides are not of one queue"
    # Not always equal: QEMU may have been stopped between writing the ring's index and its own copy.
    assert _ahead(guest.used_idx, host.used_idx) <= 1, "the two sides are not of one instant"
    if seen.qmp:
        assert seen.qmp["used-idx"] == host.used_idx and seen.qmp["last-avail-idx"] == host.last_avail_idx
        assert seen.qmp["signalled-used"] == host.signalled_used and seen.qmp["inuse"] == host.inuse


def _check_hung(seen: Truth) -> None:
    """Requests have been in flight for long, and the last report knew of as many."""
    in_flight = seen.guest.in_flight
    assert in_flight and min(request.age for request in in_flight) > SETTLED, in_flight
    assert seen.report.in_flight == len(in_flight), "something is in flight elsewhere, or was not then"
    assert _nothing_waits(seen)


def _check_interrupt_lost(seen: Truth, _: Capture) -> None:
    host, guest = seen.host, seen.guest
    _check_hung(seen)
    assert _ahead(host.used_idx, guest.last_used_idx) == len(guest.in_flight), "not all that hangs has been completed"
    assert host.inuse == 0 and host.last_avail_idx == guest.avail_idx, "the device is not done"
    assert _ahead(host.used_idx, host.signalled_used) > 0, "the device has noted that it notified"


def _check_eventfd_lost(seen: Truth, _: Capture) -> None:
    host, guest = seen.host, seen.guest
    _check_hung(seen)
    assert _ahead(host.used_idx, guest.last_used_idx) == len(guest.in_flight), "not all that hangs has been completed"
    assert host.inuse == 0 and host.last_avail_idx == guest.avail_idx, "the device is not done"
    assert _noted(seen), "the device's own account is not clean"


def _check_kick_lost(seen: Truth, _: Capture) -> None:
    host, guest = seen.host, seen.guest
    _check_hung(seen)
    assert host.used_idx == guest.last_used_idx and host.inuse == 0, "the device has something"
    assert _ahead(guest.avail_idx, host.last_avail_idx) == len(guest.in_flight), "not all that hangs is unseen"
    assert host.shadow_avail_idx == host.last_avail_idx and host.notification
    assert _ahead(guest.avail_idx, guest.avail_event) > 0, "no kick was due"


def _check_stuck(seen: Truth, _: Capture) -> None:
    old = [[request for request in guest.in_flight if request.age > SETTLED] for guest in seen.guests]
    assert sum(map(len, old)) == 1, f"one request is to hang: {seen.guests}"
    assert seen.host.inuse >= len(old[0]), "the device does not have it"


def _check_load(seen: Truth, _: Capture) -> None:
    assert all(request.age < SETTLED for request in seen.guest.in_flight), seen.guest.in_flight


def _check_idle(seen: Truth, _: Capture) -> None:
    host, guest = seen.host, seen.guest
    assert not guest.in_flight and seen.report.in_flight == 0 and host.inuse == 0
    assert guest.avail_idx == guest.used_idx == guest.last_used_idx == host.last_avail_idx
    assert _nothing_waits(seen)


def _check_at_notify(seen: Truth, capture: Capture) -> None:
    _check_load(seen, capture)
    assert stack(capture.output)[0] == "virtio_notify_irqfd"
    assert _ahead(seen.host.used_idx, seen.host.signalled_used) > 0


def _check_at_eventfd(seen: Truth, capture: Capture) -> None:
    _check_load(seen, capture)
    assert stack(capture.output)[0] == "event_notifier_set"
    assert _noted(seen)


def _check_at_kick(seen: Truth, capture: Capture) -> None:
    _check_load(seen, capture)
    assert stack(capture.output)[0] == "virtio_blk_handle_output"
    assert _ahead(seen.guest.avail_idx, seen.host.last_avail_idx) > 0


def _noted(seen: Truth) -> bool:
    """Whether the device has noted its last decision to notify; without EVENT_IDX it never notes any."""
    host = seen.host
    return host.signalled_used_valid and host.signalled_used == host.used_idx or not seen.options.event_idx


def _nothing_waits(seen: Truth) -> bool:
    """Whether no event is on its way in an eventfd."""
    return seen.host.kick_count == 0 and seen.host.call_count == 0


def _ahead(index: int, other: int) -> int:
    """How far a ring index is ahead of another."""
    return (index - other) % 0x10000


SCENES: Dict[str, Scene] = {
    "healthy": Scene("served under load", _under_load, _check_load),
    "healthy-idle": Scene("everything done, nothing to do", _idle, _check_idle, quiet=True,
                          options=Options(idle=True)),
    "lost-interrupt": Scene("completed, and the decision to notify never made", _hang(inject.lost_interrupt),
                            _check_interrupt_lost, quiet=True),
    "lost-interrupt-eventfd": Scene("completed, notification decided, eventfd not written",
                                    _hang(inject.lost_interrupt_eventfd), _check_eventfd_lost, quiet=True),
    "lost-kick": Scene("kick consumed, queue not looked at", _hang(inject.lost_kick), _check_kick_lost, quiet=True),
    "backend-stuck": Scene("one request suspended in the block layer, others go on", _suspend, _check_stuck),
    "healthy-at-notify": Scene("under load, at the entry of virtio_notify_irqfd", _moment(inject.NOTIFY),
                               _check_at_notify),
    "healthy-at-eventfd": Scene("under load, about to write the guest notifier", _moment(inject.EVENTFD),
                                _check_at_eventfd),
    "healthy-at-kick": Scene("under load, kick taken, queue not yet looked at",
                             _moment(f"{inject.KICK} && {inject.UNSEEN}"), _check_at_kick),
}


def describe(made: Made) -> str:
    """What was made, in a few lines."""
    seen, linux = made.truth, made.capture.kernel
    lines = [
        f"{made.name}: {SCENES[made.name].summary}",
        f"  {_device(seen)}",
        f"  {_driver(seen.guest)}",
        *(f"  in flight: {request}" for request in seen.guest.in_flight),
        f"  evidence: {made.capture.directory / 'truth.json'}",
        "read it with:",
        f"  vqcheck gdb {made.capture.qemu} {shlex.quote(str(made.capture.core))}",
        f"  VQCHECK_MODULES={linux.debug_modules} vqcheck crash {linux.vmlinux} "
        f"{shlex.quote(str(made.capture.vmcore))}",
        f"  vqcheck guest --vmcore {shlex.quote(str(made.capture.vmcore))} --vmlinux {linux.vmlinux} "
        f"--modules {linux.debug_modules} vdb",
    ]
    return "\n".join(lines)


def _device(seen: Truth) -> str:
    return "device: " + " ".join(f"{name}={int(value)}" for name, value in seen.host._asdict().items())


def _driver(guest: GuestState) -> str:
    return "driver: " + " ".join(f"{name}={value}" for name, value in guest._asdict().items() if name != "in_flight")


def main(words: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab.scenes", formatter_class=argparse.RawTextHelpFormatter,
                                     description="Hang a real virtual machine's /dev/vdb, and capture both sides.",
                                     epilog="\n".join(f"{name:24}{scene.summary}" for name, scene in SCENES.items()))
    parser.add_argument("name", metavar="SCENE", choices=sorted(SCENES))
    parser.add_argument("--out", metavar="DIR", type=pathlib.Path, required=True)
    parser.add_argument("--gdb", metavar="COMMAND", action="append", default=[], help="to run at the moment of capture")
    parser.add_argument("--kernel", choices=sorted(kernel.SOURCES), default=kernel.DEFAULT)
    parser.add_argument("--qemu", choices=sorted(qemu_build.SOURCES), default=qemu_build.DEFAULT)
    options = parser.parse_args(words)
    start = time.monotonic()
    machine = SCENES[options.name].options._replace(kernel=options.kernel, qemu=options.qemu)
    made = make(options.name, options.out.resolve(), options.gdb, machine)
    print(describe(made))
    print(f"  made in {time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
