"""What stands out, worst first: where to look, not whose fault it is."""
from typing import NamedTuple, Sequence

from .escape import escape
from .words import wrapped

BROKEN = 0
"""Rank of what can't be right."""
STOPPED = 1
"""Rank of what stands still until something comes."""
WAITING = 2
"""Rank of what has been under way for long."""

LIMIT = 30
"""Notes shown at most."""


class Note(NamedTuple):
    """Something that stands out."""

    rank: int
    place: str
    """`vdb queue 0`."""
    text: str
    """In a few words."""


def drawn(found: Sequence[Note]) -> str:
    """Notes as text, the worst first; nothing for none."""
    lines = [line for one in sorted(found, key=lambda one: one.rank)[:LIMIT]
             for line in wrapped(escape(f"{one.place}: {one.text}"), "  ", "      ")]
    rest = [f"  and {len(found) - LIMIT} more"] if len(found) > LIMIT else []
    return "\n".join(["stands out:", *lines, *rest]) if lines else ""
