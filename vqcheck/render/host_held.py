"""Who holds the device's requests: QEMU's requests, and the block layer below them, as tables."""
from typing import Any, List, Optional, Sequence, Tuple

from ..snapshot.device_model import HostDevice
from ..snapshot.held_model import BlockState, HeldRequest
from ..snapshot.model import Device, Queue
from .escape import shortened
from .host_facts import held_requests
from .host_notes import lost_elements
from .tables import table
from .wide import fitting
from .words import age, plural, wrapped, yes_no

HELD = ("queue", "head", "desc", "op", "offset", "bytes", "age", "holder", "node", "detail")

NODES = ("node", "driver", "in_flight", "quiesce\n_counter", "flushing", "held back", "context")

THROTTLING = ("limits of", "group", "waiting\nreads", "waiting\nwrites", "timer\nreads", "timer\nwrites", "limits")

TRACKED = ("node", "type", "offset", "bytes", "waits")

LIMIT = 100
"""Rows of a table at most."""

FRAMES = 8
"""Functions of a coroutine's stack that are shown."""

STACKS = 8
"""Stacks shown at most."""


def blocks(device: Device) -> List[str]:
    """Blocks of text about what the device has popped and not returned, and about its block layer."""
    part = device.host or HostDevice()
    found = _held(device)
    states: List[Tuple[str, BlockState]] = [("", part.block)] if part.block else []
    states += [(f"{disk.qdev_id or f'target {disk.target} lun {disk.lun}'}: ", disk.block)
               for disk in part.disks or () if disk.block]
    for name, state in states:
        found += _state(shortened(name, 40), state)
    return found


def _held(device: Device) -> List[str]:
    rows = [(queue, one) for queue in device.queues for one in held_requests(queue)]
    if not rows:
        return []
    rows.sort(key=lambda row: -(row[1].age_ns or 0))
    drawn = fitting([_row(*row) for row in rows[:LIMIT]], HELD, 2)
    lines = [f"{plural(len(rows), 'request')} in the device's hands{', oldest first' if len(rows) > 1 else ''}:",
             drawn + _rest(len(rows) - LIMIT)]
    return ["\n".join(lines), *_stacks([one for _, one in rows])]


def _row(queue: Queue, one: HeldRequest) -> Sequence[Any]:
    return (queue.queue_index, one.head, one.descriptors, one.type, one.offset, one.bytes, age(one.age_ns),
            one.holder, one.node, one.detail)


def _stacks(requests: List[HeldRequest]) -> List[str]:
    """Where the coroutines wait, each place once, with the heads that wait there."""
    places: List[Tuple[List[str], List[str]]] = []
    for one in requests:
        if one.functions:
            known = next((heads for heads, functions in places if functions == one.functions), None)
            if known is None:
                places.append(([str(one.head)], one.functions))
            else:
                known.append(str(one.head))
    lines: List[str] = []
    for heads, functions in places[:STACKS]:
        stack = " < ".join(shortened(name, 60) for name in functions[:FRAMES])
        more = " < ..." if len(functions) > FRAMES else ""
        which = f"head {', '.join(heads[:4])}" + (f" and {len(heads) - 4} more" if len(heads) > 4 else "")
        lines += wrapped(f"{which}: {stack}{more}", "  ", "    ")
    return ["\n".join(["coroutines wait in:", *lines])] if lines else []


def sentences(queue: Queue) -> List[str]:
    """What the search for the queue's elements proves."""
    held, inuse = queue.held, queue.device.inuse if queue.device else None
    if held is None or not inuse:
        return []
    found = sum(one.descriptors if one.descriptors is not None else 1 for one in held.requests)
    lost = lost_elements(queue)
    if lost:
        return [f"{plural(lost, 'element')} popped and in nobody's hands: not among "
                f"{', '.join(held.looked_in)}. The device has lost {'it' if lost == 1 else 'them'}"]
    if found < inuse:
        why = held.absent.get("complete", "not every place can be looked at")
        return [f"of {inuse} popped and not returned, {found} were found: {shortened(why, 300)}"]
    return []


def _state(name: str, state: BlockState) -> List[str]:
    found: List[str] = []
    if state.nodes:
        rows = [(one.node, one.driver, one.in_flight, one.quiesce_counter, yes_no(one.flushing), one.suspended,
                 one.context) for one in state.nodes[:LIMIT]]
        found.append(f"{name}block nodes:\n" + fitting(rows, NODES) + _rest(len(state.nodes) - LIMIT))
    if state.throttling:
        limits = [(one.node or "the BlockBackend", one.group, one.reads_waiting, one.writes_waiting,
                   yes_no(one.read_timer, "armed", "no"), yes_no(one.write_timer, "armed", "no"), one.limits)
                  for one in state.throttling]
        found.append(f"{name}I/O limits:\n" + fitting(limits, THROTTLING))
    if state.tracked:
        found.append(_tracked(name, state))
    return found


def _tracked(name: str, state: BlockState) -> str:
    tracked = state.tracked or []
    rows = [(one.node, one.type, one.offset, one.bytes, yes_no(one.waits)) for one in tracked[:LIMIT]]
    return (f"{name}the block layer tracks {plural(len(tracked), 'request')}:\n" + table(rows, TRACKED)
            + _rest(len(tracked) - LIMIT))


def _rest(more: int) -> str:
    return f"\nand {more} more (all are in the JSON form)" if more > 0 else ""


def state_text(state: Optional[BlockState]) -> Optional[str]:
    """The counters of a disk in a line."""
    if state is None:
        return None
    words = [state.node or "no node", f"({state.format or '-'}, {state.filename or '-'})",
             f"iostatus {state.iostatus or '-'},"]
    words += [f"{name} {'-' if value is None else value}," for name, value in (
        ("in_flight", state.in_flight), ("quiesce_counter", state.quiesce_counter), ("queued", state.queued),
        ("node in_flight", state.node_in_flight), ("parked", state.parked), ("throttled", state.throttled),
        ("completed", state.completed), ("failed", state.failed), ("werror", state.on_write_error),
        ("rerror", state.on_read_error)) if value is not None or name in ("in_flight", "quiesce_counter")]
    return " ".join(words).rstrip(",")


