"""What stands above the rings of disks: the block layer, and the SCSI host."""
from typing import Any, List, Optional, Sequence

from ..snapshot.driver_model import GuestDevice
from ..snapshot.kernel_model import BlockQueue, HardwareQueue, ScsiHost, Tags
from ..snapshot.model import Device
from ..snapshot.request_model import WaitingRequest
from . import guest_requests
from .escape import escape, shortened
from .wide import fitting
from .words import age, bullet, hexadecimal, listed, plural, slashed, wrapped, yes_no

HARDWARE_QUEUES = ("hctx", "state", "stopped", "dispatch", "active", "tags\nused/of", "reserved", "started", "waiters",
                   "sched tags\nused/of", "sched\nwaiters")

SHARED = "All disks of the host share these tags: active is of this disk, tags used, started and waiters are of all."

UNITS = ("unit", "disk", "state")

UNIT_LIMIT = 40
"""SCSI devices shown at most."""

DISKS = 4
"""Disks of a device up to which those at rest are shown too."""

STARTED = "in_flight"
"""State of a request that the block layer handed to the driver."""

COMPLETE = "complete"
"""State of a request that the driver has finished."""

RUNNING = "running"
"""State of a SCSI host or device with which all is well."""


def blocks(device: Device) -> List[str]:
    """All there is to show of a device's block layer and SCSI host."""
    guest = device.guest or GuestDevice()
    found = [] if guest.scsi is None else [_scsi(guest.scsi)]
    disks, resting = guest.block or [], []
    for disk in disks:
        if len(disks) > DISKS and is_at_rest(device, disk):
            resting.append(shortened(_name(disk), 40))
        else:
            found += _disk(device, disk)
    if resting:
        names = listed(resting, 100)
        found.append("\n".join(wrapped(f"block layers at rest, not shown: {names}", "", "    ")))
    return found


def is_at_rest(device: Device, disk: BlockQueue) -> bool:
    """Whether the block layer above a disk is known to hold no request and to let everything through."""
    contexts = disk.hardware_queues
    return (contexts is not None and disk.waiting == [] and not sentences(device, disk)
            and all(context.tags is not None and context.tags.in_use == 0 for context in contexts))


def _disk(device: Device, disk: BlockQueue) -> List[str]:
    words = [f"scheduler {disk.scheduler or '-'}"]
    words += [f"{name} {'-' if value is None else value}" for name, value in (
        ("quiesce_depth", disk.quiesce_depth), ("freeze_depth", disk.freeze_depth), ("requeue", disk.requeue),
        ("queue_flags", hexadecimal(disk.queue_flags)), ("request_queue", hexadecimal(disk.address)))]
    lines = wrapped(escape(f"block layer of {_name(disk)}: {', '.join(words)}"), "", "    ")
    if disk.hardware_queues:
        lines.append(fitting(hardware_rows(disk.hardware_queues), HARDWARE_QUEUES))
        # The kernel counts what is active where BLK_MQ_F_TAG_QUEUE_SHARED is set, and only there.
        if any(context.nr_active is not None for context in disk.hardware_queues):
            lines += wrapped(SHARED, "", "    ")
    lines += [line for sentence in sentences(device, disk) for line in bullet(escape(sentence))]
    return ["\n".join(lines + guest_requests.waiting(disk))]


def _name(disk: BlockQueue) -> str:
    return disk.disk or "the disk"


def hardware_rows(contexts: Sequence[HardwareQueue]) -> List[Sequence[Any]]:
    """One row a hardware context."""
    return [(one.queue_num, hexadecimal(one.state), yes_no(one.stopped), one.dispatch, one.nr_active,
             _used_of(one.tags), one.tags and (one.tags.reserved or None), one.tags and one.tags.started,
             one.tags and one.tags.waiters, _used_of(one.sched_tags), one.sched_tags and one.sched_tags.waiters)
            for one in contexts]


def _used_of(tags: Optional[Tags]) -> Optional[str]:
    return None if tags is None else slashed(tags.in_use, tags.depth)


def sentences(device: Device, disk: BlockQueue) -> List[str]:
    """What the block layer's own fields prove of a disk; nothing for one at rest."""
    said, name = [], _name(disk)
    if disk.quiesce_depth and disk.quiesce_depth > 0:
        said.append(f"{name} is quiesced (quiesce_depth {disk.quiesce_depth}): no request is given to the driver")
    if disk.freeze_depth and disk.freeze_depth > 0:
        said.append(f"{name} is frozen (freeze_depth {disk.freeze_depth}): no new request may enter")
    if disk.requeue:
        said.append(f"{plural(disk.requeue, 'request')} on the requeue list of {name}")
    for context in disk.hardware_queues or ():
        said += _context(context)
    return said + _waiting(device, disk)


def _context(context: HardwareQueue) -> List[str]:
    said, name = [], f"hctx {context.queue_num}"
    if context.stopped:
        said.append(f"{name} is stopped (BLK_MQ_S_STOPPED): it takes no request until the driver starts it again, "
                    "as virtio-blk does with the next completion after its ring was full")
    if context.dispatch:
        said.append(f"{plural(context.dispatch, 'request')} on the dispatch list of {name}: the driver has not taken "
                    "them")
    for tags, kind in ((context.tags, "tag"), (context.sched_tags, "scheduler tag")):
        if tags is not None and tags.waiters:
            said.append(f"{tags.waiters} {'waits' if tags.waiters == 1 else 'wait'} for a free {kind} of {name} "
                        f"({slashed(tags.in_use, tags.depth)} in use): tasks, or the hardware context itself")
    return said


def _waiting(device: Device, disk: BlockQueue) -> List[str]:
    """What tells requests that the guest itself holds from those of which an event was lost."""
    found, name = held(disk), _name(disk)
    said = []
    if found:
        count = f"{held_count(disk)} of {name}"
        waits = ("waits" if len(found) == 1 else "wait") + " in the block layer"
        oldest = oldest_held_ns(disk)
        since = "" if oldest is None else f", {'' if len(found) == 1 else 'the oldest '}for {age(oldest)}"
        on_ring = requests_on_rings(device)
        if on_ring == 0:
            said.append(f"nothing is on a ring, yet {count} {waits}{since}: the guest itself holds "
                        f"{'it' if len(found) == 1 else 'them'}, and no lost kick or interrupt of now explains it")
        elif on_ring:
            said.append(f"{count} {waits}{since}, besides {on_ring} on the device's rings")
        else:
            said.append(f"{count} {waits}{since}; what is on the rings is not known")
    started = sum(one.state == STARTED for one in found)
    if started:
        said.append(f"{started} of them {'is' if started == 1 else 'are'} started ({STARTED}) and on no ring: the "
                    "driver or the layer above it has them, or a CPU is inside the driver at this instant")
    complete = completed(disk)
    if complete:
        said.append(f"{plural(complete, 'request')} of {name} {'is' if complete == 1 else 'are'} complete: the driver "
                    "has finished, and the block layer is to end them")
    return said


def held(disk: BlockQueue) -> List[WaitingRequest]:
    """The requests that hold a tag, are on no ring and are not complete."""
    return [one for one in disk.waiting or () if one.state != COMPLETE]


def completed(disk: BlockQueue) -> int:
    """How many requests the driver has finished and the block layer not ended."""
    return len(disk.waiting or ()) - len(held(disk))


def held_count(disk: BlockQueue) -> str:
    """`3 requests`, or that there may be more."""
    if disk.waiting_count is None:
        return f"at least {plural(len(held(disk)), 'request')}"
    return plural(max(disk.waiting_count - completed(disk), len(held(disk))), "request")


def oldest_held_ns(disk: BlockQueue) -> Optional[int]:
    """Age of the oldest of them, in nanoseconds; None where no age is known."""
    return max((one.age_ns for one in held(disk) if one.age_ns is not None), default=None)


def requests_on_rings(device: Device) -> Optional[int]:
    """Requests in flight on the device's request queues; None where one of them is not known."""
    counts = [None if queue.in_flight is None else len(queue.in_flight)
              for queue in device.queues if queue.role == "request"]
    return None if not counts or None in counts else sum(count or 0 for count in counts)


def _scsi(host: ScsiHost) -> str:
    words = ", ".join(f"{name} {'-' if value is None else value}" for name, value in (
        ("state", host.state), ("failed", host.failed), ("eh_active", yes_no(host.eh_active)),
        ("blocked", host.blocked), ("Scsi_Host", hexadecimal(host.address))))
    lines = wrapped(escape(f"SCSI host {host.name or '-'}: {words}"), "", "    ")
    if host.units:
        # Those that are not well come first, as the others may not be shown.
        units = sorted(host.units, key=lambda one: one.state == RUNNING)
        lines.append(fitting([(one.name, one.disk, one.state) for one in units[:UNIT_LIMIT]], UNITS))
        if len(units) > UNIT_LIMIT:
            lines.append(f"and {len(units) - UNIT_LIMIT} more (all are in the JSON form)")
    return "\n".join(lines + [line for sentence in scsi_sentences(host) for line in bullet(escape(sentence))])


def scsi_sentences(host: ScsiHost) -> List[str]:
    """What the SCSI host's own fields prove; nothing where all is well."""
    said, name = [], host.name or "the SCSI host"
    if host.state not in (None, RUNNING):
        said.append(f"{name} is not running: {host.state}")
    if host.eh_active:
        said.append(f"the error handler of {name} is at work: until it ends, no new command is dispatched")
    if host.failed:
        said.append(f"{plural(host.failed, 'command')} of {name} timed out or failed and "
                    f"{'waits' if host.failed == 1 else 'wait'} for the error handler (host_failed)")
    if host.blocked:
        said.append(f"{name} is blocked (host_blocked {host.blocked}): no command is dispatched")
    said += [f"{one.name}{f' ({one.disk})' if one.disk else ''} is not running: {one.state}"
             for one in host.units or () if one.state not in (None, RUNNING)]
    return said
