"""Snapshots with one field changed."""
from typing import Any, Iterator, List, NamedTuple, Tuple

from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.model import Snapshot

SKIPPED = ("absent", "schema", "side", "producer", "capture", "target")
"""Not of the queue: who made the snapshot, when, and why fields are null."""


class Mutant(NamedTuple):
    """A snapshot with one field changed."""

    path: str
    """As `devices.queues.driver.num_free`: the places in lists are left out."""
    before: Any
    after: Any
    snapshot: Snapshot


def mutants(snapshot: Snapshot) -> Iterator[Mutant]:
    """Every field of a snapshot, changed in a way that is possible in a damaged one."""
    for path, before, after, whole in _of(snapshot, ()):
        yield Mutant(".".join(path), before, after, whole)


def _of(record: Any, path: Tuple[str, ...]) -> Iterator[Tuple[Tuple[str, ...], Any, Any, Any]]:
    for name in record._fields:
        if name in SKIPPED:
            continue
        value = getattr(record, name)
        for inner, before, after, changed in _values(value, (*path, name)):
            yield inner, before, after, record._replace(**{name: changed})


def _values(value: Any, path: Tuple[str, ...]) -> Iterator[Tuple[Tuple[str, ...], Any, Any, Any]]:
    if hasattr(value, "_fields"):
        yield from _of(value, path)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            for inner, before, after, changed in _values(item, path):
                copy: List[Any] = list(value)
                copy[place] = changed
                yield inner, before, after, copy
    else:
        for other in _others(value):
            yield path, value, other, other


def _others(value: Any) -> List[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, Hex):
        return [Hex(int(value) ^ 0x1000)]
    if isinstance(value, int):
        return [value + 1, value + 0x4000] if value < 0x8000 else [value - 1]
    if isinstance(value, str):
        return [value + "x"]
    return []
