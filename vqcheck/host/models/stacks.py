"""Stacks of the coroutines that carry requests; unwinding one takes a debugger some time."""
from typing import List

from ...target.errors import NotSupported
from ...target.target import Target
from ..coroutine import stack

MOST = 64
"""Coroutines of one device that are unwound: a hang shows in the first few."""


class Stacks:
    """Unwinds coroutines, up to a number of them."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._left = MOST

    def of(self, coroutine: int) -> List[str]:
        """Where a coroutine waits.  Raises NotSupported when enough were looked at."""
        if self._left == 0:
            raise NotSupported(f"only {MOST} coroutines of a device are unwound")
        self._left -= 1
        return stack(self._target, coroutine)
