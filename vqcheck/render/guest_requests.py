"""The requests in flight, and those that wait in the block layer, as tables."""
from typing import Any, List, Optional, Sequence, Set

from ..snapshot.kernel_model import BlockQueue
from ..snapshot.model import Device
from ..snapshot.request_model import Request, Task
from ..virtio.devices import POSTED
from .guest_facts import kind_of
from .wide import fitting, said_once
from .words import age, plural, wrapped, yes_no

REQUESTS = ("queue", "head", "tag", "kind", "op", "unit", "cdb", "sector", "bytes", "task", "age", "issued", "state",
            "device\nreturned", "desc\n+indir")

WAITING = ("tag", "internal\ntag", "op", "sector", "bytes", "age", "state")

REQUEST_LIMIT = 100
"""Requests shown at most."""

WAITING_LIMIT = 20
"""Requests of one disk that wait in the block layer shown at most."""

PLAIN_OPERATIONS = ("read", "write", "flush", "discard", "write_zeroes")
"""Operations that tell more than their SCSI command does."""


def in_flight(device: Device) -> List[str]:
    """A block with the requests in flight of all queues; nothing where there are none."""
    rows = request_rows(device)
    if not rows:
        return []
    shown, same = said_once(rows, REQUESTS, ["kind", "state"])
    alike = f" ({', '.join(f'{name} {value}' for name, value in same.items())})" if same else ""
    order = ", oldest first" if len(rows) > 1 else ""
    return ["\n".join(wrapped(f"{plural(len(rows), 'entry', 'entries')} in flight{order}{alike}:")) + "\n"
            + fitting(shown[:REQUEST_LIMIT], REQUESTS, 2) + _rest(len(rows) - REQUEST_LIMIT)]


def request_rows(device: Device) -> List[Sequence[Any]]:
    """The requests in flight of all queues, oldest first, those of unknown age at the end; not the posted buffers."""
    rows = []
    for queue in device.queues:
        if kind_of(device, queue) != POSTED:
            returned = None if queue.used is None else {entry.id for entry in queue.used}
            rows += [(queue.queue_index, one, returned) for one in queue.in_flight or ()]
    rows.sort(key=lambda row: -1 if row[1].age_ns is None else row[1].age_ns, reverse=True)
    return [_row(*row) for row in rows]


def _row(queue_index: int, request: Request, returned: Optional[Set[int]]) -> Sequence[Any]:
    return (queue_index, request.head, request.tag, request.kind, request.operation, request.unit, _command(request),
            request.sector, request.bytes, _task(request.task), age(request.age_ns), age(request.issued_ns),
            request.state, None if returned is None else yes_no(request.head in returned), _descriptors(request))


def _command(request: Request) -> Optional[str]:
    return None if request.operation in PLAIN_OPERATIONS else request.cdb


def _task(task: Optional[Task]) -> Optional[str]:
    return None if task is None else f"{task.comm}[{task.pid}]"


def _descriptors(request: Request) -> Optional[str]:
    if request.descriptors is None:
        return None
    if request.indirect is None:
        return f"{request.descriptors}" + ("+?" if "indirect" in request.absent else "")
    return f"{request.descriptors}+{request.indirect}"


def waiting(disk: BlockQueue) -> List[str]:
    """A table of a disk's requests that wait in its block layer; nothing where there are none."""
    found = sorted(disk.waiting or (), key=lambda one: -1 if one.age_ns is None else one.age_ns, reverse=True)
    if not found:
        return []
    rows = [(_tag(one.tag), _tag(one.internal_tag), one.operation, one.sector, one.bytes, age(one.age_ns), one.state)
            for one in found[:WAITING_LIMIT]]
    return [fitting(rows, WAITING, 2) + _rest(max(len(found), disk.waiting_count or 0) - WAITING_LIMIT)]


def _tag(tag: Optional[int]) -> Any:
    return "none" if tag == -1 else tag


def _rest(more: int) -> str:
    return f"\nand {more} younger ones (listed in the JSON form)" if more > 0 else ""
