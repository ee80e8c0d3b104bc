"""What a snapshot does not hold is not zero, and not false: asking for it raises, with the reason."""
from typing import Any, Tuple


class Unknown(Exception):
    """A fact that a rule asked for and the snapshots do not hold; the text is the reason, in words."""


def find(root: Any, path: Tuple[str, ...], whose: str, hidden: int = 0) -> Any:
    """The value at a path of fields below a record.  Raises Unknown where it, or a record above it, is null.

    whose: whom the fields belong to, for the sentence; `hidden` names of the path are left out of it.

    The reason is the one that the snapshot gives: in `absent` of the record that has the field, or, for the fields of
    a record that is null itself, under that record's name.
    """
    value = root
    for depth, name in enumerate(path):
        above, value = value, getattr(value, name)
        if value is None:
            why = getattr(above, "absent", {})
            reason = why.get(name) or why.get(".".join(path[depth:])) or "the snapshot does not hold it"
            raise Unknown(f"{whose} {'.'.join(path[hidden:])} is not known: {reason}")
    return value
