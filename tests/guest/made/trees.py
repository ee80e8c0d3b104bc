"""The trees that the kernel keeps its irq descriptors in.  Each takes what is stored, by index, and gives its root."""
from typing import Dict, List, Tuple

from .guest import Guest

Stored = Dict[int, int]
Range = Tuple[int, int]
"""The last index of a range, and what is stored there."""

FAN_BITS = 6
"""RADIX_TREE_MAP_SHIFT, XA_CHUNK_SHIFT: 64 slots a node."""

LEAF, ARANGE = 1, 3
"""maple_leaf_64 and maple_arange_64 of enum maple_type."""

STALE = 0xDEAD0000
"""What lies in slots that are behind the end of a maple node."""


def plant(guest: Guest, stored: Stored) -> None:
    """The tree that the guest's kernel has, under the symbol that it has there."""
    if guest.type_size("struct maple_tree"):
        guest.symbols["sparse_irqs"] = maple(guest, stored)
    else:
        guest.symbols["irq_desc_tree"] = xarray(guest, stored) if guest.type_size("struct xarray") else radix(guest,
                                                                                                              stored)


def xarray(guest: Guest, stored: Stored) -> int:
    """Since Linux 4.20."""
    head, _ = _nodes(guest, "xa_node", 2, stored)
    return guest.struct("xarray", "the irq tree", xa_head=head)


def radix(guest: Guest, stored: Stored) -> int:
    """Up to 4.19; before 4.7 only the pointer to the topmost node was marked, and the root held the height."""
    if guest.member("struct radix_tree_root", "height") is None:
        head, _ = _nodes(guest, "radix_tree_node", 1, stored)
        return guest.struct("radix_tree_root", "the irq tree", rnode=head)
    head, height = _nodes(guest, "radix_tree_node", 0, stored)
    return guest.struct("radix_tree_root", "the irq tree", rnode=head + (1 if height else 0), height=height)


def _nodes(guest: Guest, kind: str, mark: int, stored: Stored) -> Tuple[int, int]:
    """The topmost node with its mark, and how many levels there are; a single entry 0 needs none."""
    if list(stored) == [0]:
        return stored[0], 0
    level, height = dict(stored), 0
    while height == 0 or list(level) != [0]:
        above: Dict[int, Dict[int, int]] = {}
        for index, entry in level.items():
            above.setdefault(index >> FAN_BITS, {})[index & (1 << FAN_BITS) - 1] = entry
        level = {index: _node(guest, kind, height, slots) + mark for index, slots in above.items()}
        height += 1
    return level[0], height


def _node(guest: Guest, kind: str, level: int, slots: Dict[int, int]) -> int:
    raw = b"".join(guest.pointer(slots.get(number, 0)) for number in range(1 << FAN_BITS))
    where = {"height": level + 1} if guest.member(f"struct {kind}", "height") else {"shift": level * FAN_BITS}
    return guest.struct(kind, "a node of the irq tree", slots=raw, **where)


def maple(guest: Guest, stored: Stored) -> int:
    """Each entry is a range of one index, gaps are ranges of NULL, and stale slots follow the last of a node."""
    level: List[Range] = []
    for index, entry in sorted(stored.items()):
        if index > (level[-1][0] + 1 if level else 0):
            level.append((index - 1, 0))
        level.append((index, entry))
    end = (1 << 8 * guest.pointer_size) - 1
    level.append((end, 0))
    part, kind = "mr64", LEAF
    while len(level) > 1:
        level = [(group[-1][0], _maple_node(guest, part, kind, group, end)) for group in _groups(level, 5)]
        part, kind = "ma64", ARANGE
    return guest.struct("maple_tree", "the irq tree", ma_root=level[0][1] | 2)


def _groups(level: List[Range], size: int) -> List[List[Range]]:
    """What goes into each node; none has a single range, as the kernel's have not."""
    found = [level[at:at + size] for at in range(0, len(level), size)]
    if len(found) > 1 and len(found[-1]) == 1:
        found[-2:] = [found[-2] + found[-1]]
    return found


def _maple_node(guest: Guest, part: str, kind: int, ranges: List[Range], end: int) -> int:
    """A node as its parent points at it: with its type in bits 3 to 6, and bit 2 set (mt_mk_node())."""
    offset = guest.types["struct maple_node"][1]
    at = guest.new("a node of the irq tree", bytes(256))
    count = offset[f"{part}.slot"].size // guest.pointer_size
    # The last pivot of a node that is not full is that of its parent's, or of the whole tree; then come zeros.
    pivots = [last for last, _ in ranges if last != end][:count - 1]
    slots = [entry for _, entry in ranges] + [STALE] * (count - len(ranges))
    guest.poke(at + offset[f"{part}.pivot"].offset, b"".join(map(guest.pointer, pivots)))
    guest.poke(at + offset[f"{part}.slot"].offset, b"".join(map(guest.pointer, slots[:count])))
    return at | kind << 3 | 4
