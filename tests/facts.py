"""Snapshots of a scene held against its independent witnesses, made just now or replayed from a recording."""
import re
from typing import Dict, NamedTuple, Optional, Sequence

from tests.lab import proof
from tests.lab.capture import HostState
from tests.lab.truth import GuestState, Truth
from vqcheck.check.result import Event
from vqcheck.snapshot.device_model import HostDevice
from vqcheck.snapshot.held_model import BlockState, HeldRequest
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.model import Queue, Snapshot
from vqcheck.snapshot.transport_model import Indicator

SECOND = 10**9


class Holding(NamedTuple):
    """Who holds the requests that hang, of which witnesses know their heads, places and ages."""
    holder: str
    node: Optional[str]
    detail: str
    """What its detail says, among other things."""
    function: str = ""
    """A function that the request's coroutine stands in."""


BLKDEBUG = Holding("block layer", "debug1", "held back by blkdebug (lab)", "bdrv_aligned_pwritev")

HOLDINGS: Dict[str, Holding] = {
    "backend-stuck": BLKDEBUG,
    "backend-stuck-no-iothread": BLKDEBUG,
    "backend-stuck-scsi": BLKDEBUG,
    "backend-stuck-in-order": BLKDEBUG,
    "backend-stuck-in-order-packed": BLKDEBUG,
    "throttled": Holding("throttle", None, "throttle group", "throttle_group_co_io_limits_intercept"),
    "storage-error": Holding("retry", None, "parked after an error"),
}
"""Of each scene in which the device holds some."""

FINISHED: Dict[str, Holding] = {
    "backend-stuck-in-order": Holding("in order", None, "waits for its turn"),
    "backend-stuck-in-order-packed": Holding("in order", None, "waits for its turn"),
    "lost-flush-in-order": Holding("unflushed", None, "its turn has come"),
}
"""Of each scene with IN_ORDER: those of them that no block node has, as they are done."""


def queue(truth: Truth, side: Snapshot) -> Queue:
    """The queue under test."""
    return side.devices[0].queues[truth.queue]


# The guest's side.

def check_guest(truth: Truth, guest: Snapshot) -> None:
    """All that drgn and the guest's console tell."""
    queues = guest.devices[0].queues
    assert [one.queue_index for one in queues] == list(range(len(truth.guests)))
    for found, seen in zip(queues, truth.guests):
        _driver(found, seen)
        assert [one.id for one in found.used or []] == seen.returned
        assert [one.head for one in found.in_flight or []] == [one.head for one in seen.in_flight]
        assert [(one.head, one.tag, one.sector, one.bytes) for one in found.in_flight or [] if one.tag is not None] == [
            (one.head, one.tag, one.sector, one.length) for one in seen.in_flight if one.tag is not None]
    if truth.host.indicator_area is None:
        _irq(truth, queue(truth, guest))
    for found, host in zip(queues, truth.hosts):
        assert found.indicator == _indicator(host)


def _indicator(seen: HostState) -> Optional[Indicator]:
    """The bit by which a channel device interrupts for a queue."""
    if seen.indicator_area is None or seen.indicator_bit is None:
        return None
    return Indicator(True, Hex(seen.indicator_area), seen.indicator_bit, seen.indicator_set, seen.summary_set)


def _driver(found: Queue, seen: GuestState) -> None:
    driver = found.driver
    assert driver is not None and found.rings is not None
    assert (found.layout, found.size, found.rings.desc, driver.num_free, driver.last_used_idx) == (
        seen.layout, seen.num, seen.desc, seen.num_free, seen.last_used_idx)
    if seen.layout == "split":
        assert (driver.avail_idx_shadow, driver.avail_flags_shadow) == (seen.avail_idx_shadow, seen.avail_flags_shadow)
        assert found.ring is not None
        assert (found.ring.avail_idx, found.ring.used_idx, found.ring.used_event, found.ring.avail_event) == (
            seen.avail_idx, seen.used_idx, seen.used_event, seen.avail_event)
    else:
        assert (driver.next_avail_idx, driver.avail_wrap_counter, driver.used_wrap_counter,
                driver.event_flags_shadow) == (seen.next_avail_idx, seen.avail_wrap_counter, seen.used_wrap_counter,
                                               seen.event_flags_shadow)
        assert found.packed is not None and found.packed.driver_event and found.packed.device_event
        assert [*found.packed.driver_event] == [*(seen.driver_event or ())]
        assert [*found.packed.device_event] == [*(seen.device_event or ())]


def _irq(truth: Truth, found: Queue) -> None:
    """Of /proc/interrupts, by its name; and by its count where nothing moved since the guest's last words."""
    assert found.irq is not None and found.irq.name in truth.report.interrupts
    if "queues" in truth.qmp and truth.qmp["status"] == "running":
        assert found.irq.total == truth.report.interrupts[found.irq.name]


# The host's side.

def check_host(truth: Truth, host: Snapshot) -> None:
    """All that gdb and QMP tell, of a live QEMU or of its core."""
    (device,) = host.devices
    assert device.host is not None
    assert len(device.queues) == len(truth.hosts)
    for found, seen in zip(device.queues, truth.hosts):
        _device(found, seen)
        _vector(found, seen)
        _loop(truth, found, seen)
    _state(truth, host, device.host)
    _threads(truth, host)
    block = _block(device.host)
    if block is not None:
        _disk(truth, block)


def check_counters(truth: Truth, live: Snapshot) -> None:
    """Eventfds of a live process, each where the queue has one."""
    for found, seen in zip(live.devices[0].queues, truth.hosts):
        notify = found.notify
        assert notify is not None and notify.host_notifier is not None and notify.guest_notifier is not None
        for notifier, count in ((notify.host_notifier, seen.kick_count), (notify.guest_notifier, seen.call_count)):
            assert notifier.eventfd_count == count or "not set up" in notifier.absent["eventfd_count"]
        assert (notify.host_notifier.eventfd_count is not None) == seen.host_notifier_enabled


def _device(found: Queue, seen: HostState) -> None:
    device = found.device
    assert device is not None and (found.rings is not None) == (seen.desc != 0)
    if found.rings is not None:
        assert (found.size, *found.rings[:3]) == (seen.num, seen.desc, seen.avail, seen.used)
    assert (device.last_avail_idx, device.shadow_avail_idx, device.used_idx, device.signalled_used,
            device.signalled_used_valid, device.notification, device.inuse) == (
        seen.last_avail_idx, seen.shadow_avail_idx, seen.used_idx, seen.signalled_used, seen.signalled_used_valid,
        seen.notification, seen.inuse)
    wraps = (device.last_avail_wrap_counter, device.shadow_avail_wrap_counter, device.used_wrap_counter)
    if found.layout == "packed":
        assert wraps == (seen.last_avail_wrap_counter, seen.shadow_avail_wrap_counter, seen.used_wrap_counter)
    else:
        assert wraps == (None, None, None)


def _vector(found: Queue, seen: HostState) -> None:
    """Its MSI-X entry, or the bit that it has in its place."""
    notify = found.notify
    assert found.indicator == _indicator(seen)
    assert notify is not None and notify.vector == seen.vector
    if seen.msix_control is not None and notify.msix is not None:
        assert (notify.msix.masked, notify.msix.pending) == (bool(seen.msix_control & 1), seen.msix_pending)


def _loop(truth: Truth, found: Queue, seen: HostState) -> None:
    """The event loop that watches its kicks."""
    notify = found.notify
    assert notify is not None and notify.host_notifier is not None
    assert notify.host_notifier.enabled == seen.host_notifier_enabled
    watching = [name for name, watched in truth.device["loops"].items() if seen.kick_fd in watched]
    assert notify.host_notifier.handler == (bool(watching) if seen.host_notifier_enabled else None)
    if seen.host_notifier_enabled:
        assert [notify.context] == watching and notify.host_notifier.fd == seen.kick_fd


def _state(truth: Truth, host: Snapshot, device: HostDevice) -> None:
    assert host.qemu is not None
    assert device.run_state == host.qemu.run_state == truth.qmp["status"]
    assert (device.vm_running, device.broken, device.isr, device.bus_ioeventfd_started) == tuple(
        truth.device[name] for name in ("vm_running", "broken", "isr", "bus_ioeventfd_started"))
    assert host.qemu.accelerator == "tcg" and host.qemu.incoming == "none"


def _threads(truth: Truth, host: Snapshot) -> None:
    """What QMP says each thread is for, and where gdb's own backtrace has it."""
    roles = {str(thread): f"iothread {name}" for name, thread in truth.qmp["iothreads"].items()}
    roles.update({str(thread): f"vcpu {number}" for number, thread in truth.qmp["vcpus"].items()})
    found = {str(thread.id): thread for thread in host.threads or []}
    assert {number: thread.role for number, thread in found.items() if thread.role} == {
        **roles, str(host.target.pid): "main"}
    for number, functions in truth.device["threads"].items():
        # A frame without a function's name goes by its address, and the library that it lies in.
        assert [re.sub("^0x[0-9a-f]+( in .*)?$", "??", one) for one in found[number].functions or []] == functions


def _block(device: HostDevice) -> Optional[BlockState]:
    return device.block or (device.disks[0].block if device.disks else None)


def _disk(truth: Truth, block: BlockState) -> None:
    seen = truth.device["block"]
    assert (block.node, block.in_flight, block.quiesce_counter, block.completed, block.throttled) == (
        seen["node"], seen["in_flight"], seen["quiesce_counter"], seen["completed"], sum(seen["waiting"]))
    assert seen["iostatus"].endswith((block.iostatus or "?").upper())
    assert [[one.offset, one.bytes] for one in block.tracked or [] if one.node == block.node] == seen["tracked"]
    assert block.parked == len(seen["parked"]) or truth.options.device == "scsi"
    limits = (block.throttling or [None])[0]
    assert (limits is not None) == (seen["group"] is not None)
    if limits is not None:
        assert limits.group == seen["group"]["name"]
        assert [limits.reads_waiting, limits.writes_waiting] == seen["waiting"]
        assert [limits.read_timer, limits.write_timer] == [bool(one) for one in seen["group"]["timers"]]
    if "stats" in truth.qmp:
        _disk_by_qmp(truth, block)


def _disk_by_qmp(truth: Truth, block: BlockState) -> None:
    said, stats = truth.qmp["block"], truth.qmp["stats"]
    assert (block.node, block.iostatus) == (said["inserted"]["node-name"], said["io-status"])
    assert block.completed == sum(value for name, value in stats.items() if name in (
        "rd_operations", "wr_operations", "flush_operations", "unmap_operations", "zone_append_operations"))
    assert block.failed == sum(value for name, value in stats.items() if name.startswith("failed_"))
    limit = f"{said['inserted']['bps_wr']} bytes/s written"
    assert [one.limits for one in block.throttling or []] == ([limit] if said["inserted"]["bps_wr"] else [])


# Who holds what was popped: the host's side against the guest's.

def check_held(truth: Truth, name: str, host: Snapshot) -> None:
    """Every request that is found in the device's hands is one that it popped and did not return."""
    for found, seen, guest in zip(host.devices[0].queues, truth.hosts, truth.guests):
        assert found.held is not None
        expected = proof.popped(seen, guest)
        heads = sorted(one.head for one in found.held.requests if one.head is not None)
        assert set(heads) <= set(expected) and len(heads) == len(found.held.requests)
        if "queues" in truth.qmp:  # nothing was on its way from one place to the next
            assert found.held.complete and heads == expected
            assert sum(one.descriptors or 0 for one in found.held.requests) == seen.inuse
        asked = {one.head: one for one in guest.in_flight}
        for one in found.held.requests:
            sector, length = asked[one.head or 0].sector, asked[one.head or 0].length
            assert sector is not None and length is not None
            if not _finished(truth, name, sector, length):
                assert (one.offset, one.bytes) == (sector * 512, length)
    _hanging(truth, name, queue(truth, host))


def _finished(truth: Truth, name: str, sector: int, length: int) -> bool:
    """Whether a request that was popped is done: in a scene of such, QEMU's block layer does not have it any more."""
    return name in FINISHED and [sector * 512, length] not in truth.device["block"]["tracked"]


def _hanging(truth: Truth, name: str, found: Queue) -> None:
    """The requests that hang are held by whom the scene has hold them."""
    assert found.held is not None
    if name not in HOLDINGS and name not in FINISHED:
        assert not (found.held.requests and "queues" in truth.qmp)
        return
    quiet = "queues" in truth.qmp
    hang = proof.popped(truth.host, truth.guest) if quiet else [one.head for one in truth.guest.in_flight
                                                                if (one.age or 0) > proof.HELD]
    requests = [one for one in found.held.requests if one.head in hang]
    assert sorted(one.head or 0 for one in requests) == sorted(hang) != []
    asked = {one.head: one for one in truth.guest.in_flight}
    for one in requests:
        request = asked[one.head or 0]
        done = _finished(truth, name, request.sector or 0, request.length or 0)
        _held_by(one, FINISHED[name] if done else HOLDINGS[name])


def _held_by(one: HeldRequest, holding: Holding) -> None:
    assert (one.holder, one.node) == (holding.holder, holding.node)
    assert one.type == ("write" if holding not in FINISHED.values() else None)
    assert holding.detail in (one.detail or "")
    if holding.function:
        assert holding.function in (one.functions or []) and one.coroutine
    else:
        assert one.coroutine is None


def check_ages(truth: Truth, name: str, live: Snapshot) -> None:
    """What hangs in the block layer has been there for as long as the guest waits for it, by QEMU's own clock."""
    found = queue(truth, live).held
    if name in HOLDINGS and name != "storage-error":
        assert found is not None
        assert max(one.age_ns or 0 for one in found.requests) > proof.HELD * SECOND


# Both.

def check_sides(guest: Snapshot, host: Snapshot) -> None:
    """They read the same rings, and the same messages."""
    ours = {one.rings.desc: one for one in guest.devices[0].queues if one.rings}
    theirs = {one.rings.desc: one for one in host.devices[0].queues if one.rings}
    assert ours.keys() == theirs.keys()
    for desc, found in ours.items():
        other = theirs[desc]
        assert (found.queue_index, found.layout, found.size, found.rings, found.ring) == (
            other.queue_index, other.layout, other.size, other.rings, other.ring)
        if found.packed is not None and other.packed is not None:
            assert found.packed[:2] == other.packed[:2]
        message = found.irq.msi if found.irq else None
        if message is not None and other.notify is not None and other.notify.msix is not None:
            assert (message.address, message.data) == (other.notify.msix.address, other.notify.msix.data)


def check_events(truth: Truth, lost: Sequence[Event]) -> None:
    """A lost event was due where the side that waits for it has said so, and for a request that hangs."""
    guest, host = truth.guest, truth.host
    for event in lost:
        assert event.head in {one.head for one in guest.in_flight} and event.request is not None
        if guest.layout == "split" and truth.options.event_idx:
            assert event.idx == {"interrupt": guest.used_event, "kick": guest.avail_event}[event.kind]
        elif event.kind == "interrupt":
            assert guest.returned[0] == event.head  # the driver wants one for whatever comes next
        else:
            assert event.head == proof.posted(host, guest)[0]
