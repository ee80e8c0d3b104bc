"""What waits in an event loop: bottom halves, coroutines, requests in the hands of the kernel or of worker threads.

Source: QEMU include/block/aio.h (struct AioContext), util/async.c (struct QEMUBH), block/linux-aio.c (LaioQueue),
block/io_uring.c (LuringQueue), util/thread-pool.c (struct ThreadPoolAio; until QEMU 9.2 struct ThreadPool).
"""
from typing import Iterator, List, Optional

from ..snapshot.kinds import Hex
from ..snapshot.loop_model import AioDepth, BottomHalf, EventLoop, ThreadPool
from ..target.absence import Absences
from ..target.errors import NotSupported
from ..target.target import Target
from ..target.view import View
from .loops import Loop
from .qobject import chain

BH_SCHEDULED, BH_DELETED, BH_IDLE = 1 << 1, 1 << 2, 1 << 4
THREAD_QUEUED, THREAD_ACTIVE, THREAD_DONE = range(3)

NEVER = "not applicable: it was never used there"


def loop_state(target: Target, loop: Loop, iothread: Optional[View]) -> EventLoop:
    """Everything that is kept of a loop; `iothread` is its owner, None for the main loop's."""
    context, absent = loop.context, Absences()
    if loop.thread is None:
        absent["thread"] = "not known: the stacks do not tell" if iothread is None else "not known"
    return EventLoop(
        name=loop.name,
        address=Hex(context.address),
        thread=loop.thread,
        polling=absent.take("polling", lambda: loop.polling),
        poll_max_ns=absent.take("poll_max_ns", context.sint, "poll_max_ns"),
        notified=absent.take("notified", context.flag, "notified"),
        notify_me=absent.take("notify_me", context.uint, "notify_me"),
        external_disabled=absent.take("external_disabled", context.sint, "external_disable_cnt"),
        bottom_halves=absent.take("bottom_halves", _due, target, context),
        scheduled_coroutines=absent.take("scheduled_coroutines", _scheduled, target, context),
        linux_aio=absent.take("linux_aio", _linux_aio, context),
        io_uring=absent.take("io_uring", _io_uring, context),
        thread_pool=absent.take("thread_pool", _thread_pool, target, context),
        absent=dict(absent),
    )


def bottom_halves(context: View) -> Iterator[View]:
    """The bottom halves of a loop that are due (struct QEMUBH): those listed, and those of a slice being run."""
    target = context.target
    starts = [context.pointer("bh_list.slh_first")]
    starts += [piece.pointer("bh_list.slh_first") for piece in chain(
        target, context.pointer("bh_slice_list.sqh_first"), "struct BHListSlice", "next.sqe_next")]
    for start in starts:
        for one in chain(target, start, "struct QEMUBH", "next.sle_next"):
            flags = one.uint("flags")
            if flags & BH_SCHEDULED and not flags & BH_DELETED:
                yield one


def _due(target: Target, context: View) -> List[BottomHalf]:
    return [BottomHalf(bottom_half_name(target, one), bool(one.uint("flags") & BH_IDLE))
            for one in bottom_halves(context)]


def bottom_half_name(target: Target, one: View) -> str:
    """What a bottom half does: its function, else the name that QEMU 6.2 and later give it."""
    function = target.symbol_name(one.pointer("cb"))
    if function is None and one.has("name"):
        function = one.string("name")
    return function or f"{one.pointer('cb'):#x}"


def scheduled_coroutines(context: View) -> Iterator[View]:
    """Coroutines that are to be entered in a loop (aio_co_schedule()) and were not yet."""
    return chain(context.target, context.pointer("scheduled_coroutines.slh_first"), "struct Coroutine",
                 "co_scheduled_next.sle_next")


def _scheduled(target: Target, context: View) -> int:
    return sum(1 for _ in scheduled_coroutines(context))


def linux_aio_queue(context: View) -> View:
    """What was gathered for Linux AIO.  Raises NotSupported where it was never used, NoMember if it is not built in."""
    return _existing(context, "struct LinuxAioState", "linux_aio").embedded("LaioQueue", "io_q")


def io_uring_queue(context: View) -> View:
    """What was gathered for io_uring, until QEMU 10.1: since then the loop itself submits requests at once."""
    return _existing(context, "struct LuringState", "linux_io_uring").embedded("LuringQueue", "io_q")


def _existing(context: View, type_name: str, member: str) -> View:
    if context.pointer(member) == 0:
        raise NotSupported(NEVER)
    return context.follow(type_name, member)


def _linux_aio(context: View) -> AioDepth:
    return _depth(linux_aio_queue(context))


def _io_uring(context: View) -> AioDepth:
    return _depth(io_uring_queue(context))


def _depth(queue: View) -> AioDepth:
    return AioDepth(queue.uint("in_queue"), queue.uint("in_flight"), queue.flag("blocked"))


def pool_names(target: Target) -> List[str]:
    """The types of a thread pool and of its elements; QEMU 10.0 renamed both."""
    newer = target.type_size("struct ThreadPoolAio") is not None
    return ["struct ThreadPoolAio", "struct ThreadPoolElementAio"] if newer else [
        "struct ThreadPool", "struct ThreadPoolElement"]


def pool_elements(context: View) -> Iterator[View]:
    """Requests in the hands of a loop's worker threads.  Raises NotSupported where there never were any."""
    pool, element = pool_names(context.target)
    return chain(context.target, _existing(context, pool, "thread_pool").pointer("head.lh_first"), element,
                 "all.le_next")


def _thread_pool(target: Target, context: View) -> ThreadPool:
    states = [one.uint("state") for one in pool_elements(context)]
    pool = _existing(context, pool_names(target)[0], "thread_pool")
    return ThreadPool(pool.uint("cur_threads"), pool.uint("idle_threads"), states.count(THREAD_QUEUED),
                      states.count(THREAD_ACTIVE), states.count(THREAD_DONE))
