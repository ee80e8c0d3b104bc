"""A line on the terminal that says how far something long has come."""
import sys
import time

EVERY = 0.2
"""Seconds between two looks."""
MEGABYTE = 10**6


def size_text(size: int) -> str:
    """A number of bytes in the unit that suits it."""
    value, units = float(size), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "bytes" or value >= 100 else f"{value:.1f} {units[0]}"


class Progress:
    """Shows itself on standard error, where that is a terminal."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self._shown = self.start
        self._here = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._here or now - self._shown < EVERY:
            return
        self._shown = now
        rate = done / (now - self.start)
        left = (total - done) / rate if rate else 0
        sys.stderr.write(f"\r{100 * done // max(total, 1):3d} % of {size_text(total)}, {rate / MEGABYTE:.0f} MB/s, "
                         f"{left:.0f} s left\x1b[K")
        sys.stderr.flush()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.start

    def clear(self) -> None:
        """Take the line away."""
        if self._here and self._shown > self.start:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
