"""QEMU's block layer behind a virtio disk: who holds the requests that the device has popped.

Source: QEMU block/block-backend.c (struct BlockBackend), include/block/block_int-common.h (BlockDriverState,
BdrvTrackedRequest), hw/block/virtio-blk.c (VirtIOBlock.rq), block/throttle-groups.c.
"""
from typing import Iterator, List

from ..snapshot.held_model import BlockState, TrackedRequest
from ..target.absence import Absences
from ..target.target import Target
from ..target.view import View
from .devices import block_backend, root_node
from .qobject import chain, enum_name

TYPES = {0: "read", 1: "write", 2: "discard", 3: "truncate"}
"""enum BdrvTrackedRequestType."""

MAX_NODES = 16


def block_state(target: Target, device: View) -> BlockState:
    """The block layer of a virtio-blk device.  Raises TargetError where it has no BlockBackend."""
    backend = block_backend(target, device)
    absent = Absences()
    root = absent.take("node", root_node, backend)
    if root is None:
        for field in ("format", "filename", "node_in_flight", "tracked"):
            absent[field] = absent["node"]
    return BlockState(
        node=root.text("node_name") if root else None,
        format=absent.take("format", _format, root) if root else None,
        filename=absent.take("filename", root.text, "filename") if root else None,
        iostatus=absent.take("iostatus", _iostatus, target, backend),
        in_flight=absent.take("in_flight", backend.uint, "in_flight"),
        quiesce_counter=absent.take("quiesce_counter", backend.uint, "quiesce_counter"),
        node_in_flight=absent.take("node_in_flight", root.uint, "in_flight") if root else None,
        parked=absent.take("parked", _parked, target, device),
        throttled=absent.take("throttled", _throttled, target, backend),
        tracked=absent.take("tracked", _tracked, target, root) if root else None,
        absent=dict(absent),
    )


def _format(node: View) -> str:
    return node.follow("struct BlockDriver", "drv").string("format_name") or "?"


def _iostatus(target: Target, backend: View) -> str:
    return enum_name(target, "BlockDeviceIoStatus", backend.uint("iostatus"))


def _parked(target: Target, device: View) -> int:
    first = View(target, "struct VirtIOBlock", device.address).pointer("rq")
    return sum(1 for _ in chain(target, first, "struct VirtIOBlockReq", "next"))


def _throttled(target: Target, backend: View) -> int:
    """Requests of both directions; ThrottleGroupMember.pending_reqs is an array of two."""
    raw = backend.raw("public.throttle_group_member.pending_reqs")
    half = len(raw) // 2
    return target.decode_uint(raw[:half]) + target.decode_uint(raw[half:])


def _tracked(target: Target, root: View) -> List[TrackedRequest]:
    return [
        TrackedRequest(node.text("node_name"), TYPES.get(request.uint("type"), f"type {request.uint('type')}"),
                       request.uint("offset"), request.uint("bytes"))
        for node in _nodes(root)
        for request in chain(target, node.pointer("tracked_requests.lh_first"), "struct BdrvTrackedRequest",
                             "list.le_next")
    ]


def _nodes(root: View) -> Iterator[View]:
    """The root node and the primary nodes below it: formats and filters down to the protocol."""
    node = root
    for _ in range(MAX_NODES):
        yield node
        child = node.pointer("file")
        if child == 0:
            return
        node = View(node.target, "struct BdrvChild", child).follow("struct BlockDriverState", "bs")
