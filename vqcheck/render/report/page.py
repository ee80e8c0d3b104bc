"""The verdict as one self-contained HTML page: no script, no network, the ring drawn as a circle."""
import pathlib
from typing import Dict, List, Optional, Sequence

from ...check.axis import Axis
from ...check.report import Report
from ...check.result import EXCLUDED
from ...check.rule import SEVERITIES
from ...check.verdict import FAULT, HEALTHY, SHOWN, WORST_FIRST, Finding, QueueVerdict
from ...snapshot.model import Producer
from ..words import age
from . import svg
from .finding_text import cause, event, flat, host_age
from .markup import bullets, safe, table

STYLE = pathlib.Path(__file__).with_name("page.css")

STATUS: Dict[str, str] = {FAULT: "fault", HEALTHY: "healthy"}

DETAIL_LIMIT = 200
"""Queues told in full; a page of thousands would be too much for a browser, and for people."""

QUESTIONS = ("", "answer", "guest", "host")
REQUESTS = ("head", "place", "operation", "bytes", "sector", "tag", "waits", "QEMU has it", "who has it in QEMU")


def show(report: Report) -> str:
    """The page of one VM."""
    return _page(report.status, report.headline, body(report), report.producer)


def show_fleet(vms: Sequence["tuple[str, Report]"]) -> str:
    """One page of many VMs, the worst first."""
    order = sorted(enumerate(vms), key=lambda one: WORST_FIRST.index(one[1][1].status))
    counts = ", ".join(f"{sum(report.status == status for _, report in vms)} {status}" for status in WORST_FIRST)
    rows = [f'<tr class="{_class(report.status)}"><td><a href="#vm{place}">{safe(name)}</a></td>'
            f"<td>{safe(report.status)}</td><td>{safe(report.headline)}</td></tr>" for place, (name, report) in order]
    table_of_vms = ("<section><table><thead><tr><th>VM</th><th>status</th><th></th></tr></thead><tbody>" + "".join(rows)
                    + "</tbody></table></section>")
    parts = [f'<section id="vm{place}"><h2>{safe(name)}: {safe(report.status)}</h2>'
             f'{body(report, f"vm{place}-")}</section>' for place, (name, report) in order if report.status != HEALTHY]
    status = order[0][1][1].status if order else HEALTHY
    producer = vms[0][1].producer if vms else None
    return _page(status, f"{len(vms)} VMs: {counts}", table_of_vms + "".join(parts[:DETAIL_LIMIT]), producer)


def _page(status: str, headline: str, content: str, producer: Optional[Producer]) -> str:
    style = STYLE.read_text(encoding="utf-8")
    made = f"{producer.name} {producer.version}" if producer else "vqcheck"
    return "".join([
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{safe(f'vqcheck: {status}: {headline}')}</title><style>{style}</style></head><body>",
        f'<header class="{_class(status)}"><p class="status">{safe(status.upper().replace("-", " "))}</p>'
        f"<h1>{safe(headline)}</h1></header><main>", content, f"</main><footer>{safe(made)}</footer></body></html>\n"])


def body(report: Report, prefix: str = "") -> str:
    """What a page says of one VM; `prefix` keeps the anchors of several VMs apart."""
    queues = sorted(enumerate(report.queues), key=lambda one: WORST_FIRST.index(one[1].status))
    told = [one for one in queues if one[1].status != HEALTHY] or queues[:1]
    parts = [_captures(report)]
    if len(queues) > 1:
        parts.append(_overview(queues, prefix))
    parts += [_finding(one) for one in report.findings]
    parts += [_queue(f"{prefix}queue{place}", one, len(queues) == 1) for place, one in told[:DETAIL_LIMIT]]
    if len(told) > DETAIL_LIMIT:
        parts.append(f"<p>{len(told) - DETAIL_LIMIT} more queues are in the text and JSON reports.</p>")
    if report.reasons:
        parts.append("<section><h2>Of the captures as a whole</h2>" + bullets(report.reasons) + "</section>")
    return "".join(parts)


def _class(status: str) -> str:
    return STATUS.get(status, "unsure")


def _captures(report: Report) -> str:
    rows = [(one.side, one.target, one.method, one.time, one.file) for one in report.captures]
    return "<section>" + table(("side", "of", "captured", "at", "file"), rows, "captures") + "</section>"


def _overview(queues: Sequence["tuple[int, QueueVerdict]"], prefix: str) -> str:
    """Counts, and the queues that are not healthy."""
    counts = [f"{sum(one.status == status for _, one in queues)} {status}" for status in WORST_FIRST]
    rows = []
    for place, one in queues[:DETAIL_LIMIT]:
        name = f"{one.guest_device} = {one.host_device}, queue {one.queue_index} ({one.role})"
        link = f'<a href="#{prefix}queue{place}">{safe(name)}</a>' if one.status != HEALTHY else safe(name)
        rules = ", ".join(f"{finding.rule} {finding.slug}" for finding in one.findings)
        rows.append(f'<tr class="{_class(one.status)}"><td>{link}</td><td>{safe(one.status)}</td><td>{safe(rules)}</td>'
                    f"<td>{safe(one.headline)}</td></tr>")
    more = "" if len(queues) <= DETAIL_LIMIT else f"<p>and {len(queues) - DETAIL_LIMIT} more</p>"
    return (f"<section><h2>{len(queues)} queues: {safe(', '.join(counts))}</h2><table><thead><tr><th>queue</th>"
            "<th>status</th><th>rules</th><th></th></tr></thead><tbody>" + "".join(rows) + f"</tbody></table>{more}"
            "</section>")


def _queue(anchor: str, queue: QueueVerdict, alone: bool) -> str:
    name = f"{queue.guest_device} = {queue.host_device}, queue {queue.queue_index}"
    parts = [f'<section id="{anchor}" class="queue {_class(queue.status)}"><h2>{safe(name)} '
             f'<span class="role">{safe(queue.role)}</span></h2>'
             + ("" if alone else f'<p class="headline">{safe(queue.headline)}</p>')]
    if queue.ring is not None:
        axis = Axis(queue.ring.size, queue.ring.layout == "packed")
        larger = "  The part in use is drawn larger." if svg.enlarged(queue.ring) else ""
        parts.append(f"<figure>{svg.ring(queue.ring, axis.words)}<figcaption>{LEGEND}{larger}</figcaption></figure>")
    if queue.answers:
        parts.append(table(QUESTIONS, queue.answers, "answers"))
    parts += [_finding(one, queue.headline) for one in _told(queue)]
    if queue.requests:
        parts.append(_requests(queue))
    if queue.reasons:
        parts.append("<h3>" + ("Also on this queue" if queue.status == FAULT else "What else there is to say") + "</h3>"
                     + bullets(queue.reasons))
    if queue.judged:
        rows = [(one.rule, one.outcome, one.why) for one in queue.judged]
        parts.append("<details><summary>Every rule that was tried</summary>" + table(("rule", "outcome", "why"), rows)
                     + "</details>")
    return "".join([*parts, "</section>"])


LEGEND = ('<span class="key guest">the driver&#x27;s</span> <span class="key host">the device&#x27;s</span> '
          '<span class="key returned">returned, not consumed</span> '
          '<span class="key popped">popped, not returned</span> <span class="key posted">posted, not popped</span> '
          "<br>Dashed: where a notification is asked for.")


def _told(queue: QueueVerdict) -> List[Finding]:
    shown = [one for one in queue.findings if one.certainty == SHOWN]
    return shown or queue.findings[:1]


def _requests(queue: QueueVerdict) -> str:
    drawn = svg.timeline(queue.requests)
    figure = f"<figure>{drawn}<figcaption>{TIMES}</figcaption></figure>" if drawn else ""
    rows = [(one.head, one.place, one.operation, one.bytes, one.sector, one.tag, age(one.age_ns), host_age(one),
             one.holder) for one in queue.requests[:svg.TIMELINE]]
    more = len(queue.requests) - svg.TIMELINE
    return ("<h3>Requests that the guest waits for, oldest first</h3>" + figure + table(REQUESTS, rows)
            + (f"<p>and {more} more</p>" if more > 0 else ""))


TIMES = ('<span class="key guest">the guest waits</span> <span class="key host">QEMU has it</span> '
         "Up to the capture, each by its own clock.")


def _finding(finding: Finding, said: str = "") -> str:
    rank = SEVERITIES.index(finding.severity)
    parts = [f'<article class="finding severity{rank} {safe(finding.certainty)}"><h3><code>{safe(finding.rule)}</code> '
             f'{safe(finding.title)} <span class="role">{safe(finding.severity)}, {safe(finding.certainty)}</span></h3>'
             + (f"<p>{safe(finding.headline)}</p>" if finding.headline != said else "") + "<dl>"]
    parts += [f"<dt>{name}</dt><dd>{safe(value)}</dd>" for name, value in (
        ("blame", finding.blame), ("lost event", event(finding.event)),
        ("confidence", f"{finding.confidence.level}: {finding.confidence.because}")) if value]
    parts.append("</dl>")
    if finding.to_do:
        parts.append('<div class="todo"><h4>What to do now, gentlest first</h4>' + bullets(finding.to_do, "ol")
                     + "</div>")
    parts.append("<h4>Evidence</h4>" + table(("what it says", "guest", "host"), finding.evidence, "evidence"))
    causes = [cause(one) for one in finding.causes if one.rank != EXCLUDED]
    for title, items in (("Against it, or not known", finding.against), ("What may be behind it", causes),
                         ("What would confirm it", finding.confirm),
                         ("Follows from it", [f"{one.rule} {one.title}" for one in flat(finding)])):
        if items:
            parts.append(f"<h4>{title}</h4>" + bullets(items))
    if finding.references:
        parts.append("<details><summary>References</summary>" + bullets(finding.references) + "</details>")
    return "".join([*parts, "</article>"])
