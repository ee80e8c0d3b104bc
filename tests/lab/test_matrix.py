"""Every kernel × ring layout: what the walkers read of every device, against the guest's sysfs, QEMU and each other.

`make lab-matrix` runs all cells; `make lab` those that CI_CELLS names.
"""
import pathlib
import shutil
import tempfile
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import pytest

from tests import cell_facts
from vqcheck.snapshot.model import Device, Queue, Snapshot

from . import initramfs, layouts, matrix, sides, survey
from .keep import keep
from .matrix import CELLS, Cell
from .monitor import DeviceStatus, QueueStatus

CI_CELLS = ("6.1-split", "6.12-packed")
"""An old kernel and a new one, a layout each; the first is one that this machine's crash opens."""

CRASH_OPENS = ("5.10", "6.1")
"""Kernels that Debian 12's crash 8.0.2 opens; it ends without a word on newer ones."""

pytestmark = pytest.mark.lab


class Read(NamedTuple):
    """A cell as the project's tools see it."""

    name: str
    cell: Cell
    guest: Snapshot
    host: Snapshot
    crash: Optional[Snapshot]


def _cells() -> List[object]:
    return [pytest.param(name, marks=[] if name in CI_CELLS else [pytest.mark.matrix]) for name in CELLS]


@pytest.fixture(scope="module", params=_cells())
def read(request: pytest.FixtureRequest) -> Iterator[Read]:
    """Every cell in turn."""
    name: str = request.param
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        cell = matrix.make(name, directory, sides.live_commands(directory, ""))
        guest, host = sides.guest_by_drgn(cell.capture, ""), sides.live(directory)
        crash = sides.guest_by_crash(cell.capture) if cell.options.kernel in CRASH_OPENS else None
        said = directory / "survey.txt"
        said.write_text(survey.text((directory / "console.log").read_text(errors="replace")))
        keep(f"matrix/{name}", {"guest.vqcap": guest.vqcap, "host.vqcap": host.vqcap, "survey.txt": said,
                                "qmp.json": directory / "qmp.json"})
        yield Read(name, cell, guest.snapshot, host.snapshot, crash and crash.snapshot)
    finally:
        shutil.rmtree(directory)


def devices(snapshot: Snapshot) -> Dict[str, Device]:
    """Its devices by their names on the virtio bus."""
    return {one.guest.virtio_device or "": one for one in snapshot.devices if one.guest}


def queues(snapshot: Snapshot) -> Dict[Tuple[int, int], Queue]:
    """Queues by the type of their device and the address of their descriptors, as the checker pairs them."""
    return {(device.device_id, queue.rings.desc): queue
            for device in snapshot.devices for queue in device.queues if queue.rings}


def said_by_qemu(told: Dict[str, DeviceStatus]) -> Dict[Tuple[int, int], QueueStatus]:
    """The queues of QMP, by the same."""
    return {(device.device_id, queue.desc): queue for device in told.values() for queue in device.queues}


def outside(read: Read) -> Set[Tuple[int, int]]:
    """The queues that another process serves: QEMU only set them up, and must not be asked about them."""
    return {place for device in read.host.devices if device.host and device.host.vhost_started
            for place in queues(read.host._replace(devices=[device]))}


def test_every_device_of_sysfs_is_found(read: Read) -> None:
    found = devices(read.guest)
    assert sorted(found) == sorted(one.name for one in read.cell.survey.devices)
    for seen in read.cell.survey.devices:
        device = found[seen.name]
        assert device.guest and device.bus and device.features
        assert (device.device_id, device.guest.driver, device.bus.address) == (
            seen.device_id, seen.driver, seen.address)
        assert device.features.negotiated == seen.features
        assert set(seen.linux_names) <= set(device.guest.linux_names or [])


def test_the_boot_is_the_one_that_the_guest_named(read: Read) -> None:
    assert read.guest.target.boot_id == read.cell.survey.boot_id
    assert read.guest.target.release == read.cell.capture.kernel.release
    assert "lab_survey=1" in (read.guest.target.command_line or "")


def test_both_sides_have_the_same_queues(read: Read) -> None:
    """QEMU was given the rings' addresses and sizes by the driver: they are what the walker found in guest memory."""
    ours, theirs = queues(read.guest), queues(read.host)
    assert ours
    for place, queue in ours.items():
        host = theirs[place]
        assert (queue.size, queue.rings, queue.layout) == (host.size, host.rings, host.layout), place


def test_every_queue_has_its_rings(read: Read) -> None:
    assert len(queues(read.guest)) == sum(len(device.queues) for device in read.guest.devices)


def test_qemu_was_told_of_the_same_queues(read: Read) -> None:
    theirs = said_by_qemu(read.cell.before)
    ours = queues(read.guest)
    assert set(ours) == set(theirs) | outside(read), "a queue that only one side knows"
    for place, said in theirs.items():
        queue = ours[place]
        assert queue.rings and (queue.queue_index, queue.size, queue.rings.avail, queue.rings.used) == (
            said.index, said.size, said.avail, said.used), place


def test_qemus_own_walk_stands_where_qmp_says(read: Read) -> None:
    cell_facts.check_resting(read.cell.before, read.cell.after, read.host)


def test_qemu_knows_what_hangs_and_who_serves_what(read: Read) -> None:
    cell_facts.check_hanging(read.host)
    cell_facts.check_others(read.host)
    cell_facts.check_process(read.host, iothread=read.cell.options.platform != "microvm")


def test_queues_at_rest_stand_where_qemu_says(read: Read) -> None:
    """What QMP says before and after the capture was so at the capture, where both are the same."""
    before, after = said_by_qemu(read.cell.before), said_by_qemu(read.cell.after)
    resting = [place for place in before if before[place] == after[place]]
    assert len(resting) > len(before) // 2, "too little was at rest to compare"
    for place in resting:
        queue, said = queues(read.guest)[place], before[place]
        driver = queue.driver
        assert driver and driver.last_used_idx is not None and queue.used is not None
        if queue.layout == "packed":
            consumed = sum(_taken(queue, entry.id) for entry in queue.used)
            assert (driver.last_used_idx + consumed) % (queue.size or 1) == said.used_idx, place
        else:
            assert queue.ring and queue.ring.used_idx == said.used_idx, place
            unseen = (queue.ring.avail_idx - said.last_avail_idx) % 0x10000
            assert len(queue.in_flight or []) == unseen + said.inuse + len(queue.used), place


def test_writes_that_hang_are_known(read: Read) -> None:
    """By their sectors and lengths, as the guest was told to write them, and by their tags as debugfs has them."""
    hanging = [device for device in read.guest.devices
               if set(read.cell.survey.hanging) & set(device.guest and device.guest.linux_names or [])]
    assert len(hanging) == len(read.cell.survey.hanging) == 2
    for device in hanging:
        requests = [one for queue in device.queues for one in queue.in_flight or [] if one.kind in ("block", "scsi")]
        names = device.guest.linux_names or [] if device.guest else []
        disk = next(name for name in read.cell.survey.hanging if name in names)
        busy = [one.tag for one in read.cell.survey.blocks[disk].busy]
        found = {one.sector: one.bytes for one in requests if one.tag in busy}
        assert found == initramfs.HANGING
        assert all(one.operation == "write" and one.state == "in_flight" for one in requests if one.tag in busy)


def test_both_sides_read_the_same_ring(read: Read) -> None:
    theirs = queues(read.host)
    compared = 0
    for place, queue in queues(read.guest).items():
        if queue.layout == "split":
            if theirs[place].ring is None:  # behind an IOMMU QEMU has no mapping to read through
                assert queue.rings and queue.rings.space == "iova" and "mapping" in theirs[place].absent["ring"]
                continue
            assert queue.ring == theirs[place].ring, place
            compared += 1
    assert compared or read.cell.options.packed


def test_the_drivers_position_is_where_the_device_stands(read: Read) -> None:
    """At one instant: what the device has popped and returned lies between what the driver posted and consumed."""
    theirs = queues(read.host)
    for place in set(queues(read.guest)) - outside(read):
        queue = queues(read.guest)[place]
        driver, device = queue.driver, theirs[place].device
        assert driver and device and queue.size and driver.last_used_idx is not None
        assert device.used_idx is not None and device.last_avail_idx is not None and queue.used is not None
        if queue.layout == "packed":
            assert device.used_idx < queue.size and queue.packed and queue.packed.descriptors is not None
            consumed = sum(_taken(queue, entry.id) for entry in queue.used)
            # The device may have been stopped between writing a used descriptor and moving its own index.
            assert (device.used_idx - driver.last_used_idx) % queue.size in {consumed % queue.size,
                                                                             (consumed - 1) % queue.size}, place
        else:
            returned = (device.used_idx - driver.last_used_idx) % 0x10000
            assert len(queue.used) - 1 <= returned <= len(queue.used), place


def _taken(queue: Queue, head: int) -> int:
    return next(one.descriptors or 0 for one in queue.in_flight or [] if one.head == head)


def test_interrupts_are_those_of_proc_interrupts(read: Read) -> None:
    if read.cell.capture.kernel.architecture == "s390x":  # one line there for all virtio devices
        cell_facts.check_indicators(read.guest, read.host)
        return
    named = read.cell.survey.interrupts
    found = [queue.irq for device in read.guest.devices for queue in device.queues if queue.irq]
    assert len(found) > len(read.guest.devices)
    for irq in found:
        assert irq.name in named[irq.number], irq
        assert irq.effective_online is not False


def test_descriptors_add_up(read: Read) -> None:
    for place, queue in queues(read.guest).items():
        driver = queue.driver
        assert driver and driver.num_free is not None and driver.descriptors_in_use is not None
        assert driver.free_list_problem is None, place
        assert driver.free_list in (driver.num_free, None), place
        assert driver.num_free + driver.descriptors_in_use == queue.size, place


def test_crash_and_drgn_agree(read: Read) -> None:
    if read.crash is None:
        return
    assert read.crash.devices == read.guest.devices
    assert read.crash.target._replace(build_id=None, absent={}) == read.guest.target._replace(build_id=None, absent={})


def test_a_layout_file_gives_the_same_without_debug_information(read: Read) -> None:
    capture = read.cell.capture
    saved = layouts.save(capture.kernel, capture.directory / "x.vqlayout")
    found = layouts.guest(capture.vmcore, saved, capture.directory / "guest-layout.json")
    assert layouts.comparable(found) == layouts.comparable(read.guest)


def test_roles_are_known_and_requests_described(read: Read) -> None:
    for device in read.guest.devices:
        for queue in device.queues:
            assert queue.role != "unknown", (device.name, queue.queue_index)
            for one in queue.in_flight or []:
                assert one.kind and one.token, (device.name, one)


def test_the_block_layer_is_what_debugfs_says(read: Read) -> None:
    """For every disk the tags there are; for one where all waits, which and how many are in use, too."""
    found = {block.disk: block for device in read.guest.devices if device.guest for block in device.guest.block or []}
    said = {disk: block for disk, block in read.cell.survey.blocks.items() if disk.startswith(("vd", "sd"))}
    assert sorted(name for name in found if name) == sorted(said)
    for disk, theirs in said.items():
        queues_here = found[disk].hardware_queues or []
        assert len(queues_here) == len(theirs.states)
        for queue in queues_here:
            tags = theirs.tags[queue.queue_num]
            assert queue.tags and queue.tags.depth == tags["nr_tags"] and queue.stopped is False
    hanging = read.cell.survey.hanging[0]
    (queue,) = found[hanging].hardware_queues or []
    busy = [one for one in said[hanging].busy if one.state == "in_flight"]
    assert queue.tags and len(busy) == len(initramfs.HANGING)
    assert (queue.tags.in_use, queue.tags.started) == (said[hanging].tags[0]["bitmap_tags.busy"], len(busy))


def test_the_interface_is_what_sysfs_says(read: Read) -> None:
    found = {net.name: net for net in (device.guest.net for device in read.guest.devices if device.guest) if net}
    said = read.cell.survey.net
    assert (found["eth0"].up, found["eth0"].carrier) == (said["operstate"] == "up", said["carrier"] == "1")
