"""The values that are not known, with their reasons, gathered from everywhere in a snapshot."""
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from ..snapshot.model import Device, Queue, Snapshot
from .escape import shortened
from .words import listed, wrapped

LIMIT = 30
"""Lines at most: a stripped binary can lack the same thing in a thousand places."""

NOTHING_MISSING = "not applicable"
"""How the reason begins where there is nothing to know."""


class Reason(NamedTuple):
    """Why a value is absent."""

    place: str
    """`vdb queue 0`, or nothing for the snapshot as a whole."""
    field: str
    """`irq`, `notify.msix`."""
    reason: str


def reasons(snapshot: Snapshot) -> List[Reason]:
    """Every absent value of a snapshot."""
    return list(_walk(snapshot, "", ""))


def lines(snapshot: Snapshot) -> List[str]:
    """`not known` and what follows, or nothing when all is known; a reason is given once for all that it explains.

    Debug information that lacks a whole module is one line, however many fields of however many queues it takes.
    """
    places: Dict[Tuple[str, str], List[str]] = {}
    for one in reasons(snapshot):
        known = places.setdefault((one.field, one.reason), [])
        if one.place and one.place not in known:
            known.append(one.place)
    if not places:
        return []
    fields: Dict[Tuple[str, Tuple[str, ...]], List[str]] = {}
    for (field, reason), where in places.items():
        fields.setdefault((reason, tuple(where)), []).append(shortened(field, 60))
    found = ["not known:"]
    for (reason, there), names in list(fields.items())[:LIMIT]:
        at = f" [{listed(there, 6)}]" if there else ""
        found += wrapped(f"{listed(names, 8)}{at}: {shortened(reason, 400)}", "  ", "    ")
    if len(fields) > LIMIT:
        found.append(f"  and {len(fields) - LIMIT} more (all are in the JSON form)")
    return found


def _walk(value: Any, place: str, path: str) -> Iterator[Reason]:
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        for item in value:
            yield from _walk(item, place, path)
        return
    if not hasattr(value, "_fields"):
        return
    place, path = _place(value, place, path)
    for field, reason in getattr(value, "absent", {}).items():
        if not reason.startswith(NOTHING_MISSING):
            yield Reason(place, f"{path}{field}", reason)
    for field, inner in zip(value._fields, value):
        yield from _walk(inner, place, f"{path}{field}.")


def _place(value: Any, place: str, path: str) -> Tuple[str, str]:
    """Devices and queues are places; the path of a field begins anew below them."""
    if isinstance(value, Device):
        return shortened(value.name, 40), ""
    if isinstance(value, Queue):
        return f"{place} queue {value.queue_index}", ""
    return place, path
