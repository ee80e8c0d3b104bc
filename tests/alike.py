"""Where two snapshots of one side contradict each other."""
from typing import Any, Iterator, Optional

from vqcheck.virtio.devices import UNKNOWN

KEYS = ("queue_index", "qom_path", "name", "node", "id", "idx", "head", "position")
"""What an item of a list is known by."""

OWN = ("absent", "producer", "capture")
"""Records that are about the capture, not about what was captured."""


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Every field that both know and have another value for; what only one of them has is no contradiction."""
    if one is None or other is None or UNKNOWN in (one, other):
        return
    if hasattr(one, "_fields"):
        for name in one._fields:
            if name not in OWN:
                yield from differences(getattr(one, name), getattr(other, name), f"{path}.{name}" if path else name)
    elif isinstance(one, list) and one and other and hasattr(one[0], "_fields"):
        theirs = {_key(item): item for item in other}
        for item in one:
            yield from differences(item, theirs.get(_key(item)), f"{path}[{_key(item)}]")
    elif one != other:
        yield f"{path}: {one!r} and {other!r}"


def known(record: Any, path: str = "") -> Iterator[str]:
    """The paths of all fields that are known."""
    if hasattr(record, "_fields"):
        for name in record._fields:
            if name not in OWN:
                yield from known(getattr(record, name), f"{path}.{name}" if path else name)
    elif isinstance(record, list) and record and hasattr(record[0], "_fields"):
        for item in record:
            yield from known(item, f"{path}[]")
    elif record is not None:
        yield path


def _key(item: Any) -> Optional[Any]:
    return next((getattr(item, name) for name in KEYS if getattr(item, name, None) is not None), None)
