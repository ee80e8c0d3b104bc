"""Stacks of the coroutines that carry requests.

Unwinding one takes a debugger 2 or 3 ms, while QEMU may stand still, and a VM whose storage hangs has thousands.
"""
from typing import List, Optional

from ..target.errors import NotSupported
from ..target.target import Target
from .coroutine import stack

OF_QUEUE, OF_PROCESS = 8, 64
"""How many are unwound at most: a hang shows in the few that have waited longest."""


class Stacks:
    """Unwinds coroutines, up to a number of them."""

    def __init__(self, target: Target, most: int = OF_PROCESS, whole: Optional["Stacks"] = None) -> None:
        self._target = target
        self._left = most
        self._whole = whole

    def share(self) -> "Stacks":
        """What of them is there for one queue."""
        return Stacks(self._target, OF_QUEUE, self)

    def of(self, coroutine: int) -> List[str]:
        """Where a coroutine waits.  Raises NotSupported when enough were looked at."""
        self._take()
        return stack(self._target, coroutine)

    def _take(self) -> None:
        if self._left == 0:
            raise NotSupported(f"only {OF_QUEUE} coroutines of a queue are unwound, the longest waiting ones, and "
                               f"{OF_PROCESS} of a QEMU")
        if self._whole is not None:
            self._whole._take()
        self._left -= 1
