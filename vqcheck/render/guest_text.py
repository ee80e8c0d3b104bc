"""The guest's side as text: what `crash> vqstate` prints."""
from typing import Any, List, Sequence

from ..snapshot.driver_model import GuestDevice
from ..snapshot.model import Device, Queue, Snapshot
from ..virtio.devices import POSTED
from . import guest_device, guest_notes, queue_list, reasons
from .escape import shortened
from .guest_facts import kind_of, last_used, next_avail, oldest_ns, place, progress
from .wide import fitting
from .words import age, bus_short, hexadecimal, labelled, slashed, title

DEVICES = ("device", "virtio", "type", "bus address", "driver", "queues", "features", "also named")

QUEUES = ("device", "queue", "role", "size", "num\n_free", "in\nflight", "avail_idx\nshadow/ring",
          "used_idx\nlast/ring", "oldest", "irq")

PACKED_COLUMNS = "packed queues: avail_idx is next_avail_idx:wrap counter, used_idx is last_used_idx:wrap counter"

NAMES = 12
"""Characters of the other Linux names of a device: what the table has room for."""


def show(snapshot: Snapshot, detail: bool) -> str:
    """Devices and queues as tables, or with `detail` all there is to say of each device."""
    blocks = ["\n".join(title(snapshot) + (_booted(snapshot) if detail else []))]
    if not snapshot.devices:
        blocks.append("no virtio devices")
    elif detail:
        blocks += [block for device in snapshot.devices for block in guest_device.blocks(device)]
    else:
        blocks += [guest_notes.block(snapshot), fitting(device_rows(snapshot), DEVICES),
                   *queue_list.blocks(snapshot, COLUMNS)]
    unknown = reasons.lines(snapshot)
    if unknown:
        blocks.append("\n".join(unknown))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _booted(snapshot: Snapshot) -> List[str]:
    """Which boot of the guest this is."""
    target, capture = snapshot.target, snapshot.capture
    up = [capture.uptime_ns is not None and f"for {age(capture.uptime_ns)}",
          capture.cpus_online is not None and f"CPUs online {shortened(capture.cpus_online, 60)}",
          target.boot_id is not None and f"boot id {shortened(target.boot_id, 60)}"]
    return labelled([("up", ", ".join(part for part in up if part) or None),
                     ("cmdline", target.command_line and shortened(target.command_line, 300))])


def device_rows(snapshot: Snapshot) -> List[Sequence[Any]]:
    """One row a device."""
    return [_device_row(device, device.guest or GuestDevice()) for device in snapshot.devices]


def _device_row(device: Device, guest: GuestDevice) -> Sequence[Any]:
    return (device.name, guest.virtio_device, device.type, bus_short(device), guest.driver, queue_list.layouts(device),
            device.features and hexadecimal(device.features.negotiated), _other_names(device, guest))


def _other_names(device: Device, guest: GuestDevice) -> Any:
    """What else an administrator calls it: not host0, target0:0:0 and 0:0:0:0 of the SCSI midlayer."""
    names = [shortened(name, NAMES) for name in guest.linux_names or ()
             if name not in (device.name, guest.virtio_device) and ":" not in name and not name.startswith("host")]
    for count in range(min(len(names), NAMES), 0, -1):
        left = len(names) - count
        text = " ".join(names[:count] + ([f"+{left}"] if left else []))
        if len(text) <= NAMES:
            return text
    return f"{len(names)} names" if names else None


def is_idle(device: Device, queue: Queue) -> bool:
    """Whether the queue holds nothing but what such a queue holds at rest, as far as is known."""
    found = progress(queue)
    if queue.driver is None or found.completed != 0 or guest_notes.of_queue(device, queue) is not None:
        return False
    return found.outstanding == 0 or kind_of(device, queue) == POSTED


def is_untouched(device: Device, queue: Queue) -> bool:
    """Whether the queue is idle and nothing ever came back on it."""
    driver = queue.driver
    began = driver is not None and driver.last_used_idx == 0 and driver.used_wrap_counter is not False
    return is_idle(device, queue) and (began or kind_of(device, queue) == POSTED)


def queue_row(device: Device, queue: Queue) -> Sequence[Any]:
    """One row of the table of all queues."""
    driver, ring = queue.driver, queue.ring
    if queue.layout == "packed":
        at = [place(next_avail(queue)), place(last_used(queue))]
    else:
        at = [slashed(driver and driver.avail_idx_shadow, ring and ring.avail_idx),
              slashed(driver and driver.last_used_idx, ring and ring.used_idx)]
    return (device.name, queue.queue_index, queue.role, queue.size, driver and driver.num_free,
            None if queue.in_flight is None else len(queue.in_flight), *at, age(oldest_ns(queue)),
            queue.irq and queue.irq.number)


COLUMNS = queue_list.Columns(QUEUES, queue_row, (is_untouched, is_idle), PACKED_COLUMNS)
