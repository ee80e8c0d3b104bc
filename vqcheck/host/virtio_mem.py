"""Which memory of a virtio-mem device is plugged in: the rest is no memory of the guest's, though QEMU maps it.

Source: QEMU hw/virtio/virtio-mem.c (virtio_mem_for_each_plugged_section()), include/hw/virtio/virtio-mem.h.
"""
import re
from typing import List, NamedTuple, Optional

from ..target.errors import Corrupt
from ..target.target import Member, Target
from ..target.view import View
from .qobject import type_names

DEVICE = "virtio-mem"
MAX_BLOCKS = 1 << 26


class Part(NamedTuple):
    """A part of a memory region; in bytes."""

    offset: int
    size: int


def plugged(target: Target, region: View) -> Optional[List[Part]]:
    """The parts of a region that a virtio-mem device has plugged in, by ascending offsets; None where it has none.

    Raises TargetError.
    """
    if not region.has("rdm"):  # since QEMU 6.1: before, dumps took all of it
        return None
    manager = region.pointer("rdm")
    if manager == 0 or DEVICE not in type_names(target, manager):
        return None
    device = View(target, "struct VirtIOMEM", manager)
    blocks, each = device.uint("bitmap_size"), device.uint("block_size")
    if blocks > MAX_BLOCKS or each == 0:
        raise Corrupt(f"a virtio-mem device claims {blocks} blocks of {each} bytes")
    word = target.pointer_size
    raw = target.read(device.pointer("bitmap"), -(-blocks // (8 * word)) * word)
    words = target.decode_uints(raw, word, Member(0, word))
    bits = "".join(f"{one:0{8 * word}b}"[::-1] for one in words)[:blocks]
    return [Part(run.start() * each, (run.end() - run.start()) * each) for run in re.finditer("1+", bits)]
