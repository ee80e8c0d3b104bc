"""Requests that the device has popped and not returned: whether they are late."""
from typing import Any, Optional, Sequence

from ..snapshot.held_model import HeldRequest
from ..snapshot.model import Queue
from ..snapshot.moving import REASON
from ..snapshot.request_model import Request
from ..virtio import devices
from .case import Case
from .history import stood
from .late import Finding, Late, entries, once
from .persistence import BACKEND_SECONDS, Aged, is_stuck, of_backend
from .result import Excused
from .unknown import Unknown

SECTOR = 512
"""Bytes of the sectors in which Linux counts."""

KEEPS = "the device keeps elements of such a queue for as long as it likes"


@once
def held(case: Case) -> Finding:
    """The requests that the device has popped and not returned: late, young, or none."""
    if case.vhost:
        return "vhost serves the queue, and only it knows how far it has come"
    if case.moved:
        return _held_all_the_while(case)
    if case.popped == 0:
        return "the device holds nothing"
    if case.kind == devices.PARKED and case.guest_device.device_id != devices.GPU:
        return KEEPS
    requests = case.popped_requests
    aged: Optional[Sequence[Aged]] = requests
    if not requests or any(one.age_ns is None for one in requests):
        aged = case.host_queue.held.requests if case.host_queue.held else requests
    # What a person saw is of the queue as a whole, and is explained by a lost event where there may be one.
    seen = None if case.returned or case.posted else case.seen
    lasts = of_backend(aged, seen, stood(case.history.host, _unreturned), "used_idx stays where it is, with entries "
                       "popped")
    what = f"{entries(case, case.popped, 'request')} in the device's hands"
    if lasts.young:
        return Excused(f"{what}, which is no fault before {BACKEND_SECONDS:.0f} s; {lasts.doubt}")
    doubts = [] if lasts.evidence else [f"{what}, and {lasts.doubt}"]
    if case.kind == devices.PARKED:
        if doubts:
            return KEEPS
        doubts = [f"{what}, and {lasts.evidence}; but a command may wait for a fence for as long as the renderer likes"]
    return Late(case.popped, what, lasts, None, doubts, requests)


def _held_all_the_while(case: Case) -> Finding:
    """Of a queue that moved while it was read: the requests that both sides found in flight all the time."""
    theirs = {one.head: one for one in case.get("held").requests}
    old = [one for one in case.get("in_flight") if one.head in theirs and _same(one, theirs[one.head])
           and is_stuck(one.age_ns) and is_stuck(theirs[one.head].age_ns)]
    lasts = of_backend(old, None, None, "")
    if not old or lasts.evidence is None or case.kind == devices.PARKED:
        raise Unknown(f"what the device holds is not known: {REASON}")
    number = sum(theirs[one.head].descriptors or 1 for one in old) if case.packed else len(old)
    return Late(number, f"{entries(case, number, 'request')} in the device's hands", lasts, None, [], old)


def _same(ours: Request, theirs: HeldRequest) -> bool:
    """Whether a request of the guest's and one of QEMU's under the same head have the same place on the disk."""
    return ours.sector is None or theirs.offset is None or ours.sector * SECTOR == theirs.offset


def _unreturned(queue: Queue) -> Any:
    """Where the device stands while it holds something; None where it does not."""
    device = queue.device
    if device is None or device.used_idx is None or not device.inuse:
        return None
    return device.used_idx, device.used_wrap_counter
