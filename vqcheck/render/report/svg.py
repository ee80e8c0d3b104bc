"""Drawings of a queue: the ring as a circle with both sides' indexes on it, and a timeline of its requests."""
import math
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

from ...check.verdict import JoinedRequest, RingView
from ..words import age
from .markup import safe

WIDTH, HEIGHT, MIDDLE, RADIUS, BAND = 900, 380, (450, 190), 128, 22

GAP = 19
"""Pixels between two labels."""

SHARE = 0.55
"""Of the circle, for the part of the ring that is in use where that is small: else nobody could tell four entries of a
thousand apart."""

TIMELINE = 20
"""Requests in a timeline."""

ROW, LEFT, BARS = 22, 220, 520


class Mark(NamedTuple):
    """An index on the circle."""

    place: int
    label: str
    kind: str
    """Class of the drawing: `guest`, `host`, with ` event` behind it for an event index."""


def ring(view: RingView, words: Callable[[int], str]) -> str:
    """The ring: who stands where, what lies between them, and where notifications are asked for."""
    parts = [f'<svg class="ring" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="the ring">',
             f'<circle class="track" cx="{MIDDLE[0]}" cy="{MIDDLE[1]}" r="{RADIUS}" stroke-width="{BAND}"/>']
    parts += [_arc(view, *one) for one in _arcs(view)]
    parts += _labels(view, _marks(view, words))
    lines = [f"{view.layout} ring", f"{view.size} entries"]
    lines += [f"{number} {what}" for what, number in (("returned", view.returned), ("popped", view.popped),
                                                      ("posted", view.posted)) if number]
    for row, line in enumerate(lines):
        parts.append(f'<text class="middle" x="{MIDDLE[0]}" y="{MIDDLE[1] + 20 * row - 10 * (len(lines) - 2)}">'
                     f"{safe(line)}</text>")
    return "".join([*parts, "</svg>"])


def _arcs(view: RingView) -> List[Tuple[int, int, str]]:
    """(from, to, class) of what lies between two indexes."""
    if view.device_used is None or view.device_avail is None:
        return [(view.driver_used, view.driver_used + view.returned, "returned")] if view.returned else []
    return [one for one, number in (((view.driver_used, view.device_used, "returned"), view.returned),
                                    ((view.device_used, view.device_avail, "popped"), view.popped),
                                    ((view.device_avail, view.driver_avail, "posted"), view.posted)) if number]


def _marks(view: RingView, words: Callable[[int], str]) -> List[Mark]:
    posts = "avail_idx" if view.layout == "split" else "next_avail_idx"
    found = [Mark(view.driver_used, f"driver: last_used_idx {words(view.driver_used)}", "guest")]
    if view.used_event is not None:
        found.append(Mark(view.used_event, f"used_event {words(view.used_event)} (interrupt)", "guest event"))
    if view.device_used is not None:
        found.append(Mark(view.device_used, f"device: used_idx {words(view.device_used)}", "host"))
    if view.device_avail is not None:
        found.append(Mark(view.device_avail, f"device: last_avail_idx {words(view.device_avail)}", "host"))
    if view.avail_event is not None:
        found.append(Mark(view.avail_event, f"avail_event {words(view.avail_event)} (kick)", "host event"))
    return [*found, Mark(view.driver_avail, f"driver: {posts} {words(view.driver_avail)}", "guest")]


def in_use(view: RingView) -> int:
    """How many entries lie between the two places of the driver."""
    return (view.driver_avail - view.driver_used) % (2 * view.size if view.layout == "packed" else 0x10000)


def enlarged(view: RingView) -> bool:
    """Whether the part in use is drawn larger than it is."""
    return 0 < in_use(view) < view.size * SHARE / 2


def _angle(view: RingView, place: int) -> float:
    """Of an entry, clockwise; the middle of the part in use is at the top."""
    used = min(in_use(view), view.size)
    share = SHARE if enlarged(view) else used / view.size
    behind = (place - view.driver_used) % view.size
    if place == view.driver_avail or behind < used:
        turn = share * (min(behind or used, used) if place == view.driver_avail else behind) / max(used, 1)
    else:
        turn = share + (1 - share) * (behind - used) / max(view.size - used, 1)
    return 2 * math.pi * (turn - share / 2) - math.pi / 2


def _point(angle: float, radius: float) -> Tuple[float, float]:
    return MIDDLE[0] + radius * math.cos(angle), MIDDLE[1] + radius * math.sin(angle)


def _arc(view: RingView, start: int, end: int, kind: str) -> str:
    first = _angle(view, start)
    span = min((_angle(view, end) - first) % (2 * math.pi) or 2 * math.pi, 2 * math.pi - 0.001)
    (left, top), (right, bottom) = _point(first, RADIUS), _point(first + span, RADIUS)
    large = int(span > math.pi)
    return (f'<path class="{kind}" d="M{left:.1f} {top:.1f}A{RADIUS} {RADIUS} 0 {large} 1 {right:.1f} {bottom:.1f}" '
            f'stroke-width="{BAND}"/>')


def _labels(view: RingView, marks: Sequence[Mark]) -> List[str]:
    """Ticks on the circle, each with its label beside it; labels on a side never overlap."""
    parts = []
    sides: Tuple[List[Tuple[float, Mark]], List[Tuple[float, Mark]]] = ([], [])
    for mark in marks:
        angle = _angle(view, mark.place)
        sides[math.cos(angle) < 0].append((angle, mark))
    for on_left, side in enumerate(sides):
        wanted = sorted(side, key=lambda one: math.sin(one[0]))
        heights = _spread([MIDDLE[1] + (RADIUS + 34) * math.sin(angle) for angle, _ in wanted])
        for (angle, mark), height in zip(wanted, heights):
            parts.append(_label(angle, mark, height, bool(on_left)))
    return parts


def _spread(heights: List[float]) -> List[float]:
    """Heights moved apart, within the picture."""
    for place in range(1, len(heights)):
        heights[place] = max(heights[place], heights[place - 1] + GAP)
    over = heights[-1] - (HEIGHT - 14) if heights else 0
    if over > 0:
        heights[-1] -= over
        for place in reversed(range(len(heights) - 1)):
            heights[place] = min(heights[place], heights[place + 1] - GAP)
    return heights


def _label(angle: float, mark: Mark, height: float, on_left: bool) -> str:
    inner, outer = _point(angle, RADIUS - BAND / 2 - 3), _point(angle, RADIUS + BAND / 2 + 5)
    side = -1 if on_left else 1
    elbow = MIDDLE[0] + side * (RADIUS + 44)
    anchor = "end" if on_left else "start"
    return (f'<g class="{mark.kind}"><line x1="{inner[0]:.1f}" y1="{inner[1]:.1f}" x2="{outer[0]:.1f}" '
            f'y2="{outer[1]:.1f}"/><path class="leader" d="M{outer[0]:.1f} {outer[1]:.1f}L{elbow} {height:.1f}"/>'
            f'<text x="{elbow + side * 4}" y="{height + 4:.1f}" text-anchor="{anchor}">{safe(mark.label)}</text></g>')


def timeline(requests: Sequence[JoinedRequest]) -> Optional[str]:
    """How long each request has waited up to the capture, and since when QEMU has it; None where no age is known."""
    told = [one for one in requests if one.age_ns is not None or one.host_age_ns is not None][:TIMELINE]
    longest = max((max(one.age_ns or 0, one.host_age_ns or 0) for one in told), default=0)
    if longest <= 0:
        return None
    height = ROW * len(told) + 44
    parts = [f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="timeline of the requests">']
    for step in range(5):
        x = LEFT + BARS * step / 4
        behind = age(round(longest * (4 - step) / 4))
        mark = f"-{behind}" if step < 4 else "capture"
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="8" x2="{x:.1f}" y2="{height - 26}"/>'
                     f'<text class="tick" x="{x:.1f}" y="{height - 8}">{safe(mark)}</text>')
    for row, one in enumerate(told):
        parts += _row(one, 10 + ROW * row, longest)
    return "".join([*parts, "</svg>"])


def _row(one: JoinedRequest, top: int, longest: int) -> List[str]:
    what = f"head {one.head} {one.operation or ''}" + (f" {one.bytes} B" if one.bytes is not None else "")
    parts = [f'<text class="what" x="{LEFT - 8}" y="{top + 13}">{safe(what)}</text>']
    for value, kind, offset, size in ((one.age_ns, "guest", 2, 14), (one.host_age_ns, "host", 6, 6)):
        if value is not None:
            width = max(BARS * max(value, 0) / longest, 2)
            parts.append(f'<rect class="bar {kind}" x="{LEFT + BARS - width:.1f}" y="{top + offset}" '
                         f'width="{width:.1f}" height="{size}"/>')
    parts.append(f'<text class="place" x="{LEFT + BARS + 8}" y="{top + 13}">{safe(one.place)}</text>')
    return parts
