"""Colour, for a terminal only."""
import os
from typing import Callable, TextIO

Paint = Callable[[str, str], str]
"""(text, style) to what is printed."""

RED, YELLOW, GREEN, BOLD, DIM = "31;1", "33;1", "32;1", "1", "2"


def plain(text: str, style: str) -> str:
    """No colour."""
    return text


def painted(text: str, style: str) -> str:
    """ANSI colour."""
    return f"\x1b[{style}m{text}\x1b[0m"


def for_stream(stream: TextIO) -> Paint:
    """Colour where the stream is a terminal that has it, and the user has not said NO_COLOR (no-color.org)."""
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return painted if wanted else plain
