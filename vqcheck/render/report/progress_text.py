"""What moved between two captures of one side, as text."""
from typing import List

from ...check.progress import IDLE, MOVED, STANDS, Progress, QueueProgress
from ..escape import escape
from ..tables import table
from ..words import plural, ranges, wrapped

LIMIT = 40
"""Queues that are told in full."""


def show(progress: Progress) -> str:
    """The first line says what stands still with work to do."""
    stuck = [one for one in progress.queues if one.state == STANDS]
    moved = [one for one in progress.queues if one.state == MOVED]
    others = [one for one in progress.queues if one.state not in (STANDS, MOVED, IDLE)]
    span = "a time that is not known" if progress.seconds is None else f"{progress.seconds:.1f} s"
    idle = len(progress.queues) - len(stuck) - len(moved) - len(others)
    counts = [f"{plural(len(stuck), 'queue')} with work to do and standing still", f"{len(moved)} moved",
              f"{idle} idle"]
    lines = wrapped(f"In {span} on the {progress.side}'s side: {', '.join(counts)}", "", "    ")
    if progress.swapped:
        lines.append("(the second file is the earlier capture)")
    blocks = ["\n".join(lines)]
    blocks += [_queue(one) for one in (stuck + moved + others)[:LIMIT]]
    if len(stuck + moved + others) > LIMIT:
        blocks.append(f"and {len(stuck + moved + others) - LIMIT} more queues")
    if progress.process:
        rows = [(escape(one.field), escape(one.before), escape(one.after)) for one in progress.process]
        blocks.append("Besides\n" + table(rows, ("", "before", "after")))
    return "\n\n".join(blocks) + "\n"


def _queue(one: QueueProgress) -> str:
    lines = [f"{escape(one.device)} queue {one.queue_index}: {one.state}"]
    if one.changes:
        rows = [(change.field, escape(change.before), escape(change.after), change.by) for change in one.changes]
        lines.append(table(rows, ("field", "before", "after", "moved by")))
    lines += _heads(one)
    return "\n".join(lines)


def _heads(one: QueueProgress) -> List[str]:
    lines: List[str] = []
    for what, heads in (("the same requests are still there: head", one.stayed), ("gone: head", one.went),
                        ("new: head", one.came)):
        if heads:
            lines += wrapped(f"{what} {ranges(heads)}", "  ", "    ")
    return lines
