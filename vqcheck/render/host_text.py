"""The host's side as text: the tables of `(gdb) vq-host`."""
from typing import Any, List, Optional, Sequence

from ..snapshot.device_model import HostDevice
from ..snapshot.model import Device, Queue, Snapshot
from ..virtio.devices import PARKED, POSTED
from . import host_device, host_loops, host_notes, queue_list, reasons
from .escape import shortened
from .host_device import positions, signalled
from .host_facts import class_of, oldest_ns, progress, vhost_serves
from .wide import fitting
from .words import age, bus_short, hexadecimal, labelled, title

DEVICES = ("device", "type", "bus address", "status", "queues", "features\nnegotiated", "features\noffered",
           "served by", "qom path", "block node")

QUEUES = ("device", "queue", "role", "size", "avail_idx\nlast/shadow/ring", "used_idx\ndevice/ring", "inuse",
          "signalled\n_used", "oldest")

PACKED_COLUMNS = "packed queues: positions with their wrap counters, and no avail_idx or used_idx on the ring"


def show(snapshot: Snapshot, detail: bool) -> str:
    """Devices and queues as tables, or with `detail` all there is to say of each device."""
    blocks = ["\n".join(title(snapshot) + _process(snapshot))]
    if not snapshot.devices:
        blocks.append("no virtio devices")
    elif detail:
        blocks += [block for device in snapshot.devices for block in host_device.blocks(snapshot, device)]
    else:
        blocks += [host_notes.block(snapshot), fitting(device_rows(snapshot), DEVICES),
                   *queue_list.blocks(snapshot, COLUMNS)]
    blocks += host_loops.blocks(snapshot)
    unknown = reasons.lines(snapshot)
    if unknown:
        blocks.append("\n".join(unknown))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _process(snapshot: Snapshot) -> List[str]:
    """The state of the whole VM."""
    state = snapshot.qemu
    if state is None:
        return []
    lock = None
    if state.bql_owner is not None:
        lock = f"big lock {_holder(snapshot, state.bql_owner)}"
    words = [state.run_state and f"VM {state.run_state}", state.accelerator,
             state.incoming not in (None, "none") and f"incoming migration {state.incoming}", lock]
    return labelled([("process", ", ".join(str(word) for word in words if word) or None)])


def _holder(snapshot: Snapshot, owner: int) -> str:
    if owner == 0:
        return "free"
    role = next((one.role for one in snapshot.threads or () if one.id == owner), None)
    return f"held by thread {owner}" + (f" ({shortened(role, 40)})" if role else "")


def device_rows(snapshot: Snapshot) -> List[Sequence[Any]]:
    """One row a device."""
    return [_device_row(device, device.host or HostDevice()) for device in snapshot.devices]


def _device_row(device: Device, part: HostDevice) -> Sequence[Any]:
    known = device.features
    return (device.name, device.type, bus_short(device), device.status, queue_list.layouts(device),
            known and hexadecimal(known.negotiated), known and hexadecimal(known.offered), _served_by(device, part),
            _path(part.qom_path), part.block and part.block.node)


def _served_by(device: Device, part: HostDevice) -> Optional[str]:
    """The loops of its queues, or vhost."""
    if part.vhost_started:
        kinds = {one.backend for one in part.vhost or () if one.backend}
        return "vhost" + (f" ({', '.join(sorted(kinds))})" if kinds else "")
    names = dict.fromkeys(queue.notify.context for queue in device.queues if queue.notify and queue.notify.context)
    return ", ".join(str(name) for name in names) or None


def _path(path: Optional[str]) -> Optional[str]:
    """A place in QEMU's object tree without what all of them have in common."""
    if path is None:
        return None
    for start, end in (("/machine/", ""), ("", "/virtio-backend")):
        if path.startswith(start) and path.endswith(end):
            path = path[len(start):len(path) - len(end)]
    return path


def is_unused(device: Device, queue: Queue) -> bool:
    """Whether the driver never set the queue up."""
    return queue.rings is None and "rings" in queue.absent


def is_idle(device: Device, queue: Queue) -> bool:
    """Whether the queue holds nothing but what such a queue holds at rest, as far as QEMU knows."""
    if host_notes.of_queue(device, queue) is not None:
        return False
    if is_unused(device, queue) or vhost_serves(device):
        return is_unused(device, queue)
    found, kind = progress(queue), class_of(device, queue)
    return (found.posted == 0 or kind == POSTED) and (found.held == 0 or kind == PARKED)


def queue_row(device: Device, queue: Queue) -> Sequence[Any]:
    """One row of the table of all queues."""
    return (device.name, queue.queue_index, queue.role, queue.size, *positions(queue),
            queue.device and queue.device.inuse, signalled(queue), age(oldest_ns(queue)))


COLUMNS = queue_list.Columns(QUEUES, queue_row, (is_unused, is_idle), PACKED_COLUMNS)
