"""A driver and a device that share a packed ring: what the tests of packed rings compare with.

They keep books of their own, in unbounded counts, and never ask the code under test where they stand.
"""
from typing import Dict, List

from vqcheck.virtio.packed import DESC_F_AVAIL, DESC_F_NEXT, DESC_F_USED, DESC_F_WRITE, Descriptor, Position


class PackedRing:
    """Both sides of one queue; `added`, `taken`, `used` and `consumed` count descriptors since the beginning."""

    def __init__(self, num: int) -> None:
        self.num = num
        self.ring = [Descriptor(0, 0, 0, 0)] * num
        self.lengths: Dict[int, int] = {}
        self.posted: List[int] = []
        self.held: List[int] = []
        self.returned: List[int] = []
        self.added = self.taken = self.used = self.consumed = 0

    def position(self, count: int) -> Position:
        return Position(count % self.num, 1 - count // self.num % 2)

    def add(self, length: int) -> bool:
        """The driver makes a buffer available, if there is room."""
        if self.added + length - self.consumed > self.num:
            return False
        buffer_id = min(set(range(self.num)) - set(self.lengths))
        for element in range(length):
            place, wrap = self.position(self.added)
            flags = DESC_F_AVAIL if wrap else DESC_F_USED
            flags |= DESC_F_NEXT if element < length - 1 else 0
            self.ring[place] = Descriptor(0x1000 * element, 512, buffer_id, flags)
            self.added += 1
        self.lengths[buffer_id] = length
        self.posted.append(buffer_id)
        return True

    def take(self) -> None:
        """The device pops a buffer."""
        if self.posted:
            self.held.append(self.posted.pop(0))
            self.taken += self.lengths[self.held[-1]]

    def give_back(self, which: int) -> None:
        """The device returns one of those that it holds, in any order."""
        if self.held:
            self._write_used([self.held.pop(which % len(self.held))])

    def give_back_batch(self, count: int) -> None:
        """The device returns the oldest that it holds, with one used descriptor for all (IN_ORDER)."""
        batch, self.held = self.held[:count], self.held[count:]
        if batch:
            self._write_used(batch)

    def _write_used(self, batch: List[int]) -> None:
        place, wrap = self.position(self.used)
        flags = DESC_F_WRITE | (DESC_F_AVAIL | DESC_F_USED if wrap else 0)
        self.ring[place] = Descriptor(0, 4096, batch[-1], flags)
        self.used += sum(self.lengths[one] for one in batch)
        self.returned += batch

    def consume(self) -> None:
        """The driver takes the oldest returned buffer back."""
        if self.returned:
            self.consumed += self.lengths.pop(self.returned.pop(0))
