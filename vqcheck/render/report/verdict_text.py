"""The verdict as text: what it is in the first line, then the two sides next to each other, evidence, what to do."""
from typing import Any, Dict, List, Sequence, Tuple

from ...check.verdict import CANNOT_JUDGE, FAULT, HEALTHY, SHOWN, Finding, QueueVerdict, Verdict
from ..colour import BOLD, GREEN, RED, YELLOW, Paint, plain
from ..escape import escape
from ..tables import table
from ..wide import fitting
from ..words import age, plural, wrapped
from . import finding_text
from .finding_text import bullets, host_age

STATUS = {FAULT: "FAULT", CANNOT_JUDGE: "CANNOT JUDGE", HEALTHY: "HEALTHY"}
COLOUR = {FAULT: RED, CANNOT_JUDGE: YELLOW, HEALTHY: GREEN}

QUESTIONS = ("", "answer", "guest", "host")

REQUESTS = ("head", "place", "op", "bytes", "sector", "tag", "waits", "QEMU\nhas it", "QEMU: who has it")

WORST_FIRST = {FAULT: 0, CANNOT_JUDGE: 1, HEALTHY: 2}

DETAIL_LIMIT = 20
"""Queues told in full, unless all are asked for; healthy ones are only named, or counted."""

REQUEST_LIMIT = 10
"""Requests of a queue that are listed."""


def show(verdict: Verdict, verbose: bool = False, every: bool = False, paint: Paint = plain) -> str:
    """The verdict in full, the worst queue first.

    verbose: every rule that was tried, and why it does not hold.
    every: all queues in full, those that are well too, after a summary.
    """
    blocks = [_first_line(verdict, paint)]
    queues = sorted(verdict.queues, key=lambda one: (WORST_FIRST[one.status], _severity(one)))
    if every or len(queues) > DETAIL_LIMIT:
        blocks.append(_summary(queues))
    for finding in verdict.findings:
        blocks += finding_text.show(finding, verdict.headline, paint, verbose)
    told = queues if every or len(queues) == 1 else [one for one in queues if one.status != HEALTHY][:DETAIL_LIMIT]
    for queue in told:
        blocks += _queue(queue, len(queues) == 1, verbose, paint)
    if not told and len(queues) <= DETAIL_LIMIT:
        blocks.append(table([(*_where(one), one.headline) for one in queues], ("device", "queue", "role", "")))
    if len(told) < len(queues):
        blocks.append(f"{len(told)} of {plural(len(queues), 'queue')} told in full; --all tells every one.")
    if verdict.reasons:
        blocks.append(bullets("Of the captures as a whole", verdict.reasons, paint))
    return "\n\n".join(blocks) + "\n"


def _first_line(verdict: Verdict, paint: Paint) -> str:
    lines = wrapped(f"{STATUS[verdict.status]}: {escape(verdict.headline)}", "", "    ")
    word = STATUS[verdict.status]
    return "\n".join([paint(word, COLOUR[verdict.status]) + lines[0][len(word):], *lines[1:]])


def _severity(queue: QueueVerdict) -> int:
    order = ("critical", "high", "medium", "note")
    return min((order.index(one.severity) for one in queue.findings), default=len(order))


def _summary(queues: Sequence[QueueVerdict]) -> str:
    """How many queues of each status, and which rules hold how often."""
    counts = ", ".join(f"{sum(one.status == status for one in queues)} {STATUS[status].lower()}" for status in STATUS)
    lines = [f"{plural(len(queues), 'queue')} ({counts})"]
    rules: Dict[Tuple[str, str, str], List[QueueVerdict]] = {}
    for queue in queues:
        for one in queue.findings:
            rules.setdefault((one.rule, one.slug, one.certainty), []).append(queue)
    if rules:
        rows = [(rule, slug, certainty, len(found), escape(f"{found[0].guest_device} queue {found[0].queue_index}"))
                for (rule, slug, certainty), found in sorted(rules.items(), key=lambda item: -len(item[1]))]
        lines += ["", table(rows, ("rule", "", "", "queues", "for one"))]
    return "\n".join(lines)


def _where(queue: QueueVerdict) -> Tuple[str, int, str]:
    """The device by both its names, the queue's index and what it is for."""
    return f"{escape(queue.guest_device)} = {escape(queue.host_device)}", queue.queue_index, escape(queue.role)


def _queue(queue: QueueVerdict, alone: bool, verbose: bool, paint: Paint) -> List[str]:
    blocks: List[str] = []
    if not alone:
        where = f"{escape(queue.guest_device)} = {escape(queue.host_device)}, queue {queue.queue_index}"
        blocks.append("\n".join(wrapped(f"{where}: {STATUS[queue.status]}: {escape(queue.headline)}", "== ", "    ")))
    if queue.answers and (queue.status != HEALTHY or alone or verbose):
        blocks.append(table([(one.question, one.answer, one.guest, one.host) for one in queue.answers], QUESTIONS))
    if queue.requests and queue.status != HEALTHY:
        blocks.append(_requests(queue, paint))
    for finding in _told(queue, verbose):
        blocks += finding_text.show(finding, queue.headline, paint, verbose)
    if queue.reasons:
        titles = {FAULT: "Also on this queue", CANNOT_JUDGE: "Why it can't be judged", HEALTHY: "What is under way"}
        blocks.append(bullets(titles[queue.status], queue.reasons, paint))
    if verbose:
        blocks.append(_judged(queue, paint))
    return blocks


def _told(queue: QueueVerdict, verbose: bool) -> List[Finding]:
    """The findings that are told in full: beside a fault that is shown, or the first suspicion, others are a line."""
    if verbose:
        return queue.findings
    shown = [one for one in queue.findings if one.certainty == SHOWN]
    return shown or queue.findings[:1]


def _requests(queue: QueueVerdict, paint: Paint) -> str:
    rows: List[Sequence[Any]] = [(one.head, one.place, one.operation, one.bytes, one.sector, one.tag,
                                  age(one.age_ns), host_age(one), one.holder)
                                 for one in queue.requests[:REQUEST_LIMIT]]
    more = len(queue.requests) - REQUEST_LIMIT
    return "\n".join([paint("Requests that the guest waits for, oldest first", BOLD), fitting(rows, REQUESTS),
                      *([f"and {more} more"] if more > 0 else [])])


def _judged(queue: QueueVerdict, paint: Paint) -> str:
    lines = [paint("Rules that were tried", BOLD)]
    for one in queue.judged:
        lines += wrapped(escape(f"{one.rule:<4} {one.outcome}: {one.why}"), "  ", "       ")
    return "\n".join(lines)


