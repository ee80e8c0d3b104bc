"""Hung queues and healthy ones, made for real, captured, and proven to be what their name says.

By hand: `python3 -m tests.lab.scenes lost-interrupt --out DIR`
"""
import argparse
import pathlib
import shlex
import sys
import time
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from . import inject, kernel, produce, proof, qemu_build, truth
from .capture import Capture, take
from .options import Options
from .produce import Produce
from .proof import Check
from .subject import SUBJECTS
from .truth import GuestState, Truth
from .vm import Machine


class Made(NamedTuple):
    """A scene that was made: its capture, and the evidence that it is what it says."""
    name: str
    capture: Capture
    truth: Truth


class Scene(NamedTuple):
    """How to make one scene, and how to tell that it was made."""
    summary: str
    produce: Produce
    """Brings the machine there; returns the gdb commands that do the rest of it within the capture."""
    check: Check
    quiet: bool = False
    """Whether nothing moves any more, and QMP can be asked about the same state."""
    options: Options = Options()


def make(name: str, directory: pathlib.Path, commands: Sequence[str] = (), options: Optional[Options] = None) -> Made:
    """Make the scene `name` in `directory`; run the gdb `commands` at the moment of the capture.

    `options` are those of the machine, if not the scene's own.
    Raises AssertionError if the independent evidence says that the scene is not what its name says.
    """
    scene = ALL[name]
    with Machine(directory, options or scene.options) as machine:
        before = scene.produce(machine)
        report = machine.truth()
        said = truth.monitor_says(machine, scene.quiet)
        capture = take(machine, before, commands)
    guests = truth.guest_states(capture, machine.options.subject.linux)
    evidence = Truth(report, said, capture.hosts, capture.device, guests, machine.options)
    evidence.write(directory / "truth.json")
    proof.sides_agree(evidence)
    scene.check(evidence, capture)
    return Made(name, capture, evidence)


IN_ORDER = Options(kernel="7.2", qemu="10.0", in_order=True)
"""A kernel that takes IN_ORDER, of a QEMU that offers it."""

SCENES: Dict[str, Scene] = {
    "healthy": Scene("served under load", produce.under_load, proof.load),
    "healthy-idle": Scene("everything done, nothing to do", produce.idle, proof.idle, quiet=True,
                          options=Options(idle=True)),
    "healthy-at-notify": Scene("under load, about to decide whether to notify",
                               produce.moment(lambda _: inject.NOTIFY), proof.at(*inject.NOTIFY.functions)),
    "healthy-at-eventfd": Scene("under load, about to write the guest notifier",
                                produce.moment(lambda _: inject.EVENTFD), proof.at(*inject.EVENTFD.functions)),
    "healthy-at-kick": Scene("under load, kick taken, queue not yet looked at",
                             produce.moment(lambda machine: inject.kick(machine, f"{inject.OURS} && {inject.UNSEEN}")),
                             proof.at(*SUBJECTS["blk"].handlers)),
    "healthy-no-event-idx": Scene("served under load, without EVENT_IDX", produce.under_load, proof.load,
                                  options=Options(event_idx=False)),
    "healthy-idle-packed": Scene("a packed ring with nothing to do", produce.idle, proof.idle, quiet=True,
                                 options=Options(packed=True, idle=True)),
    "net-rx-idle": Scene("a network card that nothing is sent to, its receive queue full of buffers", produce.idle,
                         proof.receive_idle, quiet=True, options=Options(device="net", idle=True)),
    "lost-interrupt": Scene("completed, and the decision to notify never made", produce.hang(inject.lost_interrupt),
                            proof.interrupt_lost, quiet=True),
    "lost-interrupt-eventfd": Scene("completed, notification decided, eventfd not written",
                                    produce.hang(inject.lost_interrupt_eventfd), proof.eventfd_lost, quiet=True),
    "lost-interrupt-packed": Scene("the same as lost-interrupt, in a packed ring",
                                   produce.hang(inject.lost_interrupt), proof.interrupt_lost, quiet=True,
                                   options=Options(packed=True)),
    "lost-interrupt-no-event-idx": Scene("the same, without EVENT_IDX", produce.hang(inject.lost_interrupt),
                                         proof.interrupt_lost, quiet=True, options=Options(event_idx=False)),
    "lost-interrupt-no-iothread": Scene("the same of a disk in the main loop", produce.hang(inject.lost_interrupt),
                                        proof.interrupt_lost, quiet=True, options=Options(iothread=False)),
    "lost-interrupt-four-queues": Scene("the same of one queue out of four, the others go on",
                                        produce.hang_one_of_four, proof.interrupt_lost,
                                        options=Options(queues=4, queue=2, cpus=4, pinned=True)),
    "lost-interrupt-scsi": Scene("the same of a SCSI host", produce.hang(inject.lost_interrupt), proof.interrupt_lost,
                                 quiet=True, options=Options(device="scsi")),
    "lost-kick": Scene("kick consumed, queue not looked at", produce.hang(inject.lost_kick), proof.kick_lost,
                       quiet=True),
    "vector-masked": Scene("completed, and the interrupt is pending in a masked MSI-X vector",
                           produce.hold(inject.masked), proof.vector_masked, quiet=True),
    "backend-stuck": Scene("one request suspended in the block layer, others go on",
                           produce.hold_one(inject.backend_stuck), proof.stuck),
    "backend-stuck-no-iothread": Scene("the same of a disk in the main loop", produce.hold_one(inject.backend_stuck),
                                       proof.stuck, options=Options(iothread=False)),
    "backend-stuck-scsi": Scene("the same of a SCSI disk", produce.hold_one(inject.backend_stuck), proof.stuck,
                                options=Options(device="scsi")),
    "throttled": Scene("all writes wait in a throttle group", produce.hold(inject.throttled), proof.throttled,
                       quiet=True),
    "storage-error": Scene("no space left: the machine stopped, the write parked", produce.out_of_space,
                           proof.out_of_space, quiet=True, options=Options(fails=True)),
    "paused": Scene("the machine stopped by its operator under load", produce.stopped, proof.paused, quiet=True),
    "panicked": Scene("the guest's kernel has panicked under load, and QEMU goes on", produce.panicked, proof.panicked,
                      options=Options(panics=True)),
    "iothread-parked": Scene("the iothread blocked in the queue's handler", produce.hold(inject.parked), proof.parked),
}


ELSEWHERE: Dict[str, Scene] = {
    "lost-adapter-interrupt": Scene("completed, and the indicators of a channel device set without an interrupt",
                                    produce.hang(inject.lost_adapter_interrupt), proof.adapter_interrupt_lost,
                                    quiet=True, options=Options(kernel="6.1-s390x")),
    "net-rx-idle-pairs": Scene("a network card with two pairs of queues that nothing is sent to", produce.idle,
                               proof.receive_idle, quiet=True,
                               options=Options(kernel="6.12", device="net", pairs=2, idle=True)),
    "backend-stuck-in-order": Scene("one request suspended in the block layer, those after it done, with IN_ORDER",
                                    produce.hold(inject.backend_stuck), proof.stuck_in_order, quiet=True,
                                    options=IN_ORDER),
    "backend-stuck-in-order-packed": Scene("the same in a packed ring", produce.hold(inject.backend_stuck),
                                           proof.stuck_in_order, quiet=True, options=IN_ORDER._replace(packed=True)),
    "lost-flush-in-order": Scene("done and marked as such, and not published, with IN_ORDER",
                                 produce.hold(inject.lost_flush), proof.flush_lost, quiet=True, options=IN_ORDER),
}
"""What only another machine than the usual one has."""

ALL: Dict[str, Scene] = {**SCENES, **ELSEWHERE}

ALSO: Dict[str, Tuple[str, ...]] = {
    "5.2": tuple(SCENES),
    "10.0": tuple(SCENES),
    "newest": ("healthy-idle", "lost-interrupt", "lost-interrupt-eventfd", "lost-kick", "backend-stuck",
               "lost-interrupt-scsi", "lost-interrupt-no-iothread", "iothread-parked"),
}
"""QEMUs besides the default one, and the scenes that are made in each."""

QUICK: Dict[str, Tuple[str, ...]] = {
    "10.0": ("lost-interrupt", "lost-interrupt-eventfd", "lost-kick", "backend-stuck", "healthy-at-notify",
             "lost-interrupt-scsi", "lost-interrupt-no-iothread", "storage-error"),
}
"""Those of them that `make lab` makes; the others are left to `make lab-matrix`."""


def describe(made: Made) -> str:
    """What was made, in a few lines."""
    seen, linux = made.truth, made.capture.kernel
    lines = [
        f"{made.name}: {ALL[made.name].summary}",
        f"  {_device(seen)}",
        f"  {_driver(seen.guest)}",
        *(f"  in flight: {request}" for request in seen.guest.in_flight),
        f"  evidence: {made.capture.directory / 'truth.json'}",
        "read it with:",
        f"  vqcheck gdb {made.capture.qemu} {shlex.quote(str(made.capture.core))}",
        f"  VQCHECK_MODULES={linux.debug_modules} vqcheck crash {linux.vmlinux} "
        f"{shlex.quote(str(made.capture.vmcore))}",
        f"  vqcheck guest --vmcore {shlex.quote(str(made.capture.vmcore))} --vmlinux {linux.vmlinux} "
        f"--modules {linux.debug_modules} {seen.options.subject.linux}",
    ]
    return "\n".join(lines)


def _device(seen: Truth) -> str:
    return "device: " + " ".join(f"{name}={int(value)}" for name, value in seen.host._asdict().items()
                                 if value is not None)


def _driver(guest: GuestState) -> str:
    return "driver: " + " ".join(f"{name}={value}" for name, value in guest._asdict().items()
                                 if value is not None and name not in ("in_flight", "posted"))


def main(words: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab.scenes", formatter_class=argparse.RawTextHelpFormatter,
                                     description="Hang a real virtual machine's /dev/vdb, and capture both sides.",
                                     epilog="\n".join(f"{name:24}{scene.summary}" for name, scene in ALL.items()))
    parser.add_argument("name", metavar="SCENE", choices=sorted(ALL))
    parser.add_argument("--out", metavar="DIR", type=pathlib.Path, required=True)
    parser.add_argument("--gdb", metavar="COMMAND", action="append", default=[], help="to run at the moment of capture")
    parser.add_argument("--kernel", choices=sorted(kernel.SOURCES), help="if not the scene's own")
    parser.add_argument("--qemu", choices=sorted(qemu_build.SOURCES), help="if not the scene's own")
    options = parser.parse_args(words)
    start = time.monotonic()
    machine = ALL[options.name].options
    machine = machine._replace(kernel=options.kernel or machine.kernel, qemu=options.qemu or machine.qemu)
    made = make(options.name, options.out.resolve(), options.gdb, machine)
    print(describe(made))
    print(f"  made in {time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
