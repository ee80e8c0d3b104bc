"""What the verdict tells the operator to do is tried: the hung guest must move again."""
import pathlib
import shutil
import subprocess
import tempfile
from typing import Callable, Iterator

import pytest

from tests.lab import debugger, inject, sides
from tests.lab.vm import Machine

pytestmark = pytest.mark.lab


@pytest.fixture
def directory() -> Iterator[pathlib.Path]:
    path = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    yield path
    shutil.rmtree(path)


def notifier(machine: Machine, name: str) -> int:
    """A notifier's file descriptor, as vq-host reports it."""
    debugger.run(machine, "look", sides.live_commands(machine.directory))
    notify = sides.live(machine.directory).snapshot.devices[0].queues[0].notify
    found = getattr(notify, name).fd
    assert isinstance(found, int)
    return found


def write_eventfd(machine: Machine, fd: int) -> None:
    """The very command of the verdict's list of actions."""
    subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-p", str(machine.pid),
                    "-ex", f"call (int)eventfd_write({fd}, 1)"], stdin=subprocess.DEVNULL, capture_output=True,
                   timeout=120, check=True)


def stop_and_cont(machine: Machine) -> None:
    machine.qmp.command("stop")
    machine.qmp.command("cont")


@pytest.mark.parametrize("hang, act", [
    (inject.lost_interrupt, lambda machine: write_eventfd(machine, notifier(machine, "guest_notifier"))),
    (inject.lost_interrupt_eventfd, lambda machine: write_eventfd(machine, notifier(machine, "guest_notifier"))),
    (inject.lost_kick, lambda machine: write_eventfd(machine, notifier(machine, "host_notifier"))),
    (inject.lost_kick, stop_and_cont),
], ids=["lost interrupt: write the guest notifier", "lost eventfd: write the guest notifier",
        "lost kick: write the host notifier", "lost kick: stop and cont"])
def test_the_guest_moves_again(directory: pathlib.Path, hang: Callable[[Machine], int],
                               act: Callable[[Machine], None]) -> None:
    with Machine(directory) as machine:
        machine.wait_load()
        assert hang(machine) > 0
        stood_still = machine.wait_quiet()
        act(machine)
        machine.wait("I/O after the action", lambda: min(now - then for now, then in zip(
            machine.truth().writers, stood_still.writers)) > 2)
