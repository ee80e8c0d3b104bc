"""Small pieces of wording that both sides' texts share."""
import textwrap
from typing import Any, Iterable, List, Optional, Sequence

from ..snapshot.model import Device, Queue, Snapshot
from ..virtio.features import EVENT_IDX, has, status_names
from .escape import escape, shortened

WIDTH = 100

WARNINGS = 8
"""Warnings of a capture shown at most: a live guest moves under the eyes in many places."""

LEGEND = ("used_event: written by the driver, read by the device; gates interrupts (device to driver).  "
          "avail_event: written by the device, read by the driver; gates kicks (driver to device).")
"""Which way the two event indexes go; the names mislead."""


def plural(count: int, one: str, many: Optional[str] = None) -> str:
    """`1 entry`, `4 entries`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def slashed(*values: Any) -> str:
    """Several readings of one thing: `43936/-`."""
    return "/".join("-" if value is None else str(value) for value in values)


def listed(values: Sequence[Any], limit: int = 16) -> str:
    """`3, 7, 9`, and how many more there are."""
    text = ", ".join(str(value) for value in values[:limit])
    return text if len(values) <= limit else f"{text} and {len(values) - limit} more"


def yes_no(value: Optional[bool], yes: str = "yes", no: str = "no") -> Optional[str]:
    """A bool in words, and None for unknown."""
    return None if value is None else (yes if value else no)


def age(nanoseconds: Optional[int]) -> Optional[str]:
    """A time span in the unit that suits it."""
    if nanoseconds is None:
        return None
    seconds = nanoseconds / 1e9
    if abs(seconds) < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 600:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def wrapped(text: str, first: str = "", rest: str = "") -> List[str]:
    """A sentence as lines that fit the terminal; `first` and `rest` lead them."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest,
                         break_long_words=False, break_on_hyphens=False) or [first.rstrip()]


def bullet(text: str) -> List[str]:
    """A sentence as an item of a list."""
    return wrapped(text, "  * ", "    ")


def labelled(pairs: Iterable[Sequence[Optional[str]]]) -> List[str]:
    """`label  value` lines; a value that is None is left out."""
    return [line for label, value in pairs if value is not None
            for line in wrapped(escape(value), f"  {label or '':<12}", " " * 14)]


def headline(*parts: Optional[str]) -> List[str]:
    """A device's first line: what it is called and where it sits; what would be said twice is said once."""
    return wrapped(", ".join(dict.fromkeys(shortened(part) for part in parts if part)), "", "    ")


def title(snapshot: Snapshot) -> List[str]:
    """Who was read, how, when and by what, and what makes it less trustworthy than others."""
    target, capture, producer = snapshot.target, snapshot.capture, snapshot.producer
    system = ", ".join(filter(None, (target.release, target.machine)))
    who = [snapshot.side, target.name, system and f"({system})", target.pid is not None and f"pid {target.pid}"]
    how = [capture.method, capture.source, capture.time and f"at {capture.time}",
           capture.time_source and f"({capture.time_source})"]
    made = f"{producer.name} {producer.version}" + (f" in {producer.debugger}" if producer.debugger else "")
    text = ", ".join((_words(who), _words(how), shortened(made)))
    lines = wrapped(text, "", "    ")
    warnings = capture.warnings or []
    for warning in warnings[:WARNINGS]:
        lines += wrapped(f"WARNING: {shortened(warning, 600)}", "", "    ")
    if len(warnings) > WARNINGS:
        lines.append(f"WARNING: and {len(warnings) - WARNINGS} more of these (all are in the JSON form)")
    if capture.observation is not None:
        stuck = "seen stuck" if capture.observation.stuck else "not seen stuck"
        lines += wrapped(f"{stuck}: {shortened(capture.observation.note, 600)}", "    ", "    ")
    return lines


def _words(parts: Sequence[Any]) -> str:
    return " ".join(shortened(str(part)) for part in parts if part)


def status_text(status: Optional[int]) -> Optional[str]:
    """The status byte with the names of its bits."""
    return None if status is None else f"{status} ({' '.join(status_names(status)) or 'none set'})"


def features_text(device: Device) -> Optional[str]:
    """The feature mask with the names of its bits."""
    if device.features is None:
        return None
    offered = device.features.offered
    extra = "" if offered is None else f"; offered {int(offered):#x}"
    return f"{int(device.features.negotiated):#x} ({' '.join(device.features.names) or 'none'}){extra}"


def bus_text(device: Device) -> str:
    """`pci 0000:00:07.0`."""
    return "-" if device.bus is None else f"{device.bus.type} {device.bus.address or '-'}"


def bus_short(device: Device) -> Optional[str]:
    """As `bus_text`, without the word that every PCI address would repeat."""
    return device.bus.address if device.bus is not None and device.bus.type == "pci" else bus_text(device)


def event_idx(device: Device) -> Optional[bool]:
    """Whether EVENT_IDX was negotiated; None when the features are not known."""
    return None if device.features is None else has(device.features.negotiated, EVENT_IDX)


def queue_title(queue: Queue) -> str:
    """`queue 0 (req.0)`."""
    return f"queue {queue.queue_index}" + (f" ({shortened(queue.name, 40)})" if queue.name else "")


def ranges(values: Iterable[int], limit: int = 16) -> str:
    """`0-3, 8`, and how many more ranges there are."""
    found: List[List[int]] = []
    for value in sorted(set(values)):
        if found and value == found[-1][1] + 1:
            found[-1][1] = value
        else:
            found.append([value, value])
    return listed([f"{first}" if first == last else f"{first}-{last}" for first, last in found], limit)


def hexadecimal(value: Optional[int]) -> Optional[str]:
    """An address or a mask; None for unknown."""
    return None if value is None else f"{int(value):#x}"
