"""What time it was for QEMU: the clock by which it notes when a request began.

Source: QEMU block/accounting.c (block_acct_start(): QEMU_CLOCK_REALTIME, which is CLOCK_MONOTONIC),
include/block/accounting.h (struct BlockAcctStats).
"""
from typing import Iterator, Optional

from ..target.errors import NotSupported, TargetError
from ..target.target import Target
from ..target.view import View
from .qobject import chain


class Clock:
    """Nanoseconds of CLOCK_MONOTONIC at the capture.

    A core does not hold the time: there it is the latest that is found in QEMU's memory, so that ages are at least
    what they are said to be.
    """

    def __init__(self, target: Target) -> None:
        self.exact = target.identity().monotonic_ns is not None
        self.now: Optional[int] = target.identity().monotonic_ns
        if not self.exact:
            self._search(target)

    def _search(self, target: Target) -> None:
        try:
            for backend in block_backends(target):
                self.saw(backend.sint("stats.last_access_time_ns"))
        except TargetError:
            pass

    def saw(self, moment: int) -> None:
        """Note a time that is past."""
        if not self.exact and moment > 0:
            self.now = max(self.now or 0, moment)

    def age(self, start: int) -> int:
        """How long ago that was.  Raises NotSupported where it can't be told."""
        if start <= 0:
            raise NotSupported("QEMU did not note when it began")
        if self.now is None or (not self.exact and self.now <= start):
            raise NotSupported("a core does not hold the time, and nothing in QEMU's memory is known to be later")
        return max(0, self.now - start)


def block_backends(target: Target) -> Iterator[View]:
    """All BlockBackends of the process."""
    return chain(target, target.read_pointer(target.address_of("block_backends")), "struct BlockBackend",
                 "link.tqe_next")
