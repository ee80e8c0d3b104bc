"""QEMU as a process: its event loops, what waits in each, who owns the big lock, where it came from."""
from typing import Dict, List, NamedTuple, Optional

from .kinds import U32, Hex


class BottomHalf(NamedTuple):
    """A bottom half that is due (struct QEMUBH).

    name: the name that QEMU gave it, or that of its function.
    idle: it runs only when nothing else is to be done (BH_IDLE).
    """

    name: str
    idle: bool


class AioDepth(NamedTuple):
    """Requests in the hands of Linux AIO or io_uring.

    in_queue: gathered and not submitted yet.
    in_flight: submitted to the kernel and not reaped.
    blocked: the kernel took no more for now.
    """

    in_queue: U32
    in_flight: U32
    blocked: bool


class ThreadPool(NamedTuple):
    """Worker threads for what would block, as reads and writes of files without native AIO.

    threads: how many there are.
    idle: how many have nothing to do.
    queued: requests that no thread has taken up.
    active: requests that a thread works on.
    done: requests that are done and whose completion has not been run.
    """

    threads: U32
    idle: U32
    queued: U32
    active: U32
    done: U32


class EventLoop(NamedTuple):
    """An AioContext.

    name: `main`, `iohandler` (of the main loop too), or the iothread's id.
    address: its address in the QEMU process.
    thread: kernel thread id of the thread that runs it.
    polling: it is busy polling (AioContext.poll_started).
    poll_max_ns: how long it may poll before it sleeps, in nanoseconds; 0 for never.
    notified: somebody woke it and it has not noticed yet (AioContext.notified).
    notify_me: how many sleepers want to be woken (AioContext.notify_me).
    external_disabled: handlers of host notifiers are left out while above zero (external_disable_cnt, until 8.0).
    bottom_halves: bottom halves that are due and have not run.
    scheduled_coroutines: coroutines that are to be entered there and were not yet.
    linux_aio: Linux AIO, if it was ever used there.
    io_uring: io_uring, if it was ever used there.
    thread_pool: the worker threads, if they were ever used there.
    absent: why fields are null.
    """

    name: str
    address: Optional[Hex] = None
    thread: Optional[U32] = None
    polling: Optional[bool] = None
    poll_max_ns: Optional[int] = None
    notified: Optional[bool] = None
    notify_me: Optional[U32] = None
    external_disabled: Optional[int] = None
    bottom_halves: Optional[List[BottomHalf]] = None
    scheduled_coroutines: Optional[U32] = None
    linux_aio: Optional[AioDepth] = None
    io_uring: Optional[AioDepth] = None
    thread_pool: Optional[ThreadPool] = None
    absent: Dict[str, str] = {}


class QemuState(NamedTuple):
    """What is true of the QEMU process as a whole.

    run_state: state of the whole VM, as QMP's query-status names it.
    accelerator: what runs the guest's code: `kvm`, `tcg` …
    incoming: how far an incoming migration came, as QMP's query-migrate names it; `none` where there was none.
    bql_owner: kernel thread id of the thread that holds the big QEMU lock; 0 when nobody does.
    loops: its event loops.
    absent: why fields are null.
    """

    run_state: Optional[str] = None
    accelerator: Optional[str] = None
    incoming: Optional[str] = None
    bql_owner: Optional[U32] = None
    loops: Optional[List[EventLoop]] = None
    absent: Dict[str, str] = {}
