"""Kinds of numbers in a snapshot.

`Hex` values are written as hex strings: addresses and bit masks go beyond what JavaScript and jq hold exactly.  The
others are JSON integers with a range; to mypy they are plain ints.
"""
from typing import TYPE_CHECKING, Optional


class Hex(int):
    """An address or a bit mask: up to 128 bits, written as a hex string."""

    def __repr__(self) -> str:
        return f"{int(self):#x}"


def hex_or_none(value: Optional[int]) -> Optional[Hex]:
    """A Hex, or None for None."""
    return None if value is None else Hex(value)


if TYPE_CHECKING:
    U8 = int
    U16 = int
    U32 = int
    U64 = int
else:
    class Ranged(int):
        """An integer with a range."""

        low = 0
        high = 0

    class U8(Ranged):
        high = 0xFF

    class U16(Ranged):
        high = 0xFFFF

    class U32(Ranged):
        high = 0xFFFFFFFF

    class U64(Ranged):
        high = (1 << 64) - 1
