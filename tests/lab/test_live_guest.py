"""A guest that reads itself while it runs: by a layout, by one of its own making, and by debug information.

Under emulation the last two take minutes, so `make lab` goes the first way only.
"""
import json
import pathlib
import shutil
import tempfile
from typing import Iterator, NamedTuple

import pytest

from vqcheck.snapshot.model import Queue
from vqcheck.snapshot.read import read, read_file

from . import debugger, inject, sides
from .live import BY_DEBUG_INFO, BY_LAYOUT, BY_OWN_LAYOUT, MEMORY_MB, Frame, LiveMachine, Witness
from .options import Options
from .sides import Side
from .vm import Machine

pytestmark = pytest.mark.lab


class Lived(NamedTuple):
    """What a guest saw of itself under load, and hung; with what QEMU had then."""

    load: Frame
    host_load: Side
    hung: Frame
    guest_hung: Side
    host_hung: Side


@pytest.fixture(scope="module", params=[
    pytest.param(BY_LAYOUT, id="layout"), pytest.param(BY_OWN_LAYOUT, id="own layout", marks=pytest.mark.matrix),
    pytest.param(BY_DEBUG_INFO, id="debug information", marks=pytest.mark.matrix)])
def lived(request: pytest.FixtureRequest) -> Iterator[Lived]:
    """A guest that reads itself, before and after its disk loses an interrupt."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        with LiveMachine(directory, Options(memory_mb=MEMORY_MB, writers=1), request.param) as machine:
            machine.wait_load()
            load = machine.snapshot("--json", "vdb")
            host_load = _host(machine, directory / "load")
            inject.lost_interrupt(machine)
            hung = machine.snapshot("--json", "vdb")
            host_hung = _host(machine, directory / "hung")
            file = directory / "guest-hung.json"
            file.write_text(hung.output)
            (directory / "guest-load.json").write_text(load.output)
            yield Lived(load, host_load, hung, Side(read_file(str(file)), file, file), host_hung)
    finally:
        shutil.rmtree(directory)


def _host(machine: Machine, directory: pathlib.Path) -> Side:
    """QEMU's side, by gdb, while it runs on."""
    directory.mkdir()
    debugger.run(machine, f"host-{directory.name}", sides.live_commands(directory))
    return sides.live(directory)


def queue_of(frame: Frame) -> Queue:
    """The disk's only queue."""
    found = read(frame.output.encode())
    assert found.capture.method == "live" and found.capture.source is None
    assert found.producer.debugger is not None and found.producer.debugger.startswith("drgn ")
    (device,) = found.devices
    (queue,) = device.queues
    witness: Witness = frame.after
    path = pathlib.PurePath(witness.device)
    assert device.bus is not None and device.features is not None and device.guest is not None
    assert (device.bus.address, device.guest.virtio_device) == (path.parent.name, path.name)
    assert int(device.features.negotiated) == witness.features
    return queue


@pytest.mark.parametrize("moment", ["load", "hung"])
def test_a_running_guest_sees_its_own_disk(lived: Lived, moment: str) -> None:
    frame: Frame = getattr(lived, moment)
    assert (frame.status, frame.errors) == (0, "")
    queue = queue_of(frame)
    assert queue.irq is not None and queue.irq.name is not None and queue.irq.total is not None
    before, after = (witness.interrupts[queue.irq.name] for witness in (frame.before, frame.after))
    assert before <= queue.irq.total <= after
    assert (before == after) == (moment == "hung")


def test_under_load_nothing_torn_is_shown(lived: Lived) -> None:
    """Either it was caught between two requests, or what moved is absent."""
    queue = queue_of(lived.load)
    assert queue.driver is not None
    if queue.ring is None:
        assert queue.driver.last_used_idx is None and "moved while it was read" in queue.absent["ring"]
        assert json.loads(lived.load.output)["capture"]["warnings"]
    else:
        assert queue.driver.avail_idx_shadow == queue.ring.avail_idx
        assert queue.used is not None and len(queue.used) <= 1, "there is one writer"


def test_a_hung_guest_sees_its_hang_while_it_runs(lived: Lived) -> None:
    queue, host = queue_of(lived.hung), lived.host_hung.snapshot.devices[0].queues[0]
    assert queue.driver is not None and queue.ring is not None and host.ring is not None and host.device is not None
    assert queue.ring == host.ring and queue.rings is not None and host.rings is not None
    assert queue.rings.desc == host.rings.desc
    assert queue.used is not None and len(queue.used) == len(queue.in_flight or []) == 1
    assert queue.ring.used_idx == host.device.used_idx != queue.driver.last_used_idx


def test_the_verdict_on_two_live_sides(lived: Lived) -> None:
    status, text = sides.merge(lived.guest_hung, lived.host_hung)
    words = " ".join(text.split())
    assert status == 1, text
    assert "interrupt (device to driver) due for used entry" in words and "lost-interrupt" in words, text


def test_a_busy_guest_is_not_called_hung(lived: Lived) -> None:
    file = lived.guest_hung.json.with_name("guest-load.json")
    status, text = sides.merge(Side(read_file(str(file)), file, file), lived.host_load)
    assert status != 1, text
