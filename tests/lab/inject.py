"""How the queue of /dev/vdb is brought to hang, and how a healthy one is caught at a bad moment.

The hangs are made by dropping an event in an unmodified QEMU: gdb returns from the function that would have delivered
it.  With several requests in flight one dropped event may be made good by the next (a skipped virtio_notify_irqfd
always is: the device did not note that it had notified), so events are dropped until nothing moves any more.
"""
import re
from typing import List

from .debugger import LOCATE, Session
from .vm import NODE, Machine

NOTIFY = "virtio_notify_irqfd if vdev == $disk && vq == $queue"
"""The device has filled the used ring and is to decide whether the driver wants an interrupt."""
EVENTFD = "event_notifier_set if e == &$queue->guest_notifier"
"""It has decided for one, and is to raise it."""
KICK = "virtio_blk_handle_output if vdev == $disk && vq == $queue"
"""The driver's kick has arrived and is taken off its eventfd; the ring has not been looked at."""
UNSEEN = "*(uint16_t *) ((char *) $queue->vring.caches->avail.ptr + 2) != $queue->last_avail_idx"
"""The kick is for something new: the device may have come upon its request before the kick arrived."""

PASSES = 50
"""How often a healthy queue goes through its bad moment before it is caught there."""

SUSPENDED = "lab"
"""blkdebug's name for the suspended request."""


def lost_interrupt(machine: Machine) -> int:
    """Completions are published and the decision to notify is never made.  Returns how many were dropped."""
    return _drop_until_quiet(machine, NOTIFY)


def lost_interrupt_eventfd(machine: Machine) -> int:
    """The decision to notify is made and noted, and the eventfd is not written.  Returns how many were dropped."""
    return _drop_until_quiet(machine, EVENTFD)


def lost_kick(machine: Machine) -> int:
    """The driver's kick is consumed and the queue is not looked at.  Returns how many were dropped."""
    return _drop_until_quiet(machine, KICK)


def backend_stuck(machine: Machine) -> None:
    """One write is suspended in the block layer for ever; others go on past it."""
    # The machine must be stopped for this: qemu-io drains, and would wait for the very request that it suspends.
    machine.qmp.command("stop")
    machine.qmp.human(f'qemu-io {NODE} "break pwritev {SUSPENDED}"')
    machine.qmp.command("cont")


def stop_at(location: str) -> List[str]:
    """gdb commands that go on until a healthy queue comes to NOTIFY, EVENTFD or KICK, and stop there.

    Lets it pass a few times first: requests that were in flight while gdb attached have aged by that standstill.
    """
    return [*LOCATE, f"tbreak {location}", f"ignore $bpnum {PASSES}", "continue", "backtrace 6"]


def _drop_until_quiet(machine: Machine, location: str) -> int:
    session = Session(machine, "inject", [
        *LOCATE,
        "set $dropped = 0",
        f"break {location}",
        "commands", "silent", "set $dropped = $dropped + 1", "return", "continue", "end",
        "echo LAB-ARMED\\n",
        "continue",  # until Machine.interrupt()
        "delete",
        'printf "\\nLAB-DROPPED %d\\n", $dropped',
    ])
    try:
        machine.wait("gdb to set its breakpoint", lambda: session.reached("LAB-ARMED"))
        machine.wait_quiet()
    except BaseException:
        session.abandon()
        raise
    machine.interrupt()
    dropped = re.search(r"LAB-DROPPED (\d+)", session.finish())
    assert dropped is not None
    return int(dropped[1])
