"""Whether the two captures can be compared at all, and whether the queue was running.

Each test answers with a reason not to judge, or with nothing.  They come before any rule, because a skewed pair or a
paused VM shows exactly the indexes of a lost event.
"""
from typing import List, Optional

from ..snapshot.model import Device, Queue, Snapshot
from ..virtio import devices, event, features
from .facts import Facts, heads, waiting
from .pairing import Pair

RUNNING = "running"
IO_ERROR = "io-error"

HALF = 0x8000
"""QEMU's virtqueue_split_flush() invalidates signalled_used before it falls so far behind."""


def different_machines(guest: Snapshot, host: Snapshot) -> Optional[str]:
    """Whether the two sides name different VMs."""
    ours, theirs = guest.target.uuid, host.target.uuid
    if ours and theirs and ours.lower() != theirs.lower():
        return f"the snapshots are of different VMs: the guest's UUID is {ours}, the host's {theirs}"
    return None


def stopped(pair: Pair) -> Optional[str]:
    """Whether the VM stood still, which explains every event that did not happen, or may have."""
    host = pair.host_device.host
    if host is None or (host.run_state is None and host.vm_running is None):
        return "whether the VM was running is not known, and the rings of a paused VM look like a lost interrupt"
    if host.run_state is not None and host.run_state != RUNNING:
        return (f"the VM was not running (run state {host.run_state}): QMP stop, a dump or a migration drains the disk "
                "and holds interrupts back, and the rings then look like a lost interrupt. Capture while it runs")
    if host.vm_running is False:
        return "the device was stopped with its VM (vm_running is false)"
    return None


def not_live(pair: Pair) -> Optional[str]:
    """Whether the device is not in service, so that no event can take effect."""
    host, status = pair.host_device.host, pair.host_device.status
    if host is not None and host.disabled:
        return "QEMU has the device disabled: the guest has switched bus mastering off, and kicks have no effect"
    if status is not None and not status & features.DRIVER_OK:
        names = " ".join(features.status_names(status)) or "none set"
        return f"the device is not in service: its status lacks DRIVER_OK (it is {status}, {names})"
    guest = pair.guest_device.status
    if guest is not None and status is not None and guest != status:
        return f"the two sides disagree on the device's status: {guest} and {status}"
    return None


def other_device(pair: Pair) -> List[str]:
    """Whether guest and host describe different rings or a different protocol under one address."""
    found: List[str] = []
    ours, theirs = pair.guest.rings, pair.host.rings
    if ours and theirs and ours != theirs:
        found.append(f"the two sides have different rings: the guest's lie at {ours.desc!r}, {ours.avail!r}, "
                     f"{ours.used!r}, the host's at {theirs.desc!r}, {theirs.avail!r}, {theirs.used!r}; "
                     "captures of different boots, or the wrong device")
    if pair.guest.size and pair.host.size and pair.guest.size != pair.host.size:
        found.append(f"the two sides disagree on the queue's size: {pair.guest.size} and {pair.host.size}")
    mine, yours = pair.guest_device.features, pair.host_device.features
    if mine and yours and mine.negotiated != yours.negotiated:
        found.append(f"the two sides have negotiated different features: {mine.negotiated!r} and {yours.negotiated!r}")
    return found


def not_ours(pair: Pair) -> Optional[str]:
    """Whether the queue is of a kind whose indexes mean something else, or are not read yet."""
    host = pair.host_device.host
    kind = (host.type or "") if host else ""
    if (host is not None and host.vhost_started) or kind.startswith("vhost"):
        return "vhost serves this queue: QEMU's own indexes are those of the last stop and prove nothing"
    if host is not None and host.vhost_started is None and kind != "virtio-blk":
        return "whether vhost serves this queue is not known; QEMU's own indexes would then prove nothing"
    for bits in (pair.guest_device.features, pair.host_device.features):
        if bits is not None and features.has(bits.negotiated, features.RING_PACKED):
            return "a packed ring: only split rings are judged yet"
    for side, queue in (("guest", pair.guest), ("host", pair.host)):
        if queue.layout is not None and queue.layout != "split":
            return f"a {queue.layout} ring ({side} side): only split rings are judged yet"
    if pair.guest.layout is None and pair.host.layout is None:
        return "whether the ring is split or packed is not known"
    if pair.guest.role != "request":
        return f"a queue of role {pair.guest.role}: only request queues are judged yet"
    for device in (pair.guest_device, pair.host_device):
        if device.device_id != devices.BLOCK:
            return f"a {device.type} device ({device.name}): only virtio-blk disks are judged yet"
    return None


def skew(pair: Pair, facts: Facts) -> List[str]:
    """Whether the two captures are of one instant, by what they read of the same ring and by the conservation law."""
    found: List[str] = []
    if pair.guest.ring and pair.host.ring:
        for field, ours, theirs in zip(pair.guest.ring._fields, pair.guest.ring, pair.host.ring):
            if ours != theirs:
                found.append(_moved(field, ours, theirs))
    if facts.used_idx != facts.ring.used_idx:
        found.append(_apart("used->idx", facts.ring.used_idx, "QEMU's used_idx", facts.used_idx))
    if facts.avail_idx_shadow != facts.ring.avail_idx:
        found.append(_apart("avail->idx", facts.ring.avail_idx, "the driver's avail_idx_shadow",
                            facts.avail_idx_shadow))
    return found


def _moved(field: str, ours: int, theirs: int) -> str:
    if not field.endswith("idx"):  # an event index may be set back, and tells no time
        return f"{field} is {ours} in the guest's capture and {theirs} in the host's"
    steps = event.signed_distance(theirs, ours)
    later = "host's" if steps > 0 else "guest's"
    return (f"{field} is {ours} in the guest's capture and {theirs} in the host's: the {later} is later, "
            f"by {abs(steps)} entries")


def _apart(one: str, value: int, other: str, there: int) -> str:
    return f"{one} is {value} and {other} is {there}; at one instant they are equal"


def inconsistent(pair: Pair, facts: Facts) -> List[str]:
    """Whether the numbers of one instant contradict each other: corruption, or captures that moved unseen."""
    found: List[str] = []
    for what, value in (("posted", facts.posted), ("popped", facts.popped), ("returned", facts.returned),
                        ("outstanding", facts.outstanding)):
        if value > facts.size:
            found.append(f"{value} entries {what} in a queue of {facts.size}")
    if found:
        return found
    if facts.event_idx and facts.signalled_used_valid and facts.signalled_used is not None and \
            event.distance(facts.used_idx, facts.signalled_used) >= HALF:
        found.append(f"signalled_used {facts.signalled_used} is not behind used_idx {facts.used_idx}, which QEMU makes "
                     "impossible while it is valid: fields of another queue, or debug information that does not match")
    total = facts.posted + facts.popped + facts.returned
    if facts.outstanding != total:
        found.append(f"the driver waits for {facts.outstanding} entries, but {facts.posted} posted, {facts.popped} "
                     f"popped and {facts.returned} returned make {total}")
    if facts.inuse is not None and facts.inuse != facts.popped:
        found.append(f"inuse is {facts.inuse}, but {facts.popped} elements are popped and not returned")
    if pair.guest.in_flight is not None and len(pair.guest.in_flight) != facts.outstanding:
        found.append(f"{len(pair.guest.in_flight)} heads are in flight in the driver, but it waits for "
                     f"{facts.outstanding} entries")
    return found or _heads(pair) or [
        f"the descriptor chain of head {one.head} is corrupt: {one.chain_problem}"
        for one in pair.guest.in_flight or [] if one.chain_problem]


def _heads(pair: Pair) -> List[str]:
    """The same head can't be posted and returned at once, nor be on the ring and not in flight."""
    places = waiting(pair)
    if places is None:
        return []
    in_flight = heads(pair.guest.in_flight or [])
    posted = [entry.head for entry in pair.host.available or []]
    returned = [entry.id for entry in pair.guest.used or []]
    on_ring = posted + returned
    found = []
    if len(set(on_ring)) != len(on_ring):
        found.append(f"a head stands twice on the ring: posted {posted}, returned {returned}")
    lost = sorted(set(on_ring) - in_flight)
    if lost:
        found.append(f"heads {lost} are on the ring, but nothing is in flight under them in the driver")
    return found


def broken(device: Device, queue: Queue) -> Optional[str]:
    """Whether this side has given the device or the queue up."""
    if device.host and device.host.broken:
        return "QEMU has marked the device broken (virtio_error(); its log says why) and no longer looks at its rings"
    if device.status is not None and device.status & features.DEVICE_NEEDS_RESET:
        return "the device asks for a reset (DEVICE_NEEDS_RESET)"
    if queue.driver and queue.driver.broken:
        return "the driver has marked the queue broken (vring_virtqueue.broken; dmesg says why)"
    return None
