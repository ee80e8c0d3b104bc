"""Who holds what a device has popped, on recordings of real QEMUs; then with a link of the chain spoiled."""
import pytest

from tests import recordings
from tests.host.test_bad_memory import disk, spoil
from tests.lab.qemu_build import DEFAULT
from vqcheck.host import stacks
from vqcheck.host.coroutine import AT_RANDOM
from vqcheck.host.snapshot import take
from vqcheck.target.errors import NotSupported
from vqcheck.target.recording import Replay


@pytest.fixture(params=["5.2", DEFAULT, "10.0"])
def scene(request):
    """Recordings of scenes in one QEMU after the other, by name."""
    return lambda name: recordings.bundle(recordings.place(request.param, name), "host", recordings.DATA)


def hung(recorded):
    """The queue of the disk, or the SCSI host's queue of requests."""
    queues = disk(recorded).queues
    return queues[2 if len(queues) == 3 else 0]


def address_of(recorded, type_name, path):
    """Where a struct lies in which a member was looked up: of one size and one such type, the first that was read."""
    size = recorded.sizes[type_name]
    assert (type_name, path) in recorded.members
    return next(address for (_, address), raw in recorded.memory.items() if len(raw) == size)


@pytest.mark.parametrize("name", ["backend-stuck", "backend-stuck-no-iothread", "backend-stuck-scsi"])
def test_a_suspended_request_is_with_blkdebug(scene, name):
    recorded = scene(name)
    (one,) = [one for one in hung(recorded).held.requests if one.age_ns > 6 * 10**9]
    assert (one.holder, one.node, one.detail) == ("block layer", "debug1", "held back by blkdebug (lab)")
    # A coroutine function since 8.1; in QEMU 5.2 others were compiled into it, further in.
    assert {"blkdebug_debug_event", "blkdebug_co_debug_event"}.intersection(one.functions[:3])
    host = disk(recorded).host
    block = host.block or host.disks[0].block
    assert {node.node: node.suspended for node in block.nodes} == {"disk1": None, "debug1": 1, "file1": None}
    assert [(other.node, other.type, other.bytes) for other in block.tracked if other.offset == one.offset] == [
        ("disk1", "write", 4096), ("debug1", "write", 4096)]


def test_throttled_requests_wait_in_their_group(scene):
    recorded = scene("throttled")
    block, held = disk(recorded).host.block, hung(recorded).held
    (limits,) = block.throttling
    assert held.complete and {(one.holder, one.node) for one in held.requests} == {("throttle", None)}
    assert (limits.node, limits.limits, limits.reads_waiting, limits.writes_waiting) == (
        None, "1 bytes/s written", 0, len(held.requests))
    assert (limits.read_timer, limits.write_timer) == (False, True)
    assert block.throttled == block.in_flight == len(held.requests) and block.tracked == []


def test_of_many_coroutines_those_that_wait_longest_are_unwound(scene, monkeypatch):
    monkeypatch.setattr(stacks, "OF_QUEUE", 1)
    oldest, *others = hung(scene("throttled")).held.requests
    assert oldest.functions and others and all(one.age_ns <= oldest.age_ns for one in others)
    assert {one.absent["functions"] for one in others} == {
        "only 1 coroutines of a queue are unwound, the longest waiting ones, and 64 of a QEMU"}


def test_the_queues_of_a_qemu_share_what_is_unwound(monkeypatch):
    monkeypatch.setattr(stacks, "stack", lambda target, coroutine: [hex(coroutine)])
    every = stacks.Stacks(None, 3)
    assert [every.share().of(number) for number in range(3)] == [["0x0"], ["0x1"], ["0x2"]]
    with pytest.raises(NotSupported):
        every.share().of(4)


def test_a_failed_request_is_parked_in_the_device(scene):
    recorded = scene("storage-error")
    host, held = disk(recorded).host, hung(recorded).held
    assert held.complete and {(one.holder, one.node, one.coroutine) for one in held.requests} == {("retry", None, None)}
    for one in held.requests:
        assert "waits for a retry" in one.absent["node"] and "waits for a retry" in one.absent["functions"]
    assert (host.run_state, host.block.iostatus, host.block.on_write_error, host.block.in_flight) == (
        "io-error", "nospace", "stop", 0)
    assert host.block.parked == len(held.requests)


def test_a_queue_that_holds_nothing_says_so_without_a_look(scene):
    held = hung(scene("lost-interrupt")).held
    assert held.requests == [] and held.complete and held.looked_in == []


def test_a_request_that_no_place_has_leaves_the_search_incomplete(scene):
    recorded = scene("throttled")
    waiting = hung(recorded).held.requests
    first = min(one.coroutine for one in waiting)
    spoil(recorded, first, "entry", "struct Coroutine", 0)  # an entry function that is no request's
    held = hung(recorded).held
    assert len(held.requests) == len(waiting) - 1 and not held.complete
    assert f"counts {len(waiting)} in flight, and {len(waiting) - 1} of them were found" in held.absent["complete"]


def test_what_blkdebug_lost_is_still_tracked_by_a_node(scene):
    recorded = scene("backend-stuck-no-iothread")
    (one,) = [one for one in hung(recorded).held.requests if one.node == "debug1"]
    spoil(recorded, address_of(recorded, "BDRVBlkdebugState", "suspended_reqs.lh_first"), "suspended_reqs.lh_first",
          "BDRVBlkdebugState", 0)
    (found,) = [other for other in hung(recorded).held.requests if other.head == one.head]
    assert (found.holder, found.node, found.detail) == ("block layer", "debug1", None)


def test_parked_requests_that_loop(scene):
    recorded = scene("storage-error")
    one = hung(recorded).held.requests[0]
    spoil(recorded, one.address, "next", "struct VirtIOBlockReq", one.address)
    found = hung(recorded)
    assert found.held is None and "has no end" in found.absent["held"]
    assert disk(recorded).host.block.parked is None and "has no end" in disk(recorded).host.block.absent["parked"]


def test_the_stack_of_a_coroutine_without_the_guard_is_not_guessed(scene):
    recorded = scene("throttled")
    recorded.auxv.pop(AT_RANDOM)
    for one in hung(recorded).held.requests:
        assert one.functions is None and "random bytes" in one.absent["functions"]


def handles(recorded):
    """Addresses of the handles that the block layer gave out for requests (struct BlkAioEmAIOCB)."""
    return [address for (_, address), raw in recorded.memory.items()
            if len(raw) == recorded.sizes["struct BlkAioEmAIOCB"]]


def rename(recorded, old, new):
    """Give a function another name."""
    recorded.names.update({address: new for address, name in recorded.names.items() if name == old})


def wrap(recorded):
    """Have the block layer hand on something that points at the request in the place of the request."""
    offset = recorded.members[("struct BlockAIOCB", "opaque")].offset
    for number, address in enumerate(handles(recorded)):
        raw = bytearray(recorded.memory[(False, address)])
        recorded.memory[(False, 0x7000 + 64 * number)] = bytes(raw[offset:offset + 8])
        raw[offset:offset + 8] = (0x7000 + 64 * number).to_bytes(8, "little")
        recorded.memory[(False, address)] = bytes(raw)


@pytest.mark.parametrize("callback, wrapped", [
    ("virtio_blk_zone_mgmt_complete", False), ("virtio_blk_zone_append_complete", True),
    ("virtio_blk_zone_report_complete", True), ("virtio_blk_ioctl_complete", True)])
def test_requests_of_every_kind_are_found(scene, callback, wrapped):
    recorded = scene("throttled")
    before = hung(recorded).held
    rename(recorded, "virtio_blk_rw_complete", callback)
    if wrapped:
        wrap(recorded)
    after = hung(recorded).held
    assert after.complete and {one.head for one in after.requests} == {one.head for one in before.requests}
    assert {one.bytes for one in after.requests} == {None}
    assert {one.absent["age_ns"] for one in after.requests} == {"QEMU did not note when it began"}


def test_a_request_of_a_kind_that_is_not_known_leaves_the_search_incomplete(scene):
    recorded = scene("throttled")
    rename(recorded, "virtio_blk_rw_complete", "virtio_blk_new_complete")
    held = hung(recorded).held
    assert not held.complete and "virtio_blk_new_complete() is to complete is not known" in held.absent["complete"]


def test_a_scsi_request_names_its_command_and_its_disk(scene):
    recorded = scene("backend-stuck-scsi")
    device = disk(recorded)
    (unit,) = device.host.disks
    assert (unit.qdev_id, unit.qom_path, unit.channel, unit.target, unit.lun) == (
        "scsi-disk1", "/machine/peripheral/scsi-disk1", 0, 0, 0)
    assert unit.requests == len(hung(recorded).held.requests) == unit.block.in_flight
    assert device.host.type == "virtio-scsi-device" and device.host.resetting == 0


def scsi_disk(recorded):
    """The address of the disk (struct SCSIDevice) that has requests."""
    first = recorded.members[("struct SCSIDevice", "requests.tqh_first")]
    for (_, address), raw in recorded.memory.items():
        request = int.from_bytes(raw[first.offset:first.offset + 8], "little")
        if len(raw) == recorded.sizes["struct SCSIDevice"] and (False, request) in recorded.memory:
            return address
    raise AssertionError("no disk has requests")


def test_a_scsi_request_that_the_guest_has_cancelled_is_on_no_list_and_not_lost(scene):
    recorded = scene("backend-stuck-scsi")
    held = hung(recorded).held
    assert held.complete and held.requests
    spoil(recorded, scsi_disk(recorded), "requests.tqh_first", "struct SCSIDevice", 0)
    held = hung(recorded).held
    assert held.requests == [] and not held.complete and "cancelled" in held.absent["complete"]


def test_a_network_card_keeps_none_of_its_buffers(scene):
    (device,) = take(Replay(scene("net-rx-idle")), "nic0").devices
    receive, send, control = device.queues
    assert [one.role for one in device.queues] == ["rx", "tx", "control"]
    assert (len(receive.available), receive.device.notification) == (252, False) or receive.size > 256
    assert [one.held.requests for one in device.queues] == [[], [], []] and send.device.tx_waiting is False
    assert control.notify.vector == 0xFFFF and device.host.block is None and device.host.disks is None
