"""A finding of the checker as text: what, who, how sure, what it rests on, what to do."""
from typing import List, Optional, Sequence

from ...check.result import EXCLUDED, Cause, Event, Evidence
from ...check.verdict import SUSPECTED, Finding, JoinedRequest
from ..colour import BOLD, Paint, plain
from ..escape import escape
from ..words import LEGEND, WIDTH, age, bullet, labelled, wrapped


def show(finding: Finding, said: str = "", paint: Paint = plain, excluded: bool = False) -> List[str]:
    """Blocks of text; `said` is the headline that was printed already, `excluded` shows ruled out causes too."""
    headline = None if finding.headline == said else finding.headline
    found = [
        "\n".join(labelled([
            ("suspected" if finding.certainty == SUSPECTED else "finding", headline),
            ("rule", f"{finding.rule} {finding.slug} ({finding.severity}; vqcheck explain {finding.rule})"),
            ("blame", finding.blame), ("lost event", event(finding.event)),
            ("confidence", f"{finding.confidence.level}: {finding.confidence.because}")])),
        evidence(finding.evidence, paint)]
    if finding.against:
        suspected = finding.certainty == SUSPECTED
        found.append(bullets("Why it is only suspected" if suspected else "Against it, or not known", finding.against,
                             paint))
    causes = [one for one in finding.causes if excluded or one.rank != EXCLUDED]
    if causes:
        found.append(bullets("What may be behind it, and what would tell", [cause(one) for one in causes], paint))
    if finding.consequences:
        found.append(bullets("Follows from it", [f"{one.rule} {one.slug}: {one.title}" for one in flat(finding)],
                             paint))
    if finding.event is not None:
        found.append(bullets("Which event index is which", [LEGEND], paint))
    if finding.confirm:
        found.append(bullets("What would confirm it", finding.confirm, paint))
    if finding.to_do:
        found.append(numbered("What to do now, gentlest first", finding.to_do, paint))
    return found


def host_age(one: JoinedRequest) -> Optional[str]:
    """How long QEMU has had a request."""
    known = age(one.host_age_ns)
    return f">= {known}" if known and one.host_age_at_least else known


def flat(finding: Finding) -> List[Finding]:
    """All that follows from a finding, directly or not."""
    return [one for direct in finding.consequences for one in (direct, *flat(direct))]


def event(one: Optional[Event]) -> Optional[str]:
    """The lost event in a sentence."""
    if one is None:
        return None
    ring = "used" if one.kind == "interrupt" else "available"
    direction = "device to driver" if one.kind == "interrupt" else "driver to device"
    head = f", head {one.head}" if one.head is not None else ""
    request = f" ({one.request})" if one.request else ""
    through = f", through {one.through}" if one.through else ""
    return f"{one.kind} ({direction}) due for {ring} entry {one.place}{head}{request}{through}"


def evidence(found: Sequence[Evidence], paint: Paint = plain) -> str:
    """What a finding rests on, with both sides' values."""
    lines = [paint("Evidence", BOLD)]
    for one in found:
        lines += bullet(escape(one.says))
        sides = [f"{side}: {escape(value)}" for side, value in (("guest", one.guest), ("host", one.host)) if value]
        together = "  |  ".join(sides)
        if sides and len(together) + 6 <= WIDTH:
            lines.append("      " + together)
        else:
            lines += [line for side in sides for line in wrapped(side, "      ", "        ")]
    return "\n".join(lines)


def cause(one: Cause) -> str:
    """A cause in a sentence."""
    because = f" ({one.because})" if one.because else ""
    rules = f" [{', '.join(one.rules)}]" if one.rules else ""
    return f"{one.rank}: {one.what}{because}. Told by: {one.told_by}{rules}"


def bullets(title: str, items: Sequence[str], paint: Paint = plain) -> str:
    """A list under its title."""
    return "\n".join([paint(title, BOLD), *(line for item in items for line in bullet(escape(item)))])


def numbered(title: str, items: Sequence[str], paint: Paint = plain) -> str:
    """A numbered list under its title."""
    lines = [paint(title, BOLD)]
    for number, item in enumerate(items, 1):
        lines += wrapped(escape(item), f"  {number}. ", "     ")
    return "\n".join(lines)
