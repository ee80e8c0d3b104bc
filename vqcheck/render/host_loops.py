"""QEMU's event loops and threads as tables."""
from typing import Any, List, Optional, Sequence

from ..snapshot.device_model import ThreadState
from ..snapshot.loop_model import AioDepth, EventLoop, ThreadPool
from ..snapshot.model import Snapshot
from .escape import shortened
from .wide import fitting
from .words import slashed, wrapped, yes_no

LOOPS = ("loop", "thread", "polling", "woken", "bottom\nhalves due", "coroutines\nscheduled", "handlers\ndisabled",
         "Linux AIO\nqueue/flight", "io_uring\nqueue/flight", "worker threads\nidle/all, queued/active/done")

THREADS = ("thread", "name", "for", "deferred\ncalls", "stands in")

FRAMES = 2
"""Functions of a stack that are shown; the stack of a thread that serves a queue is told with the queue."""


def blocks(snapshot: Snapshot) -> List[str]:
    """The event loops and the threads; nothing of what is not known."""
    found: List[str] = []
    state = snapshot.qemu
    if state is not None and state.loops:
        found.append("event loops:\n" + fitting([_loop(one) for one in state.loops], LOOPS) + _due(state.loops))
    if snapshot.threads:
        found.append("threads:\n" + fitting([_thread(one) for one in snapshot.threads], THREADS))
    return found


def _loop(one: EventLoop) -> Sequence[Any]:
    halves = None if one.bottom_halves is None else len(one.bottom_halves)
    return (one.name, one.thread, yes_no(one.polling), yes_no(one.notified), halves, one.scheduled_coroutines,
            one.external_disabled, _depth(one.linux_aio), _depth(one.io_uring), _pool(one.thread_pool))


def _depth(one: Optional[AioDepth]) -> Optional[str]:
    return None if one is None else slashed(one.in_queue, one.in_flight) + (" blocked" if one.blocked else "")


def _pool(one: Optional[ThreadPool]) -> Optional[str]:
    if one is None:
        return None
    return f"{slashed(one.idle, one.threads)}, {slashed(one.queued, one.active, one.done)}"


def _due(loops: Sequence[EventLoop]) -> str:
    lines: List[str] = []
    for loop in loops:
        names = ", ".join(shortened(one.name, 60) for one in (loop.bottom_halves or [])[:8])
        if names:
            lines += wrapped(f"due in {shortened(loop.name, 40)}: {names}", "  ", "    ")
    return "".join(f"\n{line}" for line in lines)


def _thread(one: ThreadState) -> Sequence[Any]:
    stack = None
    if one.functions:
        stack = " < ".join(one.functions[:FRAMES])
    return (one.id, one.name, one.role, one.deferred_calls, stack)
