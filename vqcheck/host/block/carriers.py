"""The coroutines that carry a disk's requests through the block layer, and where each is.

QEMU keeps no list of them.  But whoever waits is in somebody's books: a node tracks what it has begun, a throttle
group, a drained BlockBackend and a flush keep queues, blkdebug a list, worker threads theirs.  A coroutine tells by its
entry function and argument which request it is (blk_aio_prwv() in QEMU block/block-backend.c).
"""
from typing import Dict, Iterator, List, NamedTuple, Optional

from ...target.absence import Absences
from ...target.errors import TargetError
from ...target.target import Target
from ...target.view import View
from ..loop_state import bottom_halves
from ..process import Process
from . import throttle, waiting
from .graph import TRACKED, driver_name, nodes, root_node, suspended, tracked

AIOCB = "struct BlkAioEmAIOCB"

BLOCK_LAYER, THROTTLE, QUIESCED, COMPLETION = "block layer", "throttle", "quiesced", "completion"

COMPLETE_BH = "blk_aio_complete_bh"
"""The bottom half that reports a request which ended before blk_aio_prwv() returned."""

PLACES = ["tracked requests of every node", "queues of flushes", "queues of drained BlockBackends", "throttle groups",
          "what blkdebug holds back", "worker threads, Linux AIO and io_uring queues", "bottom halves of completions"]


class Carrier(NamedTuple):
    """A request in the block layer."""

    holder: str
    node: Optional[str]
    """The lowest node that is known to have it."""
    detail: Optional[str]
    coroutine: Optional[int]
    aiocb: int
    """Address of its BlkAioEmAIOCB."""


class Carriers(NamedTuple):
    """Those of one BlockBackend."""

    found: List[Carrier]
    counted: int
    """How many of them BlockBackend.in_flight counts."""
    problems: List[str]
    """Places that could not be looked at."""

    def of_aiocb(self, address: int) -> Optional[Carrier]:
        """The carrier of a request by the BlkAioEmAIOCB that blk_aio_*() returned."""
        return next((one for one in self.found if one.aiocb == address), None)


def carriers(process: Process, backend: View) -> Carriers:
    """All requests of a BlockBackend that can be found."""
    search = _Search(process, backend)
    search.run()
    own = [one for one in search.carriers() if _backend_of(process.target, one.aiocb) == backend.address]
    counted = sum(1 for one in own if one.holder != QUIESCED)
    return Carriers(own, counted, search.problems)


class _Place(NamedTuple):
    holder: str
    node: Optional[str]
    detail: Optional[str]


class _Search:
    """The books, from the least to the most telling."""

    def __init__(self, process: Process, backend: View) -> None:
        self.process = process
        self.target = process.target
        self.backend = backend
        self.graph: List[View] = []
        self.places: Dict[int, _Place] = {}
        self.problems: List[str] = []

    def run(self) -> None:
        for step in (self._find_nodes, self._tracked, self._outside, self._suspended, self._throttled, self._queued):
            try:
                step()
            except TargetError as problem:
                self.problems.append(str(problem))

    def _find_nodes(self) -> None:
        self.graph = nodes(root_node(self.backend))

    def _put(self, coroutine: int, place: _Place) -> None:
        if coroutine:
            self.places[coroutine] = place

    def _tracked(self) -> None:
        for node in self.graph:
            name = node.text("node_name")
            for one in throttle.co_queue(self.target, node.address_of("flush_queue")):
                self._put(one.address, _Place(BLOCK_LAYER, name, "waits for another flush"))
            for request in tracked(node):
                self._put(request.pointer("co"), _Place(BLOCK_LAYER, name, _waits_for(request)))

    def _outside(self) -> None:
        for coroutine, where in self.process.waiting.items():
            place = self.places.get(coroutine)
            if place is None:
                self._put(coroutine, _Place(BLOCK_LAYER, None, where))
            else:
                self._put(coroutine, place._replace(detail=where))

    def _suspended(self) -> None:
        for node in self.graph:
            if driver_name(node) == "blkdebug":
                for one in suspended(node):
                    tag = one.string("tag")
                    self._put(one.pointer("co"), _Place(BLOCK_LAYER, node.text("node_name"),
                                                        f"held back by blkdebug ({tag})"))

    def _throttled(self) -> None:
        for member in throttle.members(self.backend, self.graph):
            group = Absences().take("", throttle.group_name, member)
            for one in throttle.waiting(member.state):
                self._put(one.address, _Place(THROTTLE, member.node, f"throttle group {group or '?'}"))

    def _queued(self) -> None:
        for one in throttle.co_queue(self.target, self.backend.address_of("queued_requests")):
            self._put(one.address, _Place(QUIESCED, None, "waits for the end of a drain"))

    def carriers(self) -> Iterator[Carrier]:
        """The coroutines that carry a BlockBackend's request, of whatever disk, and completions that wait."""
        for address, place in self.places.items():
            try:
                coroutine = View(self.target, "struct Coroutine", address)
                if waiting.is_entry(waiting.entry_of(coroutine)):
                    yield Carrier(*place, address, coroutine.pointer("entry_arg"))
            except TargetError as problem:
                self.problems.append(str(problem))
        for loop in self.process.loops.all():
            for one in bottom_halves(loop.context):
                if self.target.symbol_name(one.pointer("cb")) == COMPLETE_BH:
                    yield Carrier(COMPLETION, None, f"its completion is due in {loop.name}", None,
                                  one.pointer("opaque"))


def _waits_for(request: View) -> Optional[str]:
    other = request.pointer("waiting_for")
    if not other:
        return None
    blocking = View(request.target, TRACKED, other)
    return f"waits for an overlapping request at offset {blocking.uint('offset')}"


def _backend_of(target: Target, aiocb: int) -> Optional[int]:
    try:
        return View(target, AIOCB, aiocb).pointer("rwco.blk")
    except TargetError:
        return None
