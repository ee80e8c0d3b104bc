"""The guest's side as text: the tables of `crash> vqstate`."""
from typing import Any, List, Sequence

from ..snapshot.driver_model import GuestDevice
from ..snapshot.model import Device, Queue, Snapshot
from ..snapshot.request_model import Request
from . import reasons
from .guest_says import sentences
from .tables import table
from .words import (
    LEGEND,
    age,
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
)

OVERVIEW = ("disk", "bus address", "queue", "size", "num_free", "in\nflight", "avail_idx\nshadow/ring",
            "used_idx\nlast/ring", "oldest", "irq")

QUEUES = ("queue", "size", "layout", "num_free", "in\nflight", "avail_idx\nshadow/ring", "used_idx\nlast/ring",
          "used_event", "avail_event", "flags\nav/us", "irq")

REQUESTS = ("queue", "head", "tag", "op", "sector", "bytes", "age", "state", "the device")

REQUEST_LIMIT = 100
"""Requests shown at most."""


def show(snapshot: Snapshot, detail: bool) -> str:
    """All queues in a table, or with `detail` all there is to say of each device."""
    blocks = ["\n".join(title(snapshot))]
    if not snapshot.devices:
        blocks.append("no virtio devices")
    elif detail:
        blocks += [block for device in snapshot.devices for block in _device(device)]
    else:
        blocks.append(table(overview_rows(snapshot), OVERVIEW))
    unknown = reasons.lines(snapshot)
    if unknown:
        blocks.append("\n".join(unknown))
    return "\n\n".join(blocks) + "\n"


def overview_rows(snapshot: Snapshot) -> List[Sequence[Any]]:
    """One row a queue, of all devices."""
    return [(device.name, bus_short(device), queue.queue_index, queue.size, *_positions(queue), _oldest(queue),
             queue.irq and queue.irq.number)
            for device in snapshot.devices for queue in device.queues]


def queue_rows(device: Device) -> List[Sequence[Any]]:
    """One row a queue, with the event indexes."""
    return [_queue_row(queue) for queue in device.queues]


def _queue_row(queue: Queue) -> Sequence[Any]:
    ring = queue.ring
    return (queue.queue_index, queue.size, queue.layout, *_positions(queue), ring and ring.used_event,
            ring and ring.avail_event, ring and slashed(ring.avail_flags, ring.used_flags),
            queue.irq and queue.irq.number)


def _positions(queue: Queue) -> Sequence[Any]:
    driver, ring = queue.driver, queue.ring
    return (driver and driver.num_free,
            None if queue.in_flight is None else len(queue.in_flight),
            slashed(driver and driver.avail_idx_shadow, ring and ring.avail_idx),
            slashed(driver and driver.last_used_idx, ring and ring.used_idx))


def _oldest(queue: Queue) -> Any:
    ages = [one.age_ns for one in queue.in_flight or () if one.age_ns is not None]
    return age(max(ages)) if ages else None


def request_rows(device: Device) -> List[Sequence[Any]]:
    """The requests in flight of all queues, oldest first; those of unknown age at the end."""
    found = [(queue, request) for queue in device.queues for request in queue.in_flight or ()]
    found.sort(key=lambda pair: -1 if pair[1].age_ns is None else pair[1].age_ns, reverse=True)
    returned = {queue.queue_index: None if queue.used is None else {entry.id for entry in queue.used}
                for queue in device.queues}
    return [(queue.queue_index, request.head, request.tag, request.operation, request.sector, request.bytes,
             age(request.age_ns), request.state, _where(request, returned[queue.queue_index]))
            for queue, request in found]


def _where(request: Request, returned: Any) -> Any:
    if returned is None:
        return None
    return "returned it" if request.head in returned else "has not returned it"


def _device(device: Device) -> List[str]:
    blocks = ["\n".join(_header(device)),
              table(queue_rows(device), QUEUES) + "\n\n" + "\n".join(wrapped(LEGEND))]
    requests = request_rows(device)
    if requests:
        more = len(requests) - REQUEST_LIMIT
        rest = f"\nand {more} younger ones (all are in the JSON form)" if more > 0 else ""
        blocks.append(f"{plural(len(requests), 'request')} in flight, oldest first:\n"
                      + table(requests[:REQUEST_LIMIT], REQUESTS) + rest)
    blocks.append("\n".join(line for queue in device.queues for line in _said(device, queue)))
    return blocks


def _header(device: Device) -> List[str]:
    guest = device.guest or GuestDevice()
    places = [f"{name} {int(address):#x}" for name, address in
              (("virtio_device", guest.address), ("gendisk", guest.disk), ("virtio_blk", guest.virtio_blk))
              if address is not None]
    return headline(device.name, f"virtio-{device.type}", bus_text(device), guest.virtio_device,
                    guest.driver and f"driver {guest.driver}") + labelled([
        ("structs", ", ".join(places) or None), ("status", status_text(device.status)),
        ("features", features_text(device))])


def _said(device: Device, queue: Queue) -> List[str]:
    irq = queue.irq
    line = ""
    if irq is not None:
        shared = ", shared" if irq.shared else ""
        taken = "" if irq.total is None else f", {irq.total} taken"
        line = f", irq {irq.number}{shared}{taken}"
    return [f"{queue_title(queue)}{line}:",
            *(part for sentence in sentences(queue, event_idx(device)) for part in bullet(sentence))]
