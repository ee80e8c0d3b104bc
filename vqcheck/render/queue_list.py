"""The table of all queues of a side, without the idle ones where there are many."""
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

from ..snapshot.model import Device, Queue, Snapshot
from .escape import shortened
from .wide import fitting
from .words import plural, ranges, wrapped

ROWS = 40
"""Queues up to which idle ones are shown too."""

Place = Tuple[Device, Queue]


class Columns(NamedTuple):
    """How a side draws its queues."""

    headers: Sequence[str]
    row: Callable[[Device, Queue], Sequence[Any]]
    idle: Sequence[Callable[[Device, Queue], bool]]
    """Tests for queues that may be left out; the first to be tried leaves out those that nobody misses."""
    packed: str
    """What the columns hold of packed queues."""


def blocks(snapshot: Snapshot, columns: Columns) -> List[str]:
    """The table and what was left out of it, as blocks of text."""
    shown: List[Place] = [(device, queue) for device in snapshot.devices for queue in device.queues]
    left_out: List[Place] = []
    for test in columns.idle:
        if len(shown) > ROWS:
            left_out += [pair for pair in shown if test(*pair)]
            shown = [pair for pair in shown if not test(*pair)]
    found = []
    if shown:
        note = f"\n\n{columns.packed}" if any(queue.layout == "packed" for _, queue in shown) else ""
        found.append(fitting([columns.row(*pair) for pair in shown], columns.headers, 2, every=True) + note)
    if left_out:
        found.append(_left_out(left_out))
    return found


def _left_out(pairs: Sequence[Place]) -> str:
    queues: Dict[str, List[int]] = {}
    for device, queue in pairs:
        queues.setdefault(device.name, []).append(queue.queue_index)
    names = ", ".join(f"{shortened(name, 40)} {ranges(indexes, 8)}" for name, indexes in queues.items())
    return "\n".join(wrapped(f"{plural(len(pairs), 'idle queue')} not shown: {names}", "", "    "))


def layouts(device: Device) -> str:
    """How many queues a device has, and of what layout: `2 split`."""
    known = sorted({queue.layout for queue in device.queues if queue.layout is not None and queue.rings})
    return " ".join([str(len(device.queues)), *known])
