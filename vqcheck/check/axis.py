"""Places in a ring as numbers on a circle, so that split and packed rings are judged by one arithmetic.

In a split ring they are the free-running indexes, modulo 2**16.  In a packed ring a place is an offset and a wrap
counter: two laps of the ring make the circle.

Source: virtio 1.2, 2.7 and 2.8; Linux include/uapi/linux/virtio_ring.h, vring_need_event().
"""
from typing import NamedTuple, Optional

from ..virtio import packed
from ..virtio.packed import Position


class Axis(NamedTuple):
    """The circle on which a queue's indexes move.

    size: entries of the queue; no two of its indexes can be further apart.
    packed: whether places are positions in a packed ring.
    """

    size: int
    packed: bool

    @property
    def circle(self) -> int:
        """After so many steps an index is where it was."""
        return 2 * self.size if self.packed else 0x10000

    def distance(self, newer: int, older: int) -> int:
        """How many entries (packed: descriptors) lie between two places."""
        return (newer - older) % self.circle

    def signed(self, newer: int, older: int) -> int:
        """The same, negative where `newer` is in fact the older one."""
        apart = self.distance(newer, older)
        return apart - self.circle if apart > self.circle // 2 else apart

    def crossed(self, event: int, new: int, old: int) -> bool:
        """vring_need_event(): whether moving from `old` to `new` crosses `event`, which then lies in [old, new)."""
        return self.distance(event, old) < self.distance(new, old)

    def place(self, offset: int, wrap: Optional[bool] = None) -> int:
        """The number of a place: a split ring's index as it is, a packed ring's offset with its wrap counter."""
        return offset if wrap is None or wrap else offset + self.size

    def event(self, word: int) -> int:
        """The number of an off_wrap word of a packed ring's event suppression area."""
        where = packed.decode_position(word)
        return self.place(where.offset, bool(where.wrap))

    def words(self, place: int) -> str:
        """How people write a place: `43932`, or in a packed ring `12:1`, its offset and wrap counter."""
        if not self.packed:
            return str(place)
        where = self.position(place)
        return f"{where.offset}:{where.wrap}"

    def position(self, place: int) -> Position:
        """The place as a position in a packed ring."""
        return Position(place % self.size, int(place < self.size))
