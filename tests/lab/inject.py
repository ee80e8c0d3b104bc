"""How a queue is brought to hang, and how a healthy one is caught at a bad moment.

Most hangs are made by dropping an event in an unmodified QEMU: gdb returns from the function that would have delivered
it.  With several requests in flight one dropped event may be made good by the next (a skipped decision to notify
always is: the device did not note that it had notified), so events are dropped until nothing moves any more.
"""
import re
from typing import Callable, List, NamedTuple, Optional, Tuple

from .debugger import Session, locate, run
from .disks import NODE
from .vm import Machine


class Moment(NamedTuple):
    """Where QEMU handles an event: in whichever of these functions it has, as they differ between QEMUs."""
    functions: Tuple[str, ...]
    condition: str


OURS = "vdev == $device && vq == $queue"

NOTIFY = Moment(("virtio_notify_irqfd", "virtio_notify"), OURS)
"""The device has filled the used ring and is to decide whether the driver wants an interrupt.

Up to QEMU 10.1 the former is called in an iothread, and for disks up to 8.2 without one too; later all call the latter.
"""
EVENTFD = Moment(("event_notifier_set",), "e == &$queue->guest_notifier")
"""It has decided for one, and is to raise it."""
ADAPTER = Moment(("css_adapter_interrupt",), "1")
"""Of a channel device: it has set its bits in the guest's memory, and is to have the handler called.  Of all devices:
the disk under test is the only one that is busy."""
PUSH = Moment(("virtqueue_push",), "vq == $queue")
"""It has done a request, and is to fill the used element and to flush it."""
FILL = "call (void) virtqueue_fill(vq, elem, len, 0)"
"""The first half of that."""
UNSEEN = "*(uint16_t *) ((char *) $queue->vring.caches->avail.ptr + 2) != $queue->last_avail_idx"
"""The kick is for something new: the device may have come upon its request before the kick arrived."""

PASSES = 50
"""How often a healthy queue goes through its bad moment before it is caught there."""

SUSPENDED = "lab"
"""blkdebug's name for the suspended request."""

BYTES_A_SECOND = 1
"""A limit under which the second write waits for an hour and more."""


def kick(machine: Machine, condition: str = OURS) -> Moment:
    """The driver's kick has arrived and is taken off its eventfd; the ring has not been looked at."""
    return Moment(machine.options.subject.handlers, condition)


def lost_interrupt(machine: Machine) -> int:
    """Completions are published and the decision to notify is never made.  Returns how many were dropped."""
    return _drop(machine, NOTIFY)


def lost_interrupt_eventfd(machine: Machine) -> int:
    """The decision to notify is made and noted, and the eventfd is not written.  Returns how many were dropped."""
    return _drop(machine, EVENTFD)


def lost_adapter_interrupt(machine: Machine) -> int:
    """A channel device's bits are set, and the guest's CPUs are not interrupted.  Returns how many were dropped."""
    return _drop(machine, ADAPTER)


def lost_flush(machine: Machine) -> int:
    """With IN_ORDER elements are marked as done, and none is put into the used ring.  Returns how many were dropped."""
    return _drop(machine, PUSH, instead=FILL)


def lost_kick(machine: Machine) -> int:
    """The driver's kick is consumed and the queue is not looked at.  Returns how many were dropped."""
    return _drop(machine, kick(machine))


def lost_interrupt_of_one(machine: Machine, stands_still: Callable[[], object]) -> int:
    """The same of a queue beside others that go on, so that only `stands_still` tells when it is quiet."""
    return _drop(machine, NOTIFY, stands_still)


def backend_stuck(machine: Machine) -> None:
    """One write is suspended in the block layer for ever; others go on past it."""
    # The machine must be stopped for this: qemu-io drains, and would wait for the very request that it suspends.
    machine.qmp.command("stop")
    machine.qmp.human(f'qemu-io {NODE} "break pwritev {SUSPENDED}"')
    machine.qmp.command("cont")


def throttled(machine: Machine) -> None:
    """The disk may write so little that all further writes wait in its throttle group, as good as for ever."""
    _limit(machine, BYTES_A_SECOND)


def released(machine: Machine) -> None:
    """It may write as much as it likes again: all that waited is done."""
    _limit(machine, 0)


def _limit(machine: Machine, bytes_a_second: int) -> None:
    machine.qmp.command("block_set_io_throttle", id=machine.block_path, bps=0, bps_rd=0, bps_wr=bytes_a_second, iops=0,
                        iops_rd=0, iops_wr=0)


def no_space(machine: Machine) -> None:
    """The next write fails with ENOSPC, on which QEMU stops the machine (disks.NO_SPACE)."""
    machine.qmp.command("stop")
    machine.qmp.command("cont")


def parked(machine: Machine) -> str:
    """The thread that serves the queue blocks in its handler for ever, before it pops anything.

    Where it would call virtqueue_pop() it calls pause() instead, which does not return.  Returns what gdb printed.
    """
    # At the very first instruction, where the return address is on top of the stack; no other queue is in use.
    return run(machine, "inject", ["tbreak *virtqueue_pop", "continue", "set $pc = (unsigned long) &pause",
                                   "backtrace 8"])


def masked(machine: Machine) -> None:
    """The queue's MSI-X vector is masked, as the guest would do it: by the mask bit of its entry in the table."""
    run(machine, "inject", [
        *locate(machine),
        "set $pci = (PCIDevice *) $device->parent_obj.parent_bus->parent",
        "set $control = (unsigned char *) $pci->msix_table + 16 * $queue->vector + 12",
        "set *$control = *$control | 1",
    ])


def stop_at(machine: Machine, moment: Moment) -> List[str]:
    """gdb commands that go on until a healthy queue comes to its moment, and stop there.

    Lets it pass a few times first: requests that were in flight while gdb attached have aged by that standstill.
    """
    return [*locate(machine), *_breakpoints(moment, temporary=True, ignore_count=PASSES), "continue", "backtrace 6"]


def stop_at_rest() -> List[str]:
    """gdb commands that go on until no event loop handles anything, other queues' events included."""
    return [
        "python",
        "def resting(thread):",
        "    thread.switch()",
        "    names, frame = [], gdb.newest_frame()",
        "    while frame is not None:",
        "        names.append(frame.name())",
        "        frame = frame.older()",
        "    return not {'aio_poll', 'main_loop_wait'}.intersection(names) or 'poll' in str(names[0])",
        "point = gdb.Breakpoint('qemu_poll_ns')",
        "gdb.execute('continue')",
        "while not all(resting(thread) for thread in gdb.selected_inferior().threads()):",
        "    gdb.execute('continue')",
        "point.delete()",
        "end",
    ]


def _breakpoints(moment: Moment, temporary: bool = False, **attributes: object) -> List[str]:
    """gdb commands that set one in each of a moment's functions that this QEMU has."""
    attributes["condition"] = moment.condition
    return [
        "python",
        f"there = [one for one in {moment.functions!r} if gdb.lookup_global_symbol(one) or "
        "gdb.lookup_static_symbol(one)]",
        f"assert there, 'no {' or '.join(moment.functions)} in this QEMU'",
        "for one in there:",
        f"    point = gdb.Breakpoint(one, temporary={temporary})",
        *(f"    point.{name} = {value!r}" for name, value in attributes.items()),
        "end",
    ]


def _drop(machine: Machine, moment: Moment, quiet: Optional[Callable[[], object]] = None, instead: str = "") -> int:
    """Have a moment's function return as soon as it is called, having done but the gdb command `instead`."""
    session = Session(machine, "inject", [
        *locate(machine),
        "set $dropped = 0",
        *_breakpoints(moment, commands=f"silent\nset $dropped = $dropped + 1\n{instead}\nreturn\ncontinue"),
        "echo LAB-ARMED\\n",
        "continue",  # until Machine.interrupt()
        "delete",
        'printf "\\nLAB-DROPPED %d\\n", $dropped',
    ])
    try:
        machine.wait("gdb to set its breakpoint", lambda: session.reached("LAB-ARMED"))
        (quiet or machine.wait_quiet)()
    except BaseException:
        session.abandon()
        raise
    machine.interrupt()
    dropped = re.search(r"LAB-DROPPED (\d+)", session.finish())
    assert dropped is not None
    return int(dropped[1])
