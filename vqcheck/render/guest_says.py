"""What the guest's side alone can say of a queue, in sentences.

Only what its own fields prove; who lost what is for the two sides together.
"""
from typing import List, Optional

from ..snapshot.driver_model import DriverState
from ..snapshot.kernel_model import Irq
from ..snapshot.model import Queue, RingState
from ..virtio.event import AVAIL_F_NO_INTERRUPT, distance, need_event
from .words import listed, plural


def sentences(queue: Queue, event_idx: Optional[bool]) -> List[str]:
    """What there is to say; at least that nothing is in flight, or why nothing can be said."""
    said = _driver(queue) + _chains(queue)
    said += _irq(queue.irq) if queue.irq else []
    if said or queue.driver is not None:
        return said + _events(queue, event_idx)
    return ["the driver's state is not known, so nothing can be said of its requests"]


def _driver(queue: Queue) -> List[str]:
    driver, ring = queue.driver, queue.ring
    if driver is None:
        return []
    said = ["the driver has given this queue up (broken)"] if driver.broken else []
    if driver.num_added:
        said.append(f"{plural(driver.num_added, 'buffer')} added for which the driver has not yet decided whether "
                    f"to kick (num_added {driver.num_added})")
    if ring is not None and driver.last_used_idx is not None and driver.avail_idx_shadow is not None:
        return said + _indexes(queue, ring, driver.last_used_idx, driver.avail_idx_shadow)
    if queue.in_flight is not None:
        said.append(_in_flight(len(queue.in_flight)))
    return said


def _chains(queue: Queue) -> List[str]:
    return [f"the descriptor chain of head {one.head} is corrupt: {one.chain_problem}"
            for one in queue.in_flight or [] if one.chain_problem]


def _in_flight(count: int) -> str:
    return f"{plural(count, 'request')} in flight" if count else "nothing in flight"


def _indexes(queue: Queue, ring: RingState, last_used: int, shadow: int) -> List[str]:
    completed, outstanding = distance(ring.used_idx, last_used), distance(shadow, last_used)
    size = queue.size or 0x8000
    if completed > size or outstanding > size or completed > outstanding:
        return [f"the indexes contradict each other: last_used_idx {last_used}, used->idx {ring.used_idx}, "
                f"avail_idx_shadow {shadow} in a queue of {size}; corrupt, or not read at one instant"]
    said = []
    if completed:
        heads = f"; heads {listed([entry.id for entry in queue.used])}" if queue.used else ""
        said.append(f"{plural(completed, 'completed entry', 'completed entries')} not consumed: used->idx "
                    f"{ring.used_idx}, last_used_idx {last_used}{heads}")
    if outstanding > completed:
        said.append(f"{outstanding - completed} handed to the device and not returned: avail_idx_shadow {shadow}, "
                    f"used->idx {ring.used_idx}; whether the device saw them only the host knows")
    if not outstanding:
        said.append(_in_flight(0))
    if shadow != ring.avail_idx:
        said.append(f"avail_idx_shadow {shadow} is not what the ring says: avail->idx {ring.avail_idx}")
    return said + _heads(queue, outstanding)


def _heads(queue: Queue, outstanding: int) -> List[str]:
    if queue.in_flight is None or len(queue.in_flight) == outstanding:
        return []
    return [f"the driver holds {plural(len(queue.in_flight), 'head')} in flight where the indexes say {outstanding}"]


def _events(queue: Queue, event_idx: Optional[bool]) -> List[str]:
    """Whether the guest waits for an interrupt that the device owed."""
    driver, ring = queue.driver, queue.ring
    if driver is None or ring is None or driver.last_used_idx is None:
        return []
    if not 0 < distance(ring.used_idx, driver.last_used_idx) <= (queue.size or 0x8000):
        return []
    if driver.avail_flags_shadow is None:
        return []
    if driver.avail_flags_shadow & AVAIL_F_NO_INTERRUPT:
        return ["the driver has its callbacks off just now (avail_flags_shadow bit 0): it may be about to consume them"]
    return _owed(driver, ring, driver.last_used_idx, event_idx)


def _owed(driver: DriverState, ring: RingState, last_used: int, event_idx: Optional[bool]) -> List[str]:
    if event_idx is None and driver.event is None:
        return []
    if not (driver.event if event_idx is None else event_idx):
        if ring.avail_flags & AVAIL_F_NO_INTERRUPT:
            return ["the driver asked for no interrupt (avail->flags bit 0)"]
        return ["the device owed an interrupt for them: callbacks are on, and there is no EVENT_IDX"]
    if need_event(ring.used_event, ring.used_idx, last_used):
        return [f"the device owed an interrupt when it wrote used entry {ring.used_event}: callbacks are on, and "
                f"used_event {ring.used_event} is one of the entries not consumed"]
    return [f"the driver asked for no interrupt for them: used_event {ring.used_event} is none of these entries"]


def _irq(irq: Irq) -> List[str]:
    said = []
    if irq.depth:
        said.append(f"irq {irq.number} is disabled (depth {irq.depth})")
    if irq.masked:
        said.append(f"irq {irq.number} is masked")
    if irq.pending:
        said.append(f"irq {irq.number} is pending: an interrupt came and was not handled")
    if irq.in_progress:
        said.append(f"irq {irq.number} is in progress: a CPU is inside its handler")
    return said
