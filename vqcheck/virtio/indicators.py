"""Where among the indicators of a channel device (virtio-ccw) a bit lies.

Source: virtio 1.2, 4.3.2.6 (Setting Up Indicators), 4.3.3.1 (Notification via Adapter I/O Interrupts and via classic
I/O interrupts).
"""
from typing import Tuple

CLASSIC_BYTES = 8


def place(bit: int, adapter: bool) -> Tuple[int, int]:
    """(byte, mask) of a bit: those of adapter interrupts are counted from the most significant one of the first byte;
    the classic ones are a big-endian number of 64 bits, counted from its least significant."""
    if adapter:
        return bit // 8, 0x80 >> bit % 8
    return CLASSIC_BYTES - 1 - bit // 8, 1 << bit % 8
