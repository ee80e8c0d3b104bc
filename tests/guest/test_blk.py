"""virtio-blk in the guest: requests against the block layer above the disk."""
import pytest

from tests.guest.made.block import IDLE, NOW, RELEASES, Disk, block_guest
from vqcheck.guest.bus import Below, VirtioDevice
from vqcheck.guest.drivers.blk import BlkDriver
from vqcheck.snapshot.model import Queue
from vqcheck.target.absence import Absences
from vqcheck.target.view import View

PDU = "struct request"


def machine(release="6.1"):
    """A disk behind virtio-blk with one queue, and what the walker knows of it."""
    guest = block_guest(release)
    disk = Disk(guest)
    gendisk = guest.struct("gendisk", "gendisk", queue=disk.queue)
    if guest.member("struct block_device", "bd_device") is None:
        device = gendisk + guest.offset("gendisk", "part0.__dev")
    else:
        part = guest.struct("block_device", "part0", bd_disk=gendisk)
        device = part + guest.offset("block_device", "bd_device")
    virtio = guest.struct("virtio_device", "virtio1", id__device=2)
    guest.link(virtio + guest.offset("virtio_device", "vqs"), [guest.new("vq", bytes(16))])
    view = View(guest, "struct virtio_device", virtio)
    return disk, BlkDriver(guest, VirtioDevice(view, "virtio1", None, None, [Below("vdb", "block", device, 1)], None),
                           NOW)


def token(disk, request):
    return request + disk.guest.size_of(PDU)


@pytest.mark.parametrize("release", RELEASES)
def test_requests_on_the_ring_and_requests_that_wait(release):
    disk, driver = machine(release)
    first = token(disk, disk.busy(0, 3))
    disk.busy(1, 8)
    disk.busy(1, 9, IDLE)
    found = driver.request("request", 5, first)
    assert (found.head, found.token, found.kind, found.tag, found.state) == (5, first, "block", 3, "in_flight")
    driver.about_queue(Queue(queue_index=0, role="request", in_flight=[found]))
    absent = Absences()
    block, = driver.fields(absent)["block"]
    assert block.disk == "vdb" and [one.tag for one in block.waiting] == [9, 8]
    assert "block" not in absent


def test_a_ring_whose_requests_are_not_known_is_not_guessed():
    disk, driver = machine()
    disk.busy(0, 3)
    driver.about_queue(Queue(queue_index=0, role="request", in_flight=None))
    assert driver.fields(Absences())["block"][0].waiting_count == 0


def test_what_is_no_request_of_this_disk():
    disk, driver = machine()
    request = disk.busy(0, 3, q=0x666)
    found = driver.request("request", 1, token(disk, request))
    assert found.kind is None and "no request of this disk" in found.absent["tag"]


def test_without_a_disk_all_of_it_is_absent():
    _, driver = machine()
    driver.device = driver.device._replace(below=[])
    absent = Absences()
    assert driver.fields(absent) == {} and absent["block"] == absent["disk"] == "no disk hangs on the device"


def test_requests_are_read_in_bulk():
    disk, driver = machine()
    tokens = [token(disk, disk.busy(0, tag)) for tag in range(64)]
    disk.guest.reads.clear()
    found = [driver.request("request", head, one) for head, one in enumerate(tokens)]
    assert [one.tag for one in found] == list(range(64)) and len(disk.guest.reads) < 20
