"""Coroutines that wait for something outside the graph of nodes: the kernel, a worker thread, a loop, a lock.

Source: QEMU block/linux-aio.c (struct qemu_laiocb), block/io_uring.c (LuringAIOCB), util/thread-pool.c
(thread_pool_co_cb(), ThreadPoolCo), util/async.c (aio_co_schedule()), block/graph-lock.c.
"""
from typing import Callable, Dict, Iterator, Optional, Tuple

from ...target.errors import TargetError
from ...target.target import Target
from ...target.view import View
from ..loop_state import (
    THREAD_ACTIVE,
    THREAD_DONE,
    THREAD_QUEUED,
    io_uring_queue,
    linux_aio_queue,
    pool_elements,
    scheduled_coroutines,
)
from ..loops import Loop, Loops
from ..qobject import chain
from .throttle import co_queue

Place = Tuple[int, str]
"""(address of a coroutine, where it waits in words)"""

POOL = {THREAD_QUEUED: "waits for a worker thread", THREAD_ACTIVE: "in the hands of a worker thread",
        THREAD_DONE: "done by a worker thread, its completion not run"}


def in_loops(target: Target, loops: Loops) -> Dict[int, str]:
    """Where coroutines wait, by their addresses, as far as QEMU keeps lists of them."""
    found: Dict[int, str] = {}
    for loop in loops.all():
        for search in (_linux_aio, _io_uring, _pool, _scheduled):
            _gather(found, search, loop)
    _gather(found, lambda _: _graph_lock(target), None)
    return found


def _gather(found: Dict[int, str], search: Callable[..., Iterator[Place]], loop: Optional[Loop]) -> None:
    """What one search finds; one that this build has no use for finds nothing."""
    try:
        found.update(search(loop))
    except TargetError:
        pass


def _linux_aio(loop: Loop) -> Iterator[Place]:
    queue = linux_aio_queue(loop.context)
    for one in chain(queue.target, queue.pointer("pending.sqh_first"), "struct qemu_laiocb", "next.sqe_next"):
        yield one.pointer("co"), f"gathered for Linux AIO in {loop.name}, not submitted yet"


def _io_uring(loop: Loop) -> Iterator[Place]:
    queue = io_uring_queue(loop.context)
    for one in chain(queue.target, queue.pointer("submit_queue.sqh_first"), "LuringAIOCB", "next.sqe_next"):
        yield one.pointer("co"), f"gathered for io_uring in {loop.name}, not submitted yet"


def _pool(loop: Loop) -> Iterator[Place]:
    for one in pool_elements(loop.context):
        if one.target.symbol_name(one.pointer("common.cb")) == "thread_pool_co_cb":
            waiter = one.target.read_pointer(one.pointer("common.opaque"))  # ThreadPoolCo.co, its first member
            yield waiter, POOL.get(one.uint("state"), "in the thread pool")


def _scheduled(loop: Loop) -> Iterator[Place]:
    for one in scheduled_coroutines(loop.context):
        yield one.address, f"to be entered in {loop.name}, and not entered yet"


def _graph_lock(target: Target) -> Iterator[Place]:
    """Readers of the lock on the graph of nodes, since QEMU 8.0."""
    address = target.symbol("reader_queue")
    if address is not None:
        for one in co_queue(target, address):
            yield one.address, "waits for the lock on the graph of block nodes"


def is_entry(name: str) -> bool:
    """Whether a coroutine that begins in this function carries a request of a BlockBackend's user."""
    return name.startswith("blk_aio_") and name.endswith("_entry")


def entry_of(coroutine: View) -> str:
    """The function that a coroutine began in."""
    return coroutine.target.symbol_name(coroutine.pointer("entry")) or ""
