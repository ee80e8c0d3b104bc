"""A running target changes while it is read: which queues did, and what can still be said of them.

A queue's state is read in several steps.  Where two walks, one after the other, find the same indexes, nothing moved
from the first step of the one to the last of the other, and what the first read belongs together.  Where they differ,
its parts are of different moments: each was true, and together they may look like a lost event.
"""
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from .driver_model import GuestDevice
from .held_model import Held, HeldRequest
from .model import Device, Queue, Snapshot
from .request_model import Request

DRIVER_INDEXES = ("last_used_idx", "avail_idx_shadow", "next_avail_idx", "avail_wrap_counter", "used_wrap_counter",
                  "num_free")
DEVICE_INDEXES = ("last_avail_idx", "last_avail_wrap_counter", "shadow_avail_idx", "used_idx", "used_wrap_counter",
                  "signalled_used", "signalled_used_valid", "inuse")
RING_INDEXES = ("avail_idx", "used_idx", "used_event", "avail_event")

DRIVER_PARTS = DRIVER_INDEXES + ("free_head", "free_list", "free_list_problem", "descriptors_in_use", "num_added",
                                 "avail_flags_shadow", "event_flags_shadow", "event_triggered")
DEVICE_PARTS = DEVICE_INDEXES + ("shadow_avail_wrap_counter", "notification", "tx_waiting")
QUEUE_PARTS = ("ring", "packed", "used", "available")
"""What means something only together with the rest."""

SAYS = "moved while it was read"
REASON = f"it {SAYS}"
KEY = "moved"
"""Begins the names under which a recording keeps this."""
NAMES = "; all: "
"""Comes there before the names of the indexes."""
GONE = "it was not there any more"

Place = Tuple[str, int]
"""A device's name, and the index of its queue."""


class Moved(NamedTuple):
    """A queue that moved between two walks."""

    device: str
    queue_index: int
    heads: List[int]
    """Heads of the requests that were in flight all the while."""
    what: str
    """Which index, the first of them, and from where to where."""
    names: List[str] = []
    """All indexes that are different."""


def moved(first: Snapshot, again: Snapshot) -> List[Moved]:
    """The queues of the first snapshot that were different in the second."""
    later = {(device.name, queue.queue_index): queue for device in again.devices for queue in device.queues}
    found = []
    for device in first.devices:
        for queue in device.queues:
            other = later.get((device.name, queue.queue_index))
            differences = {"": GONE} if other is None else _differences(queue, other)
            if differences:
                found.append(Moved(device.name, queue.queue_index, _staying(queue, other, first, again),
                                   next(iter(differences.values())), [name for name in differences if name]))
    return found


def without(snapshot: Snapshot, moves: List[Moved]) -> Snapshot:
    """The snapshot with only that of the moving queues that can be trusted; the rest is absent, with the reason."""
    if not moves:
        return snapshot
    by_place = {(one.device, one.queue_index): one for one in moves}
    warnings = [f"{one.device} queue {one.queue_index} {SAYS}: {one.what}" for one in moves]
    return snapshot._replace(
        devices=[_device(device, by_place) for device in snapshot.devices],
        capture=snapshot.capture._replace(warnings=[*(snapshot.capture.warnings or []), *warnings]),
    )


def to_words(moves: List[Moved]) -> Dict[str, str]:
    """The same for a recording to keep."""
    return {f"{KEY} {one.queue_index} {one.device}": ",".join(map(str, one.heads)) + " " + one.what +
            (NAMES + " ".join(one.names) if one.names else "") for one in moves}


def from_words(words: Dict[str, str]) -> List[Moved]:
    """What `to_words` wrote; what is not understood is left out."""
    found = []
    for key, value in words.items():
        start, _, rest = key.partition(" ")
        index, _, device = rest.partition(" ")
        heads, _, rest = value.partition(" ")
        what, _, names = rest.partition(NAMES)
        if start == KEY and index.isdecimal():
            found.append(Moved(device, int(index), [int(head) for head in heads.split(",") if head.isdecimal()], what,
                               names.split()))
    return found


def _differences(queue: Queue, other: Queue) -> Dict[str, str]:
    """The indexes that differ, each in words."""
    found: Dict[str, str] = {}
    for record, later, names in ((queue.driver, other.driver, DRIVER_INDEXES),
                                 (queue.device, other.device, DEVICE_INDEXES), (queue.ring, other.ring, RING_INDEXES)):
        for name in names:
            before, after = getattr(record, name, None), getattr(later, name, None)
            if before != after:
                found.setdefault(name, f"{name} {_shown(before)}, then {_shown(after)}")
    if queue.packed != other.packed:
        found.setdefault("ring", "its ring changed")
    return found


def _shown(value: Any) -> str:
    return "not known" if value is None else str(value)


def _staying(queue: Queue, other: Optional[Queue], first: Snapshot, again: Snapshot) -> List[int]:
    """Heads under which both walks found the same request, started at the same time."""
    after = {_identity(one, again) for one in (_requests(other) if other else [])}
    return [one.head for one in _requests(queue) if one.head is not None and _identity(one, first) in after]


def _requests(queue: Queue) -> List[Union[Request, HeldRequest]]:
    """The driver's requests or the device's, whichever the side knows."""
    return [*(queue.in_flight or []), *(queue.held.requests if queue.held else [])]


def _identity(request: Union[Request, HeldRequest], snapshot: Snapshot) -> Tuple[Any, ...]:
    clock = snapshot.capture.clock_ns
    started = None if request.age_ns is None or clock is None else clock - request.age_ns
    if isinstance(request, Request):
        return request.head, request.token, request.tag, request.operation, request.sector, request.bytes, started
    return request.head, request.address, request.type, request.offset, request.bytes, started


def _device(device: Device, by_place: Dict[Place, Moved]) -> Device:
    if not any((device.name, queue.queue_index) in by_place for queue in device.queues):
        return device
    queues = [_queue(queue, by_place.get((device.name, queue.queue_index))) for queue in device.queues]
    return device._replace(queues=queues, guest=device.guest and _without_waiting(device.guest))


def _queue(queue: Queue, move: Optional[Moved]) -> Queue:
    if move is None:
        return queue
    reason = f"{REASON} ({move.what})"
    left: Queue = _blanked(queue._replace(
        driver=queue.driver and _blanked(queue.driver, DRIVER_PARTS, reason),
        device=queue.device and _blanked(queue.device, DEVICE_PARTS, reason),
        in_flight=None if queue.in_flight is None else [one for one in queue.in_flight if one.head in move.heads],
        held=queue.held and _held(queue.held, move.heads, reason),
        moved=move.names or None,
    ), QUEUE_PARTS, reason)
    return left


def _held(held: Held, heads: List[int], reason: str) -> Held:
    """Those that were held all the while; that others have no owner can't be said."""
    return held._replace(requests=[one for one in held.requests if one.head in heads], complete=False,
                         absent={**held.absent, "complete": reason})


def _without_waiting(guest: GuestDevice) -> GuestDevice:
    """Which requests are on no ring is known only where ring and tags are of one moment."""
    if guest.block is None:
        return guest
    return guest._replace(block=[one if one.waiting is None else
                                 _blanked(one, ["waiting"], "the queue moved while it was read")
                                 for one in guest.block])


def _blanked(record: Any, names: Sequence[str], reason: str) -> Any:
    """A record without these fields, as far as it had them."""
    known = [name for name in names if getattr(record, name) is not None]
    return record._replace(absent={**record.absent, **dict.fromkeys(known, reason)}, **dict.fromkeys(known))
