"""What brings a machine into each scene; each returns the gdb commands that do the rest of it within the capture."""
import time
from typing import Callable, List, Sequence

from . import inject
from .inject import Moment
from .report import Report
from .vm import Machine

HELD = 6.0
"""A request that hangs in the block layer is so many seconds old: slow storage would have served it by then."""
SETTLE = 1.5
"""Seconds after which the device has returned all that a guest left behind."""
NO_MOMENT: List[str] = []

Produce = Callable[[Machine], Sequence[str]]


def under_load(machine: Machine) -> Sequence[str]:
    machine.wait_load()
    return NO_MOMENT


def idle(machine: Machine) -> Sequence[str]:
    machine.wait("end of the bursts", lambda: min(machine.truth().writers) >= 8)
    machine.wait_quiet()
    return NO_MOMENT


def hang(injection: Callable[[Machine], object]) -> Produce:
    """Does something under load that ends in quiet of itself."""
    def produce(machine: Machine) -> Sequence[str]:
        machine.wait_load()
        injection(machine)
        return NO_MOMENT
    return produce


def hold(injection: Callable[[Machine], object]) -> Produce:
    """Does something under load after which nothing moves, and waits until it has stood so for long."""
    def produce(machine: Machine) -> Sequence[str]:
        machine.wait_load()
        injection(machine)
        machine.wait_quiet(HELD + 0.5)
        return NO_MOMENT
    return produce


def hold_one(injection: Callable[[Machine], object]) -> Produce:
    """Does something under load on which one writer stands still, while the others go on."""
    def produce(machine: Machine) -> Sequence[str]:
        machine.wait_load()
        injection(machine)
        stand_still(machine, HELD + 0.5)
        return NO_MOMENT
    return produce


def hang_one_of_four(machine: Machine) -> Sequence[str]:
    """The interrupts of one queue are lost, and with them its one writer's; the other queues' writers go on."""
    machine.wait_load()
    inject.lost_interrupt_of_one(machine, lambda: stand_still(machine, HELD))
    return inject.stop_at_rest()


def stand_still(machine: Machine, seconds: float) -> None:
    """Wait until a writer has not moved for so long, while others have."""
    def stuck() -> bool:
        now, past = machine.truth(), _before(machine.reports(), seconds)
        moved = [new != old for new, old in zip(now.writers, past[-1].writers)] if past else []
        return any(moved) and not all(moved)
    machine.wait("a writer to stand still", stuck)


def _before(reports: Sequence[Report], seconds: float) -> List[Report]:
    return [report for report in reports if report.uptime < reports[-1].uptime - seconds]


def stopped(machine: Machine) -> Sequence[str]:
    """The operator stops the machine under load."""
    machine.wait_load()
    machine.qmp.command("stop")
    return NO_MOMENT


def panicked(machine: Machine) -> Sequence[str]:
    """The guest's kernel panics while writes are in flight, which QEMU does after that."""
    machine.wait_load()
    inject.throttled(machine)
    machine.wait_quiet()
    machine.qmp.command("inject-nmi")
    machine.wait("the kernel to panic", lambda: "end Kernel panic" in machine.console())
    inject.released(machine)
    time.sleep(SETTLE)  # no more words come by which to tell
    return NO_MOMENT


def out_of_space(machine: Machine) -> Sequence[str]:
    """A write finds no space, and QEMU stops the machine for it."""
    machine.wait_load()
    inject.no_space(machine)
    machine.wait("an error that stops the machine",
                 lambda: machine.qmp.command("query-status")["status"] == "io-error")
    return NO_MOMENT


def moment(of: Callable[[Machine], Moment]) -> Produce:
    """The first bad moment of a healthy queue under load."""
    def produce(machine: Machine) -> Sequence[str]:
        machine.wait_load()
        return inject.stop_at(machine, of(machine))
    return produce
