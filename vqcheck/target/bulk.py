"""Many small structs in few reads: what lies close together is read at once and answered from there."""
import bisect
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from .errors import Unreadable
from .target import Target
from .through import Through

GAP = 1024
"""Bytes between two structs that are rather read along than left out."""

MAX_SPAN = 1 << 16
"""Bytes of one read at most."""


class Bulk(Through):
    """A target that answers reads of virtual memory from what `load` has read in bulk, all else from another target."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._starts: List[int] = []
        self._spans: Dict[int, bytes] = {}

    def load(self, addresses: Iterable[int], size: int) -> None:
        """Read structs of one size ahead.  What can't be read is left to the reads that ask for it."""
        missing = sorted(address for address in set(addresses) if address and self._loaded(address, size) is None)
        for start, end in _runs(missing, size):
            try:
                self._spans[start] = self.target.read(start, end - start)
            except Unreadable:
                continue
            bisect.insort(self._starts, start)

    def _loaded(self, address: int, size: int) -> Optional[bytes]:
        at = bisect.bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        start = self._starts[at]
        raw = self._spans[start][address - start:address - start + size]
        return raw if len(raw) == size else None

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        found = None if physical else self._loaded(address, size)
        return self.target.read(address, size, physical) if found is None else found


def _runs(addresses: Sequence[int], size: int) -> Iterable[Tuple[int, int]]:
    """Spans [start, end) that cover structs at ascending addresses."""
    start = end = 0
    for address in addresses:
        if end and address - end <= GAP and address + size - start <= MAX_SPAN:
            end = address + size
            continue
        if end:
            yield start, end
        start, end = address, address + size
    if end:
        yield start, end
