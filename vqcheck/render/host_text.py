"""The host's side as text: the tables of `(gdb) vq-host`."""
from typing import Any, List, Optional, Sequence

from ..snapshot.device_model import HostDevice, Notifier, Notify
from ..snapshot.held_model import BlockState
from ..snapshot.model import Device, Queue, Snapshot
from . import reasons
from .host_says import of_device, sentences
from .tables import table
from .words import (
    LEGEND,
    bullet,
    bus_short,
    bus_text,
    event_idx,
    features_text,
    headline,
    labelled,
    plural,
    queue_title,
    slashed,
    status_text,
    title,
    wrapped,
    yes_no,
)

OVERVIEW = ("device", "bus address", "queue", "size", "avail_idx\nlast/shadow/ring", "used_idx\ndevice/ring",
            "inuse", "signalled\n_used", "thread")

INDEXES = ("queue", "size", "layout", "avail_idx\nlast/shadow/ring", "used_idx\ndevice/ring", "signalled_used",
           "inuse", "used_event", "avail_event")

NOTIFICATION = ("queue", "notification", "flags\nav/us", "vector", "msix", "host_notifier\n(kicks)",
                "guest_notifier\n(interrupts)", "context", "thread")

TRACKED = ("node", "type", "offset", "bytes")

TRACKED_LIMIT = 100
"""Requests of the block layer shown at most."""

NO_VECTOR = 0xFFFF


def show(snapshot: Snapshot, detail: bool) -> str:
    """All queues in a table, or with `detail` all there is to say of each device."""
    blocks = ["\n".join(title(snapshot))]
    if not snapshot.devices:
        blocks.append("no virtio devices")
    elif detail:
        blocks += [block for device in snapshot.devices for block in _device(snapshot, device)]
    else:
        blocks.append(table(overview_rows(snapshot), OVERVIEW))
    unknown = reasons.lines(snapshot)
    if unknown:
        blocks.append("\n".join(unknown))
    return "\n\n".join(blocks) + "\n"


def overview_rows(snapshot: Snapshot) -> List[Sequence[Any]]:
    """One row a queue, of all devices."""
    return [(device.name, bus_short(device), queue.queue_index, queue.size, *_positions(queue),
             queue.device and queue.device.inuse, _signalled(queue), queue.notify and queue.notify.thread)
            for device in snapshot.devices for queue in device.queues]


def index_rows(device: Device) -> List[Sequence[Any]]:
    """One row a queue: its indexes."""
    return [(queue.queue_index, queue.size, queue.layout, *_positions(queue), _signalled(queue),
             queue.device and queue.device.inuse, queue.ring and queue.ring.used_event,
             queue.ring and queue.ring.avail_event) for queue in device.queues]


def _positions(queue: Queue) -> Sequence[Any]:
    device, ring = queue.device, queue.ring
    return (slashed(device and device.last_avail_idx, device and device.shadow_avail_idx, ring and ring.avail_idx),
            slashed(device and device.used_idx, ring and ring.used_idx))


def _signalled(queue: Queue) -> Optional[str]:
    device = queue.device
    if device is None or device.signalled_used is None:
        return None
    return f"{device.signalled_used} {yes_no(device.signalled_used_valid, 'valid', 'invalid') or '?'}"


def notification_rows(device: Device) -> List[Sequence[Any]]:
    """One row a queue: where its kicks come from and its interrupts go."""
    return [_notification_row(queue) for queue in device.queues]


def _notification_row(queue: Queue) -> Sequence[Any]:
    notify, ring = queue.notify or Notify(), queue.ring
    return (queue.queue_index, yes_no(queue.device and queue.device.notification, "on", "off"),
            ring and slashed(ring.avail_flags, ring.used_flags), _vector(notify), _msix(notify),
            _notifier(notify.host_notifier), _notifier(notify.guest_notifier), notify.context, notify.thread)


def _vector(notify: Notify) -> Any:
    return "none" if notify.vector == NO_VECTOR else notify.vector


def _msix(notify: Notify) -> Optional[str]:
    msix = notify.msix
    if msix is None:
        return None
    if not msix.enabled:
        return "off"
    said = [word for word, is_so in (("masked", msix.masked or msix.function_masked), ("pending", msix.pending),
                                     ("unused", not msix.in_use)) if is_so]
    return " ".join(said) or "ok"


def _notifier(notifier: Optional[Notifier]) -> Optional[str]:
    if notifier is None:
        return None
    words = [f"fd {'-' if notifier.fd is None else notifier.fd}", yes_no(notifier.enabled, "enabled", "disabled"),
             "uninitialized" if notifier.initialized is False else None, "irqfd" if notifier.irqfd else None,
             f"count {notifier.eventfd_count}" if notifier.eventfd_count else None]
    return " ".join(word for word in words if word)


def _device(snapshot: Snapshot, device: Device) -> List[str]:
    part = device.host or HostDevice()
    blocks = ["\n".join(_header(device, part)),
              table(index_rows(device), INDEXES) + "\n\n" + "\n".join(wrapped(LEGEND)),
              table(notification_rows(device), NOTIFICATION)]
    if part.block is not None and part.block.tracked:
        blocks.append(_tracked(part.block))
    said = [line for sentence in of_device(part) for line in bullet(sentence)]
    if said:
        blocks.append("\n".join(["the device:", *said]))
    blocks.append("\n".join(line for queue in device.queues for line in _said(snapshot, device, part, queue)))
    return blocks


def _said(snapshot: Snapshot, device: Device, part: HostDevice, queue: Queue) -> List[str]:
    return [f"{queue_title(queue)}:",
            *(line for sentence in sentences(queue, part, event_idx(device), snapshot.threads)
              for line in bullet(sentence))]


def _tracked(block: BlockState) -> str:
    tracked = block.tracked or []
    more = len(tracked) - TRACKED_LIMIT
    rest = f"\nand {more} more (all are in the JSON form)" if more > 0 else ""
    rows = [(one.node, one.type, one.offset, one.bytes) for one in tracked[:TRACKED_LIMIT]]
    return f"the block layer tracks {plural(len(tracked), 'request')}:\n" + table(rows, TRACKED) + rest


def _header(device: Device, part: HostDevice) -> List[str]:
    address = None if part.address is None else f"VirtIODevice {int(part.address):#x}"
    return headline(device.name, f"virtio-{device.type}", bus_text(device), part.type) + labelled([
        ("qom path", part.qom_path), ("structs", address), ("status", status_text(device.status)),
        ("features", features_text(device)), ("running", _running(part)), ("block", _block(part.block))])


def _running(part: HostDevice) -> Optional[str]:
    words = [part.run_state and f"VM {part.run_state}"]
    words += [f"{name} {yes_no(value)}" for name, value in (
        ("vm_running", part.vm_running), ("started", part.started), ("broken", part.broken),
        ("disabled", part.disabled), ("vhost", part.vhost_started), ("ioeventfd", part.ioeventfd_started))
        if value is not None]
    words.append(None if part.isr is None else f"isr {part.isr}")
    return ", ".join(word for word in words if word) or None


def _block(block: Optional[BlockState]) -> Optional[str]:
    if block is None:
        return None
    words = [block.node or "no node", f"({block.format or '-'}, {block.filename or '-'})",
             f"iostatus {block.iostatus or '-'},"]
    words += [f"{name} {'-' if value is None else value}," for name, value in (
        ("in_flight", block.in_flight), ("quiesce_counter", block.quiesce_counter),
        ("node in_flight", block.node_in_flight), ("parked", block.parked), ("throttled", block.throttled))]
    return " ".join(words).rstrip(",")
