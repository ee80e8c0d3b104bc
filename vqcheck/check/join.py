"""The guest's requests and QEMU's, joined by their heads."""
from typing import Dict, List, Optional

from ..snapshot.held_model import HeldRequest
from .case import Case
from .verdict import JoinedRequest

LIMIT = 1024
"""Requests that are kept; a queue has at most 32768, of which the oldest say enough."""


def requests(case: Case) -> List[JoinedRequest]:
    """What the guest waits for on a queue, oldest first; what only QEMU knows of comes last."""
    used = case.guest_queue.used
    posted = None if case.host_queue.available is None else {entry.head for entry in case.host_queue.available}
    returned = None if used is None else {entry.id for entry in used}
    held: Dict[int, HeldRequest] = {}
    for one in case.host_queue.held.requests if case.host_queue.held else []:
        if one.head is not None:
            held.setdefault(one.head, one)
    joined: List[JoinedRequest] = []
    for request in case.guest_queue.in_flight or []:
        mine = held.pop(request.head, None)
        if mine is not None:
            place = "held"
        elif returned is not None and request.head in returned:
            place = "returned"
        elif posted is not None and request.head in posted:
            place = "posted"
        else:
            place = "unknown" if posted is None or returned is None else "held"
        joined.append(JoinedRequest(
            request.head, place, request.operation or request.kind, request.bytes, request.sector, request.tag,
            request.age_ns, _holder(mine), mine.age_ns if mine else None,
            bool(mine) and case.host_ages_at_least))
    joined += [JoinedRequest(head, "held", one.type, one.bytes, None, None, None, _holder(one), one.age_ns,
                             case.host_ages_at_least)
               for head, one in held.items()]
    return sorted(joined, key=lambda one: -max(one.age_ns or 0, one.host_age_ns or 0))[:LIMIT]


def _holder(one: Optional[HeldRequest]) -> Optional[str]:
    if one is None:
        return None
    words = [one.holder or "device", f"at {one.node}" if one.node else "", f"({one.detail})" if one.detail else ""]
    return " ".join(word for word in words if word)
