"""The graph of nodes below a disk.

Source: QEMU include/block/block_int-common.h (BlockDriverState, BdrvChild, BdrvTrackedRequest), block/blkdebug.c.
"""
from typing import Iterator, List, Optional, Set

from ...snapshot.held_model import BlockNode
from ...target.absence import Absences
from ...target.errors import NotSupported
from ...target.target import Target
from ...target.view import View
from ..loops import Loops
from ..qobject import chain

NODE, CHILD, TRACKED = "struct BlockDriverState", "struct BdrvChild", "struct BdrvTrackedRequest"

MAX_NODES = 1024
"""Nodes that are looked at; a chain of backing files may be long."""

TYPES = {0: "read", 1: "write", 2: "discard", 3: "truncate"}
"""enum BdrvTrackedRequestType."""


def block_backend(target: Target, device: View) -> View:
    """The BlockBackend of a virtio-blk disk; VirtIOBlock begins with its VirtIODevice."""
    return View(target, "struct VirtIOBlock", device.address).follow("struct BlockBackend", "blk")


def root_node(backend: View) -> View:
    """The BlockDriverState at the root of a BlockBackend."""
    return backend.follow(CHILD, "root").follow(NODE, "bs")


def nodes(root: View) -> List[View]:
    """A node and all below it, each before its children."""
    found: List[View] = []
    seen: Set[int] = set()
    waiting = [root]
    while waiting and len(found) < MAX_NODES:
        node = waiting.pop(0)
        if node.address in seen:
            continue
        seen.add(node.address)
        found.append(node)
        waiting += _children(node)
    return found


def _children(node: View) -> List[View]:
    return [one.follow(NODE, "bs") for one in chain(node.target, node.pointer("children.lh_first"), CHILD,
                                                    "next.le_next") if one.pointer("bs")]


def tracked(node: View) -> Iterator[View]:
    """The requests that a node has begun and not ended (struct BdrvTrackedRequest)."""
    return chain(node.target, node.pointer("tracked_requests.lh_first"), TRACKED, "list.le_next")


def tracked_type(request: View) -> str:
    """What a tracked request asks for."""
    number = request.uint("type")
    return TYPES.get(number, f"type {number}")


def driver_name(node: View) -> Optional[str]:
    """The name of a node's block driver."""
    return node.follow("struct BlockDriver", "drv").string("format_name")


def suspended(node: View) -> Iterator[View]:
    """The requests that a blkdebug node holds back (struct BlkdebugSuspendedReq)."""
    state = node.follow("BDRVBlkdebugState", "opaque")
    return chain(node.target, state.pointer("suspended_reqs.lh_first"), "struct BlkdebugSuspendedReq", "next.le_next")


def state(node: View, loops: Loops) -> BlockNode:
    """What is kept of a node."""
    absent = Absences()
    driver = absent.take("driver", driver_name, node)
    return BlockNode(
        node=node.text("node_name"),
        driver=driver,
        in_flight=absent.take("in_flight", node.uint, "in_flight"),
        quiesce_counter=absent.take("quiesce_counter", node.uint, "quiesce_counter"),
        flushing=absent.take("flushing", node.flag, "active_flush_req"),
        suspended=absent.take("suspended", _count_suspended, node, driver),
        context=absent.take("context", lambda: loops.of_context(node.pointer("aio_context")).name),
        absent=dict(absent),
    )


def _count_suspended(node: View, driver: Optional[str]) -> int:
    if driver != "blkdebug":
        raise NotSupported("not applicable: only blkdebug holds requests back")
    return sum(1 for _ in suspended(node))
