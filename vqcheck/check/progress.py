"""What moved between two captures of one side."""
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from ..snapshot.held_model import HeldRequest
from ..snapshot.model import Device, Queue, Snapshot
from ..snapshot.request_model import Request
from .axis import Axis
from .history import in_order, seconds_between

RING = ("avail_flags", "used_flags", "used_event", "avail_event")
RING_INDEXES = ("avail_idx", "used_idx")
DRIVER_INDEXES = (("last_used_idx", "used_wrap_counter"), ("avail_idx_shadow", None),
                  ("next_avail_idx", "avail_wrap_counter"))
DRIVER = ("num_free", "num_added", "avail_flags_shadow", "event_flags_shadow", "broken", "event_triggered")
DEVICE_INDEXES = (("last_avail_idx", "last_avail_wrap_counter"), ("used_idx", "used_wrap_counter"))
DEVICE = ("signalled_used", "signalled_used_valid", "notification", "inuse", "enabled", "tx_waiting")
IRQ = ("total", "depth", "masked", "pending", "in_progress", "effective_affinity")

Asked = Union[Request, HeldRequest]


class Change(NamedTuple):
    """A field that is not what it was.

    field: its name.
    before: its value in the earlier capture.
    after: its value in the later one.
    by: how far an index moved, in entries; null for what is no index.
    """

    field: str
    before: str
    after: str
    by: Optional[int] = None


class QueueProgress(NamedTuple):
    """What became of a queue.

    device: the device.
    queue_index: the queue's index in it.
    state: `moved`, `stands with work`, `idle`; `gone` and `new` for a queue of one capture only.
    changes: the fields that changed.
    stayed: heads of requests that are in both captures, oldest first.
    went: heads of requests that are in the earlier one only.
    came: heads of requests that are in the later one only.
    """

    device: str
    queue_index: int
    state: str
    changes: List[Change]
    stayed: List[int]
    went: List[int]
    came: List[int]


class Progress(NamedTuple):
    """What moved between two captures.

    side: `guest` or `host`.
    seconds: how much time passed at least; null where that is not known.
    swapped: the second one given is the earlier one.
    queues: all queues.
    process: what changed of the machine as a whole: run state, online CPUs.
    """

    side: str
    seconds: Optional[float]
    swapped: bool
    queues: List[QueueProgress]
    process: List[Change]


class DifferentThings(ValueError):
    """The two snapshots can't be compared."""


MOVED, STANDS, IDLE, GONE, NEW = "moved", "stands with work", "idle", "gone", "new"


def progress(one: Snapshot, other: Snapshot) -> Progress:
    """What moved.  Raises DifferentThings for snapshots of two sides, VMs or boots."""
    if one.side != other.side:
        raise DifferentThings(f"one snapshot is of the {one.side}, the other of the {other.side}; `vqcheck merge` "
                              "brings the two sides together")
    for what, mine, yours in (("VM", one.target.uuid, other.target.uuid), ("boot", one.target.boot_id,
                                                                          other.target.boot_id)):
        if mine and yours and mine.lower() != yours.lower():
            raise DifferentThings(f"the two snapshots are of different {what}s: {mine} and {yours}")
    first, last = in_order([one, other])
    earlier, later = _index(first), _index(last)
    places = list(dict.fromkeys([*earlier, *later]))
    return Progress(one.side, seconds_between(first, last), first is not one,
                    [_queue(place, earlier.get(place), later.get(place)) for place in places], _process(first, last))


def _index(snapshot: Snapshot) -> Dict[Tuple[str, int], Tuple[Device, Queue]]:
    return {(device.name, queue.queue_index): (device, queue) for device in snapshot.devices for queue in device.queues}


def _queue(place: Tuple[str, int], before: Optional[Tuple[Device, Queue]],
           after: Optional[Tuple[Device, Queue]]) -> QueueProgress:
    if before is None or after is None:
        return QueueProgress(*place, NEW if before is None else GONE, [], [], [], [])
    changes = _changes(before[1], after[1])
    stayed, went, came = _requests(before[1], after[1])
    indexes = any(change.by for change in changes)
    state = MOVED if indexes or went or came else STANDS if stayed or _outstanding(after[1]) else IDLE
    return QueueProgress(*place, state, changes, stayed, went, came)


def _changes(before: Queue, after: Queue) -> List[Change]:
    size = after.size or before.size or 1
    axis = Axis(size, after.layout == "packed")
    found: List[Change] = []
    for name in RING_INDEXES:
        found += _index_change(axis, f"ring.{name}", before.ring, after.ring, name, None)
    for name, wrap in DRIVER_INDEXES:
        found += _index_change(axis, f"driver.{name}", before.driver, after.driver, name, wrap)
    for name, wrap in DEVICE_INDEXES:
        found += _index_change(axis, f"device.{name}", before.device, after.device, name, wrap)
    for label, names in (("ring", RING), ("driver", DRIVER), ("device", DEVICE), ("irq", IRQ)):
        found += _plain(label, names, getattr(before, label), getattr(after, label))
    for label in ("host_notifier", "guest_notifier"):
        mine, yours = getattr(before.notify, label, None), getattr(after.notify, label, None)
        found += _plain(f"notify.{label}", ("eventfd_count", "enabled", "handler", "irqfd"), mine, yours)
    return found


def _index_change(axis: Axis, label: str, before: Any, after: Any, name: str, wrap: Optional[str]) -> List[Change]:
    mine, yours = getattr(before, name, None), getattr(after, name, None)
    if mine is None or yours is None:
        return []
    if axis.packed and wrap is not None:
        mine, yours = axis.place(mine, getattr(before, wrap)), axis.place(yours, getattr(after, wrap))
    if mine == yours:
        return []
    return [Change(label, axis.words(mine), axis.words(yours), axis.distance(yours, mine))]


def _plain(label: str, names: Sequence[str], before: Any, after: Any) -> List[Change]:
    found = []
    for name in names:
        mine, yours = getattr(before, name, None), getattr(after, name, None)
        if mine != yours and mine is not None and yours is not None:
            found.append(Change(f"{label}.{name}", _word(mine), _word(yours)))
    return found


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _requests(before: Queue, after: Queue) -> Tuple[List[int], List[int], List[int]]:
    """Heads of requests that stayed, went and came; a head that has another request now went and came."""
    mine, yours = _asked(before), _asked(after)
    stayed = [head for head, one in yours.items() if head in mine and _same(mine[head], one)]
    still = set(stayed)
    oldest = sorted(stayed, key=lambda head: -(yours[head].age_ns or 0))
    return oldest, [head for head in mine if head not in still], [head for head in yours if head not in still]


def _asked(queue: Queue) -> Dict[int, Asked]:
    known: List[Asked] = [*(queue.in_flight or []), *(queue.held.requests if queue.held else [])]
    return {one.head: one for one in known if one.head is not None}


def _same(before: Asked, after: Asked) -> bool:
    """Whether a head has the same request as before: one that is not younger than it was."""
    if isinstance(before, Request) and isinstance(after, Request):
        alike = (before.token, before.tag, before.sector) == (after.token, after.tag, after.sector)
    elif isinstance(before, HeldRequest) and isinstance(after, HeldRequest):
        alike = (before.address, before.offset, before.type) == (after.address, after.offset, after.type)
    else:
        return False
    return alike and (before.age_ns is None or after.age_ns is None or after.age_ns >= before.age_ns)


def _outstanding(queue: Queue) -> bool:
    return bool(queue.in_flight or (queue.device and queue.device.inuse) or queue.available)


def _process(before: Snapshot, after: Snapshot) -> List[Change]:
    found = _plain("capture", ("cpus_online",), before.capture, after.capture)
    found += _plain("qemu", ("run_state", "incoming", "bql_owner"), before.qemu, after.qemu)
    threads = {one.id: one for one in before.threads or []}
    for one in after.threads or []:
        earlier = threads.get(one.id)
        if earlier is not None and earlier.functions and one.functions and earlier.functions != one.functions:
            found.append(Change(f"thread {one.id} {one.role or one.name or ''}".strip(),
                                " < ".join(earlier.functions[:4]), " < ".join(one.functions[:4])))
    return found
