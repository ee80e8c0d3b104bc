"""The kernel's radix trees, xarrays and maple trees, walked with bounds.

Source: Linux lib/radix-tree.c, include/linux/xarray.h, include/linux/maple_tree.h and lib/maple_tree.c.
"""
from typing import Iterator, NamedTuple, Set, Tuple

from ..target.errors import Corrupt
from ..target.target import Target
from ..target.view import View

MAX_NODES = 65536
MAX_DEPTH = 32
"""Of a radix tree 11 levels cover 64 bits; a maple tree has at most 31 (MAPLE_HEIGHT_MAX)."""

Entry = Tuple[int, int]
"""(index, what is stored there)"""


def radix_entries(target: Target, root: int) -> Iterator[Entry]:
    """All entries of a radix tree or xarray, lowest index first.  Raises Corrupt on a tree too large to be one.

    Up to 4.19 a radix tree has nodes of its own, since 4.20 it is an xarray (Linux include/linux/xarray.h; f8d5d0cc145c
    "xarray: Add definition of struct xarray"); the mark of an inner node moved from bit 0 to bit 1.
    """
    if target.type_size("struct xa_node") is not None:
        head = View(target, "struct xarray", root).pointer("xa_head")
        yield from _Radix(target, "struct xa_node", 2).below(head, 0, MAX_DEPTH)
        return
    tree = View(target, "struct radix_tree_root", root)
    if tree.has("height"):
        # Up to Linux 4.6, and in RHEL 7, a node did not know its level: the root holds how many there are, and of the
        # pointers to nodes only the topmost was marked.
        height = tree.uint("height")
        if height > MAX_DEPTH:
            raise Corrupt(f"the tree claims {height} levels")
        yield from _by_height(target, tree.pointer("rnode"), 0, height, set())
        return
    yield from _Radix(target, "struct radix_tree_node", 1).below(tree.pointer("rnode"), 0, MAX_DEPTH)


def _by_height(target: Target, entry: int, index: int, height: int, seen: Set[int]) -> Iterator[Entry]:
    if entry == 0:
        return
    if height == 0:
        yield index, entry
        return
    node = entry & ~1
    _once(seen, node, height)
    slots = target.decode_pointers(View(target, "struct radix_tree_node", node).raw("slots"))
    for number, slot in enumerate(slots):
        yield from _by_height(target, slot, index * len(slots) + number, height - 1, seen)


class _Radix:
    def __init__(self, target: Target, node_type: str, mark: int) -> None:
        self._target = target
        self._node_type = node_type
        self._mark = mark
        self._seen: Set[int] = set()

    def below(self, entry: int, index: int, depth: int) -> Iterator[Entry]:
        """What a node holds; `depth` is how many levels there may be."""
        if entry == 0:
            return
        if entry & 3 != self._mark:
            yield index, entry
            return
        _once(self._seen, entry, depth)
        node = View(self._target, self._node_type, entry - self._mark)
        shift = min(node.uint("shift"), 63)
        for number, slot in enumerate(self._target.decode_pointers(node.raw("slots"))):
            yield from self.below(slot, index + (number << shift), depth - 1)


class _NodeKind(NamedTuple):
    pivots: str
    slots: str
    leaf: bool


MAPLE_NODES = {
    1: _NodeKind("mr64.pivot", "mr64.slot", True),
    2: _NodeKind("mr64.pivot", "mr64.slot", False),
    3: _NodeKind("ma64.pivot", "ma64.slot", False),
}
"""enum maple_type: leaf_64, range_64, arange_64.  maple_dense (0) is not in use."""

MAPLE_MASK = 0xFF
"""Nodes are aligned to 256 bytes (MAPLE_NODE_MASK); what lies below in a pointer to one is its type and flags."""

MAPLE_TYPE_SHIFT, MAPLE_TYPE_MASK = 3, 0xF
RESERVED = 4096
"""A root with low bits 10 is a node, but for marks up to this value (MAPLE_RESERVED_RANGE, xa_is_node())."""


def maple_entries(target: Target, root: int) -> Iterator[Entry]:
    """All entries of a maple tree, each once, with the first index that it is stored under.  Raises Corrupt."""
    head = View(target, "struct maple_tree", root).pointer("ma_root")
    if head & 3 == 2 and head > RESERVED:
        yield from _Maple(target).below(head, 0, (1 << 8 * target.pointer_size) - 1, MAX_DEPTH)
    elif head:
        yield 0, head  # a single entry at index 0 needs no node


class _Maple:
    def __init__(self, target: Target) -> None:
        self._target = target
        self._seen: Set[int] = set()

    def below(self, entry: int, low: int, high: int, depth: int) -> Iterator[Entry]:
        """What a node holds of the indexes low..high; `depth` is how many levels there may be."""
        _once(self._seen, entry, depth)
        kind = MAPLE_NODES.get(entry >> MAPLE_TYPE_SHIFT & MAPLE_TYPE_MASK)
        if kind is None:
            raise Corrupt(f"the maple tree has a node of unknown type at {entry:#x}")
        node = View(self._target, "struct maple_node", entry & ~MAPLE_MASK)
        pivots = self._target.decode_pointers(node.raw(kind.pivots))
        slots = self._target.decode_pointers(node.raw(kind.slots))
        # Behind the last range lie a count of the node's entries and what earlier ones have left: pivots say where
        # to stop.  A slot's range ends at its pivot; that of the last slot, which has none, with the node's.
        for number, slot in enumerate(slots):
            end = pivots[number] if number < len(pivots) else high
            if number and end == 0:
                end = high
            if not low <= end <= high:
                raise Corrupt(f"the maple tree's pivots are not in order at {entry:#x}")
            if slot:
                yield from [(low, slot)] if kind.leaf else self.below(slot, low, end, depth - 1)
            if end == high:
                return
            low = end + 1


def _once(seen: Set[int], entry: int, depth: int) -> None:
    if entry in seen or len(seen) >= MAX_NODES or depth == 0:
        raise Corrupt(f"the tree has a loop or too many nodes at {entry:#x}")
    seen.add(entry)
