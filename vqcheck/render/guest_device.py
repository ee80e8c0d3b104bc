"""One device of the guest, with all there is to say of it."""
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..snapshot.driver_model import GuestDevice
from ..snapshot.kernel_model import NetDevice
from ..snapshot.model import Device, Queue
from ..virtio.devices import POSTED
from . import guest_block, guest_irq, guest_notes, guest_packed, guest_requests, indicators
from .escape import escape, shortened
from .guest_facts import callbacks_on, kind_of, last_used, next_avail, place
from .guest_says import sentences
from .notes import drawn
from .wide import fitting
from .words import (
    LEGEND,
    bullet,
    bus_text,
    features_text,
    headline,
    hexadecimal,
    labelled,
    listed,
    queue_title,
    ranges,
    slashed,
    status_text,
    wrapped,
    yes_no,
)

SPLIT = ("queue", "role", "size", "num\n_free", "in\nflight", "avail_idx\nshadow/ring", "used_idx\nlast/ring",
         "used\n_event", "avail\n_event", "call\nbacks", "flags\nav/us", "irq")

PACKED = ("queue", "role", "size", "num\n_free", "in\nflight", "next_avail\n_idx", "last_used\n_idx", "call\nbacks",
          "interrupts", "kicks", "irq")

NAMES = 12
"""Linux names of a device shown at most."""

MANY = 40
"""Ranges of queues shown at most."""


def blocks(device: Device) -> List[str]:
    """The parts of a device's text, from what stands out down to each queue's sentences."""
    found = ["\n".join(_header(device)), *_standing_out(device), *_queues(device)]
    found += guest_requests.in_flight(device)
    for queue in device.queues:
        if kind_of(device, queue) != POSTED:
            found += guest_packed.descriptors(queue)
    found += guest_block.blocks(device) + guest_irq.block(device) + indicators.block(device)
    found.append("\n".join(line for title, said in _said(device) for line in [title, *said]))
    return found


def _header(device: Device) -> List[str]:
    guest = device.guest or GuestDevice()
    places = [f"{name} {hexadecimal(address)}" for name, address in
              (("virtio_device", guest.address), ("gendisk", guest.disk), ("virtio_blk", guest.virtio_blk))
              if address is not None]
    names = [shortened(name, 40) for name in guest.linux_names or () if name != device.name]
    return headline(device.name, f"virtio-{device.type}", bus_text(device), guest.virtio_device,
                    guest.driver and f"driver {guest.driver}") + labelled([
        ("also named", listed(names, NAMES) or None), ("interface", _interface(guest.net)),
        ("structs", ", ".join(places) or None), ("status", status_text(device.status)),
        ("features", features_text(device))])


def _interface(net: Optional[NetDevice]) -> Optional[str]:
    if net is None:
        return None
    words = [net.name or "-", yes_no(net.up, "up", "down") or "up or down: not known",
             yes_no(net.carrier, "carrier", "no carrier") or "carrier not known",
             net.address and f"net_device {hexadecimal(net.address)}"]
    return ", ".join(word for word in words if word)


def _standing_out(device: Device) -> List[str]:
    text = drawn(guest_notes.notes(device))
    return [text] if text else []


def _queues(device: Device) -> List[str]:
    """A table for each layout, as they have little in common, and what their columns mean."""
    split = [queue for queue in device.queues if queue.layout != "packed"]
    packed = [queue for queue in device.queues if queue.layout == "packed"]
    found = []
    if split:
        found.append(fitting([_split_row(queue) for queue in split], SPLIT, every=True) + "\n\n"
                     + "\n".join(wrapped(LEGEND)))
    if packed:
        found.append(fitting([_packed_row(queue) for queue in packed], PACKED, every=True) + "\n\n"
                     + "\n".join(wrapped(guest_packed.LEGEND)))
    return found


def _split_row(queue: Queue) -> Sequence[Any]:
    driver, ring = queue.driver, queue.ring
    return (queue.queue_index, queue.role, queue.size, driver and driver.num_free,
            None if queue.in_flight is None else len(queue.in_flight),
            slashed(driver and driver.avail_idx_shadow, ring and ring.avail_idx),
            slashed(driver and driver.last_used_idx, ring and ring.used_idx),
            ring and ring.used_event, ring and ring.avail_event, yes_no(callbacks_on(queue), "on", "off"),
            ring and slashed(ring.avail_flags, ring.used_flags), queue.irq and queue.irq.number)


def _packed_row(queue: Queue) -> Sequence[Any]:
    driver, ring = queue.driver, queue.packed
    return (queue.queue_index, queue.role, queue.size, driver and driver.num_free,
            None if queue.in_flight is None else len(queue.in_flight), place(next_avail(queue)),
            place(last_used(queue)), yes_no(callbacks_on(queue), "on", "off"),
            ring and guest_packed.event_words(ring.driver_event), ring and guest_packed.event_words(ring.device_event),
            queue.irq and queue.irq.number)


def _said(device: Device) -> List[Tuple[str, List[str]]]:
    """Each queue's sentences; queues of which the same is to be said are told together."""
    groups: Dict[Tuple[str, ...], List[Queue]] = {}
    for queue in device.queues:
        groups.setdefault(tuple(sentences(device, queue)), []).append(queue)
    return [(_title(queues), [line for sentence in said for line in bullet(escape(sentence))])
            for said, queues in groups.items()]


def _title(queues: List[Queue]) -> str:
    if len(queues) > 1:
        return "\n".join(wrapped(f"queues {ranges((queue.queue_index for queue in queues), MANY)}:", "", "    "))
    driver = queues[0].driver
    where = "" if driver is None else f", vring_virtqueue {hexadecimal(driver.address)}"
    back = "" if driver is None or driver.callback is None else f", callback {shortened(driver.callback, 40)}"
    return "\n".join(wrapped(f"{queue_title(queues[0])}{where}{back}:", "", "    "))
