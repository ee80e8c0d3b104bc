"""Everything that QEMU knows of one device, as text."""
from typing import Any, List, Optional, Sequence

from ..snapshot.device_model import HostDevice, Notifier, Notify
from ..snapshot.model import Device, Queue, Snapshot
from . import host_held, host_says, indicators
from .host_facts import class_of, position
from .tables import table
from .words import (
    LEGEND,
    bullet,
    bus_text,
    event_idx,
    features_text,
    headline,
    hexadecimal,
    labelled,
    queue_title,
    slashed,
    status_text,
    wrapped,
    yes_no,
)

INDEXES = ("queue", "size", "layout", "avail_idx\nlast/shadow/ring", "used_idx\ndevice/ring", "signalled_used",
           "inuse", "used_event", "avail_event")

PACKED = ("queue", "size", "avail_idx\nlast", "avail_idx\nshadow", "used_idx\ndevice", "signalled_used", "inuse",
          "posted", "driver event\nflags off:wrap", "device event\nflags off:wrap")

PACKED_LEGEND = ("driver event: written by the driver, read by the device; gates interrupts (device to driver).  "
                 "device event: written by the device, read by the driver; gates kicks (driver to device).  flags 0: "
                 "always, 1: never, 2: when that position is passed.")

NOTIFICATION = ("queue", "notification", "flags\nav/us", "vector", "msix", "host_notifier\n(kicks)",
                "guest_notifier\n(interrupts)", "context", "thread")

NO_VECTOR = 0xFFFF


def blocks(snapshot: Snapshot, device: Device) -> List[str]:
    """The device's blocks of text."""
    part = device.host or HostDevice()
    found = ["\n".join(_header(device, part))]
    split = [queue for queue in device.queues if queue.layout != "packed"]
    packed = [queue for queue in device.queues if queue.layout == "packed"]
    if split:
        found.append(table([index_row(queue) for queue in split], INDEXES) + "\n\n" + "\n".join(wrapped(LEGEND)))
    if packed:
        found.append(table([packed_row(queue) for queue in packed], PACKED) + "\n\n"
                     + "\n".join(wrapped(PACKED_LEGEND)))
    if device.queues:
        found.append(table([notification_row(queue) for queue in device.queues], NOTIFICATION))
    found += indicators.block(device)
    found += host_held.blocks(device)
    said = [line for sentence in host_says.of_device(part) for line in bullet(sentence)]
    if said:
        found.append("\n".join(["the device:", *said]))
    found.append("\n".join(line for queue in device.queues for line in _said(snapshot, device, part, queue)))
    return found


def index_row(queue: Queue) -> Sequence[Any]:
    """A split queue's indexes."""
    return (queue.queue_index, queue.size, queue.layout, *positions(queue), signalled(queue),
            queue.device and queue.device.inuse, queue.ring and queue.ring.used_event,
            queue.ring and queue.ring.avail_event)


def packed_row(queue: Queue) -> Sequence[Any]:
    """A packed queue's positions."""
    device, ring = queue.device, queue.packed
    seen = device and position(device.last_avail_idx, device.last_avail_wrap_counter)
    shadow = device and position(device.shadow_avail_idx, device.shadow_avail_wrap_counter)
    used = device and position(device.used_idx, device.used_wrap_counter)
    posted = None if queue.available is None else len(queue.available)
    return (queue.queue_index, queue.size, seen, shadow, used, signalled(queue), device and device.inuse, posted,
            _event(ring and ring.driver_event), _event(ring and ring.device_event))


def _event(one: Any) -> Optional[str]:
    return None if one is None else f"{one.flags} {one.off_wrap & 0x7FFF}:{one.off_wrap >> 15}"


def positions(queue: Queue) -> Sequence[Any]:
    """Where the device stands, and the ring: the two columns of every table of queues."""
    device, ring = queue.device, queue.ring
    if queue.layout == "packed":
        seen = device and position(device.last_avail_idx, device.last_avail_wrap_counter)
        return seen, device and position(device.used_idx, device.used_wrap_counter)
    return (slashed(device and device.last_avail_idx, device and device.shadow_avail_idx, ring and ring.avail_idx),
            slashed(device and device.used_idx, ring and ring.used_idx))


def signalled(queue: Queue) -> Optional[str]:
    """signalled_used, and whether it holds."""
    device = queue.device
    if device is None or device.signalled_used is None:
        return None
    return f"{device.signalled_used} {yes_no(device.signalled_used_valid, 'valid', 'invalid') or '?'}"


def notification_row(queue: Queue) -> Sequence[Any]:
    """Where a queue's kicks come from and its interrupts go."""
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


def _said(snapshot: Snapshot, device: Device, part: HostDevice, queue: Queue) -> List[str]:
    said = host_says.sentences(queue, part, event_idx(device), snapshot.threads, class_of(device, queue))
    return [f"{queue_title(queue)}:", *(line for sentence in said for line in bullet(sentence))]


def _header(device: Device, part: HostDevice) -> List[str]:
    address = None if part.address is None else f"VirtIODevice {int(part.address):#x}"
    return headline(device.name, f"virtio-{device.type}", bus_text(device), part.type) + labelled([
        ("qom path", part.qom_path), ("structs", address), ("status", status_text(device.status)),
        ("features", features_text(device)), ("running", _running(part)), ("line", _line(part)),
        ("block", host_held.state_text(part.block)), *_vhost(part), *_disks(part), *_clients(part)])


def _running(part: HostDevice) -> Optional[str]:
    words = [part.run_state and f"VM {part.run_state}"]
    words += [f"{name} {yes_no(value)}" for name, value in (
        ("vm_running", part.vm_running), ("started", part.started), ("broken", part.broken),
        ("disabled", part.disabled), ("vhost", part.vhost_started), ("ioeventfd", part.ioeventfd_started),
        ("bus ioeventfd", part.bus_ioeventfd_started)) if value is not None]
    words += [name for name, value in (
        ("ioeventfd starting", part.ioeventfd_starting), ("ioeventfd stopping", part.ioeventfd_stopping),
        ("ioeventfd disabled", part.ioeventfd_disabled), ("ioeventfd grabbed", part.bus_ioeventfd_grabbed),
        ("interrupts gathered", part.batch_notifications), ("resetting", part.resetting)) if value]
    words.append(None if part.isr is None else f"isr {part.isr}")
    return ", ".join(word for word in words if word) or None


def _line(part: HostDevice) -> Optional[str]:
    line = part.intx
    if line is None:
        return None
    name = "interrupt line" if line.pin is None else f"INT{'ABCD'[(line.pin - 1) % 4]}"
    return f"{name} {'asserted' if line.level else 'not asserted'}" + (", disabled" if line.disabled else "")


def _vhost(part: HostDevice) -> List[Sequence[Optional[str]]]:
    return [("vhost", f"{one.backend or '-'}, started {yes_no(one.started) or '-'}, queues from "
                      f"{slashed(one.vq_index)} on, {slashed(one.nvqs)} of them, acked features "
                      f"{hexadecimal(one.acked_features) or '-'}")
            for one in part.vhost or ()]


def _clients(part: HostDevice) -> List[Sequence[Optional[str]]]:
    return [("net", f"pair {one.pair}: backend {one.peer or '-'}{', link set down' if one.link_down else ''}, packets "
                    f"waiting for receive buffers {_known(one.packets_waiting)}, for the backend "
                    f"{_known(one.peer_packets_waiting)}") for one in part.net or ()]


def _known(value: Optional[int]) -> str:
    return "-" if value is None else str(value)


def _disks(part: HostDevice) -> List[Sequence[Optional[str]]]:
    return [("disk", f"{one.qdev_id or one.qom_path or '-'} ({one.channel}:{one.target}:{one.lun}), "
                     f"{slashed(one.requests)} request{'' if one.requests == 1 else 's'}, "
                     f"{host_held.state_text(one.block) or 'no block layer'}")
            for one in part.disks or ()]
