"""What the guest's side alone can say of a queue, in sentences.

Only what its own fields prove; who lost what is for the two sides together.
"""
from typing import List, Optional

from ..snapshot.driver_model import DriverState
from ..snapshot.model import Device, Queue, RingState
from ..virtio.devices import LAZY, PARKED, POLLED, POSTED
from ..virtio.event import AVAIL_F_NO_INTERRUPT, distance, need_event
from . import guest_packed
from .guest_facts import Progress, callbacks_on, kind_of, progress
from .words import event_idx, listed, plural

AT_THIS_INSTANT = "corrupt, or a CPU was inside the driver at this instant"
"""What explains books that don't add up."""


NOTHING_POSTED = "no buffer is posted, as while nobody has it open: the device can deliver nothing"


def sentences(device: Device, queue: Queue) -> List[str]:
    """What there is to say; at least that nothing is in flight, or why nothing can be said."""
    if queue.driver is None:
        return ["the driver's state is not known, so nothing can be said of its requests", *_network(queue)]
    said = _driver(queue.driver, "descriptor" if queue.layout == "packed" else "buffer")
    found = progress(queue)
    if found.contradiction:
        said.append(f"the indexes contradict each other: {found.contradiction}; corrupt, or not read at one instant")
    else:
        said += _progress(queue, kind_of(device, queue), found) + _books(queue, queue.driver, found)
        said += _interrupts(device, queue, found)
    return said + _chains(queue) + _network(queue)


def _driver(driver: DriverState, added: str) -> List[str]:
    said = ["the driver has given this queue up (broken)"] if driver.broken else []
    if driver.num_added:
        said.append(f"{plural(driver.num_added, added)} added for which the driver has not yet decided whether "
                    f"to kick (num_added {driver.num_added})")
    return said


def _progress(queue: Queue, kind: str, found: Progress) -> List[str]:
    said = []
    if found.completed:
        said.append(f"{_completed(kind, found.completed)}{_used_from(queue)}")
    elif found.completed is None and "used" in queue.absent:
        said.append(f"what the device has returned is not known: {queue.absent['used']}")
    if found.outstanding is None:
        return said
    held = found.outstanding - (found.completed or 0)
    if held > 0:
        said.append(_held(queue, kind, held, found.completed is not None))
    if not found.outstanding:
        said.append(NOTHING_POSTED if kind == POSTED else "nothing in flight")
    return said


def _completed(kind: str, count: int) -> str:
    if kind == LAZY:
        return (f"{plural(count, 'entry', 'entries')} returned and not reclaimed yet, as this driver may leave them "
                "until it next sends")
    if kind == POLLED:
        return f"{plural(count, 'completed entry', 'completed entries')} that the driver has not polled yet"
    return f"{plural(count, 'completed entry', 'completed entries')} not consumed"


def _used_from(queue: Queue) -> str:
    """Where these entries lie, and what they are."""
    driver, ring = queue.driver, queue.ring
    heads = [entry.id for entry in queue.used or ()]
    if queue.layout == "packed":
        return guest_packed.used_from(queue) + (f"; ids {listed(heads)}" if heads else "")
    if driver is None or ring is None:
        return ""
    return (f": used->idx {ring.used_idx}, last_used_idx {driver.last_used_idx}"
            + (f"; heads {listed(heads)}" if heads else ""))


def _held(queue: Queue, kind: str, count: int, certain: bool) -> str:
    if not certain:
        return f"{count} in flight; what the device has returned of them is not known"
    if kind == POSTED:
        return f"{plural(count, 'buffer')} posted, which wait for something to come, as they should"
    if kind == PARKED:
        return f"{count} with the device, which may keep them as long as it likes"
    where = ""
    if queue.driver is not None and queue.ring is not None:
        where = f": avail_idx_shadow {queue.driver.avail_idx_shadow}, used->idx {queue.ring.used_idx}"
    polled = "; the driver polls for them" if kind == POLLED else ""
    return f"{count} handed to the device and not returned{where}; whether the device saw them only the host knows" \
           + polled


def _books(queue: Queue, driver: DriverState, found: Progress) -> List[str]:
    """Where the driver's own accounts don't add up."""
    said = []
    ring, shadow = queue.ring, driver.avail_idx_shadow
    if ring is not None and shadow is not None and shadow != ring.avail_idx:
        said.append(f"avail_idx_shadow {shadow} is not what the ring says: avail->idx {ring.avail_idx}")
    if queue.in_flight is not None and found.outstanding not in (None, len(queue.in_flight)):
        said.append(f"the driver holds {plural(len(queue.in_flight), 'head')} in flight where the indexes say "
                    f"{found.outstanding}")
    return said + guest_packed.books(queue) + _free(queue, driver)


def _free(queue: Queue, driver: DriverState) -> List[str]:
    said = []
    free, used = driver.num_free, driver.descriptors_in_use
    if driver.free_list_problem:
        said.append(f"the free list is cut short after {driver.free_list} of {free}: {driver.free_list_problem}; "
                    f"{AT_THIS_INSTANT}")
    elif driver.free_list is not None and free is not None and driver.free_list != free:
        said.append(f"the free list holds {plural(driver.free_list, 'descriptor')} where num_free says {free}: "
                    f"{AT_THIS_INSTANT}")
    if free is not None and used is not None and queue.size is not None and free + used != queue.size:
        said.append(f"num_free {free} and {plural(used, 'descriptor')} in use make {free + used}, and not the "
                    f"{queue.size} of the queue: {AT_THIS_INSTANT}")
    return said


def _chains(queue: Queue) -> List[str]:
    return [f"the descriptor chain of head {one.head} is corrupt: {one.chain_problem}"
            for one in queue.in_flight or [] if one.chain_problem]


def _interrupts(device: Device, queue: Queue, found: Progress) -> List[str]:
    """Whether the guest waits for an interrupt that the device owed."""
    kind = kind_of(device, queue)
    if not found.completed or kind == POLLED or (kind == LAZY and not tx_stopped(queue)):
        return []
    on = callbacks_on(queue)
    if on is None:
        return []
    if queue.layout == "packed":
        return guest_packed.interrupts(queue) if on else \
            ["the driver has its callbacks off just now (event_flags_shadow 1): it may be about to consume them"]
    if not on:
        return ["the driver has its callbacks off just now (avail_flags_shadow bit 0): it may be about to consume them"]
    return _owed(queue.driver, queue.ring, event_idx(device))


def _owed(driver: Optional[DriverState], ring: Optional[RingState], negotiated: Optional[bool]) -> List[str]:
    if driver is None or ring is None or driver.last_used_idx is None or (negotiated is None and driver.event is None):
        return []
    if not (driver.event if negotiated is None else negotiated):
        if ring.avail_flags & AVAIL_F_NO_INTERRUPT:
            return ["the driver asked for no interrupt (avail->flags bit 0)"]
        return ["the device owed an interrupt for them: callbacks are on, and there is no EVENT_IDX"]
    if need_event(ring.used_event, ring.used_idx, driver.last_used_idx):
        return [f"the device owed an interrupt when it wrote used entry {ring.used_event}: callbacks are on, and "
                f"used_event {ring.used_event} is one of the entries not consumed"]
    ahead = distance(ring.used_event, driver.last_used_idx)
    later = ", which is still to come" if ahead < 0x8000 else ""
    return [f"the driver asked for no interrupt for them: used_event {ring.used_event} is none of these "
            f"entries{later}"]


def tx_stopped(queue: Queue) -> bool:
    """Whether the network stack may not hand packets to the queue."""
    return queue.tx_queue is not None and bool(queue.tx_queue.stopped or queue.tx_queue.stack_stopped)


def _network(queue: Queue) -> List[str]:
    said = []
    napi, tx = queue.napi, queue.tx_queue
    if napi is not None and napi.enabled is False:
        off = "the interface is down, or napi_tx is off" if queue.role == "tx" else "the interface is down"
        said.append(f"NAPI is not enabled for it ({off})")
    elif napi is not None and napi.scheduled:
        cpu = "a CPU" if napi.cpu is None else f"CPU {napi.cpu}"
        said.append(f"{cpu} is inside its NAPI poll, and may be about to consume what is completed" if napi.polling
                    else f"NAPI is scheduled on {cpu}: its poll is due, so that the interrupt is not what is missing")
    if tx is not None and tx.stopped:
        said.append("the driver has stopped the transmit queue (__QUEUE_STATE_DRV_XOFF), as it does when the ring is "
                    "full or the link down")
    if tx is not None and tx.stack_stopped:
        said.append("byte queue limits have stopped the transmit queue (__QUEUE_STATE_STACK_XOFF) until the driver "
                    "reclaims what was sent")
    return said
