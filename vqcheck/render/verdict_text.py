"""The verdict as text: what it is in the first line, then the two sides next to each other, evidence, what to do."""
from typing import List, Optional, Sequence

from ..check.verdict import CANNOT_JUDGE, FAULT, HEALTHY, Event, Finding, QueueVerdict, Verdict
from .escape import escape
from .tables import table
from .words import LEGEND, bullet, labelled, plural, wrapped

STATUS = {FAULT: "FAULT", CANNOT_JUDGE: "CANNOT JUDGE", HEALTHY: "HEALTHY"}

QUESTIONS = ("", "answer", "guest", "host")

WORST_FIRST = {FAULT: 0, CANNOT_JUDGE: 1, HEALTHY: 2}

DETAIL_LIMIT = 20
"""Queues told in full; of more than that the healthy ones are only counted."""


def show(verdict: Verdict, healthy: bool = True) -> str:
    """The verdict in full, the worst queue first; without `healthy` queues that are well are only counted."""
    blocks = ["\n".join(wrapped(f"{STATUS[verdict.status]}: {escape(verdict.headline)}", "", "    "))]
    queues = sorted(verdict.queues, key=lambda one: WORST_FIRST[one.status])
    all_told = len(queues) == 1 or (healthy and len(queues) <= DETAIL_LIMIT)
    told = queues if all_told else [one for one in queues if one.status != HEALTHY][:DETAIL_LIMIT]
    for queue in told:
        blocks += _queue(queue, alone=len(queues) == 1)
    if len(told) < len(queues):
        blocks.append(_counted(queues, len(told)))
    if verdict.reasons:
        blocks.append(_bullets("Of the two snapshots as a whole", verdict.reasons))
    return "\n\n".join(blocks) + "\n"


def _counted(queues: Sequence[QueueVerdict], told: int) -> str:
    counts = ", ".join(f"{sum(one.status == status for one in queues)} {STATUS[status].lower()}" for status in STATUS)
    return f"{plural(len(queues), 'queue')} in all ({counts}); {told} told in full."


def _queue(queue: QueueVerdict, alone: bool) -> List[str]:
    blocks: List[str] = []
    if not alone:
        where = f"{escape(queue.guest_device)} = {escape(queue.host_device)}, queue {queue.queue_index}"
        blocks.append("\n".join(wrapped(f"{where}: {STATUS[queue.status]}: {escape(queue.headline)}", "== ", "    ")))
    if queue.answers:
        blocks.append(table([(one.question, one.answer, one.guest, one.host) for one in queue.answers], QUESTIONS))
    for finding in queue.findings:
        blocks += _finding(finding, queue.headline)
    if queue.reasons:
        titles = {FAULT: "Also on this queue", CANNOT_JUDGE: "Why it can't be judged", HEALTHY: "What is under way"}
        blocks.append(_bullets(titles[queue.status], queue.reasons))
    return blocks


def _finding(finding: Finding, said: str) -> List[str]:
    headline = None if finding.headline == said else finding.headline
    blocks = [
        "\n".join(labelled([("finding", headline), ("rule", finding.rule), ("blame", finding.blame),
                            ("lost event", _event(finding.event)), ("confidence", finding.confidence)])),
        _bullets("Evidence", [f"{one.fields}: {one.says}" for one in finding.evidence]),
    ]
    if finding.against:
        blocks.append(_bullets("Against it, or not known", finding.against))
    if finding.causes:
        blocks.append(_bullets("What may be behind it, and what would tell",
                               [f"{one.what}. Told by: {one.told_by}" for one in finding.causes]))
    if finding.event is not None:
        blocks.append(_bullets("Which event index is which", [LEGEND]))
    blocks.append(_numbered("What to do now, gentlest first", finding.actions))
    return blocks


def _event(event: Optional[Event]) -> Optional[str]:
    if event is None:
        return None
    ring = "used" if event.kind == "interrupt" else "available"
    direction = "device to driver" if event.kind == "interrupt" else "driver to device"
    head = f", head {event.head}" if event.head is not None else ""
    request = f" ({event.request})" if event.request else ""
    through = f", through {event.through}" if event.through else ""
    return f"{event.kind} ({direction}) due for {ring} entry {event.idx}{head}{request}{through}"


def _bullets(title: str, items: Sequence[str]) -> str:
    return "\n".join([title, *(line for item in items for line in bullet(escape(item)))])


def _numbered(title: str, items: Sequence[str]) -> str:
    lines = [title]
    for number, item in enumerate(items, 1):
        lines += wrapped(escape(item), f"  {number}. ", "     ")
    return "\n".join(lines)
