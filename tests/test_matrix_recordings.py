"""Every kernel × ring layout with every virtio device, replayed: the walker against what the guest said of itself."""
import pytest

from tests import recordings
from tests.lab import survey
from tests.lab.matrix import CELLS
from vqcheck.guest import snapshot as guest
from vqcheck.target.recording import Replay

RECORDED = sorted(path.name for path in recordings.MATRIX.iterdir())


class Cell:
    """A recorded cell: the walk again, and what the guest printed."""

    def __init__(self, name):
        self.name = name
        self.snapshot = guest.take(Replay(recordings.bundle(name, "guest", recordings.MATRIX)))
        self.seen = survey.parse((recordings.MATRIX / name / "survey.txt").read_text())
        self.queues = [queue for device in self.snapshot.devices for queue in device.queues]


@pytest.fixture(scope="module", params=RECORDED)
def cell(request):
    return Cell(request.param)


def test_every_cell_is_recorded():
    assert sorted(CELLS) == RECORDED


def test_every_device_is_there(cell):
    found = {device.guest.virtio_device: device for device in cell.snapshot.devices}
    assert sorted(found) == sorted(one.name for one in cell.seen.devices)
    for one in cell.seen.devices:
        device = found[one.name]
        assert (device.device_id, device.guest.driver) == (one.device_id, one.driver)
        assert device.bus.address == one.address
        assert device.features.negotiated == one.features
        assert set(one.linux_names) <= set(device.guest.linux_names)


def test_it_is_the_boot_that_the_guest_named(cell):
    assert cell.snapshot.target.boot_id == cell.seen.boot_id
    assert cell.snapshot.target.command_line == cell.seen.command_line
    assert cell.snapshot.capture.uptime_ns / 1e9 >= cell.seen.uptime


def test_the_layout_is_that_of_the_features(cell):
    layouts = {queue.layout for device in cell.snapshot.devices for queue in device.queues
               if "RING_PACKED" in device.features.names}
    assert layouts == ({"packed"} if cell.name.endswith("packed") else set())
    assert {queue.layout for device in cell.snapshot.devices for queue in device.queues
            if "RING_PACKED" not in device.features.names} <= {"split"}


def test_every_queue_has_a_role_and_rings(cell):
    assert all(queue.role != "unknown" and queue.rings and queue.in_flight is not None for queue in cell.queues)


def test_descriptors_add_up(cell):
    for queue in cell.queues:
        driver = queue.driver
        assert driver.free_list_problem is None and driver.free_list in (driver.num_free, None)
        assert driver.num_free + driver.descriptors_in_use == queue.size


def test_interrupts_are_those_of_proc_interrupts(cell):
    named = cell.seen.interrupts
    for queue in cell.queues:
        if queue.irq is not None:
            assert queue.irq.name in named[queue.irq.number] and queue.irq.total is not None
    assert sum(queue.irq is not None for queue in cell.queues) > len(cell.snapshot.devices)


def test_writes_that_hang_are_known_with_their_disks(cell):
    assert cell.seen.hanging
    for disk in cell.seen.hanging:
        (device,) = [one for one in cell.snapshot.devices if disk in one.guest.linux_names]
        waiting = [one for queue in device.queues for one in queue.in_flight if one.operation == "write"]
        assert waiting and all(one.kind in ("block", "scsi") and one.bytes and one.task.comm == "dd"
                               for one in waiting)
