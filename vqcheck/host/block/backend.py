"""The block layer behind a disk: counters, policies, nodes, limits.

Source: QEMU block/block-backend.c (struct BlockBackend), include/block/accounting.h (struct BlockAcctStats).
"""
from typing import List

from ...snapshot.held_model import BlockState, Throttling, TrackedRequest
from ...snapshot.kinds import Hex
from ...target.absence import Absences
from ...target.target import Target
from ...target.view import View
from ..loops import Loops
from ..qobject import enum_name
from . import graph, throttle


def block_state(target: Target, loops: Loops, backend: View) -> BlockState:
    """Everything that is kept of a BlockBackend but its single requests."""
    absent = Absences()
    root = absent.take("node", graph.root_node, backend)
    nodes: List[View] = []
    if root is None:
        for field in ("format", "filename", "node_in_flight", "tracked", "nodes"):
            absent[field] = absent["node"]
    else:
        nodes = absent.take("nodes", graph.nodes, root) or []
    throttling = absent.take("throttling", _throttling, backend, nodes)
    return BlockState(
        node=root.text("node_name") if root else None,
        format=absent.take("format", graph.driver_name, root) if root else None,
        filename=absent.take("filename", root.text, "filename") if root else None,
        iostatus=absent.take("iostatus", _iostatus, target, backend),
        in_flight=absent.take("in_flight", backend.uint, "in_flight"),
        quiesce_counter=absent.take("quiesce_counter", backend.uint, "quiesce_counter"),
        queued=absent.take("queued", _queued, target, backend),
        node_in_flight=absent.take("node_in_flight", root.uint, "in_flight") if root else None,
        throttled=absent.take("throttled", _throttled, target, backend),
        on_read_error=absent.take("on_read_error", _policy, target, backend, "on_read_error"),
        on_write_error=absent.take("on_write_error", _policy, target, backend, "on_write_error"),
        completed=absent.take("completed", _sum, backend, "stats.nr_ops"),
        failed=absent.take("failed", _sum, backend, "stats.failed_ops"),
        nodes=None if "nodes" in absent else [graph.state(node, loops) for node in nodes],
        throttling=throttling,
        tracked=absent.take("tracked", _tracked, nodes) if root else None,
        absent=dict(absent),
    )


def _iostatus(target: Target, backend: View) -> str:
    return enum_name(target, "BlockDeviceIoStatus", backend.uint("iostatus"))


def _policy(target: Target, backend: View, member: str) -> str:
    return enum_name(target, "BlockdevOnError", backend.uint(member))


def _queued(target: Target, backend: View) -> int:
    return sum(1 for _ in throttle.co_queue(target, backend.address_of("queued_requests")))


def _throttled(target: Target, backend: View) -> int:
    """Requests of both directions that wait in the BlockBackend's own group."""
    raw = backend.raw("public.throttle_group_member.pending_reqs")
    half = len(raw) // 2
    return target.decode_uint(raw[:half]) + target.decode_uint(raw[half:])


def _throttling(backend: View, nodes: List[View]) -> List[Throttling]:
    return [throttle.state(member) for member in throttle.members(backend, nodes)]


def _sum(backend: View, member: str) -> int:
    """An array of one counter for each type of request."""
    raw = backend.raw(member)
    return sum(backend.target.decode_uint(raw[at:at + 8]) for at in range(0, len(raw), 8))


def _tracked(nodes: List[View]) -> List[TrackedRequest]:
    return [
        TrackedRequest(node.text("node_name"), graph.tracked_type(request), request.uint("offset"),
                       request.uint("bytes"), Hex(request.pointer("co")), request.pointer("waiting_for") != 0)
        for node in nodes for request in graph.tracked(node)
    ]
