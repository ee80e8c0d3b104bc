"""Where QEMU's threads stood, and whether that explains what the rings show.

A healthy queue caught between virtqueue_push and the notification, or between the kick and its handler, has exactly
the indexes of a lost event.  Only the stack of the thread that serves the queue tells them apart.
"""
from typing import FrozenSet, List, NamedTuple, Optional, Tuple

from ..snapshot.device_model import ThreadState
from ..snapshot.model import Snapshot
from .pairing import Pair
from .verdict import Evidence

WAITS: FrozenSet[str] = frozenset((
    "ppoll", "__ppoll", "poll", "__poll", "__GI___poll", "epoll_wait", "epoll_pwait", "epoll_pwait2", "qemu_poll_ns",
    "fdmon_poll_wait", "fdmon_epoll_wait", "fdmon_io_uring_wait", "g_main_context_poll", "g_poll", "io_uring_enter",
    "__sys_io_uring_enter", "_io_uring_get_cqe", "io_uring_wait_cqe",
))
"""Functions in which an event loop sleeps."""

LOOPS: FrozenSet[str] = WAITS | frozenset((
    "aio_poll", "iothread_run", "os_host_main_loop_wait", "main_loop_wait", "qemu_main_loop", "qemu_default_main",
    "main", "qemu_thread_start", "start_thread", "__clone3", "clone3", "clone", "__clone", "__libc_start_call_main",
    "__libc_start_main_impl", "__libc_start_main", "_start", "g_main_loop_run", "g_main_context_iterate", "??",
))
"""What an idle event loop has on its stack, and nothing else: a wait further in is for something in particular."""

LOCKS: FrozenSet[str] = frozenset((
    "__lll_lock_wait", "lll_lock_wait", "___pthread_mutex_lock", "pthread_mutex_lock", "__pthread_mutex_lock",
    "qemu_mutex_lock_impl", "qemu_cond_wait_impl", "qemu_cond_timedwait_impl", "qemu_event_wait", "qemu_futex_wait",
    "qemu_sem_wait", "futex_wait",
))
"""Functions in which a thread waits for another one."""

VIRTIO_PREFIXES = ("virtio_", "virtqueue_", "vring_", "virtio-")
NOTIFY_FUNCTIONS = frozenset(("event_notifier_set", "msix_notify", "msi_send_message", "aio_dispatch",
                              "aio_dispatch_handler", "aio_dispatch_handlers", "aio_dispatch_ready_handlers",
                              "aio_bh_poll", "aio_bh_call", "run_poll_handlers", "run_poll_handlers_once"))


class Standing(NamedTuple):
    """What a thread is doing as far as its stack tells."""

    thread: ThreadState
    at_rest: bool
    """It sleeps in its event loop, with nothing else on its stack."""
    blocked: bool
    """It waits for a lock or another thread."""
    busy_in: Tuple[str, ...]
    """Functions of virtio or of event dispatch that it stands in, innermost first."""


def standing(thread: ThreadState) -> Optional[Standing]:
    """What a thread is doing; None where its stack is not known."""
    if thread.functions is None:
        return None
    busy = tuple(name for name in thread.functions if name.startswith(VIRTIO_PREFIXES) or name in NOTIFY_FUNCTIONS)
    sleeps = any(name in WAITS for name in thread.functions[:4])
    return Standing(
        thread=thread,
        at_rest=sleeps and LOOPS.issuperset(thread.functions),
        blocked=bool(LOCKS.intersection(thread.functions[:6])) or (sleeps and bool(busy)),
        busy_in=busy,
    )


def serving(pair: Pair, host: Snapshot) -> Optional[Standing]:
    """The thread that serves the queue; None where it, or its stack, is not known."""
    wanted = pair.host.notify.thread if pair.host.notify else None
    for thread in host.threads or []:
        if wanted is not None and thread.id == wanted:
            return standing(thread)
    return None


DELIVERY = frozenset(("virtio_queue_guest_notifier_read", "virtio_irq", "virtio_notify_irqfd", "virtio_notify"))
"""Functions in which any thread may be carrying an interrupt: without irqfd the main loop delivers for all."""


def under_way(pair: Pair, host: Snapshot) -> Optional[Standing]:
    """A thread that may be carrying an event of this queue at that moment.

    The serving thread, when it is known, or one that delivers interrupts; else any thread in virtio's functions.
    """
    own = serving(pair, host)
    if own is not None and own.busy_in:
        return own
    found = [one for one in map(standing, host.threads or []) if one is not None and one.busy_in]
    if own is not None and _by_notifier(pair):
        found = [one for one in found if DELIVERY.intersection(one.busy_in)]
    return found[0] if found else None


def _by_notifier(pair: Pair) -> bool:
    """Whether kicks come by host notifier, to the serving thread; else vCPU threads run the handler themselves."""
    notifier = pair.host.notify.host_notifier if pair.host.notify else None
    return notifier is None or notifier.enabled is not False


def in_words(one: Standing) -> str:
    """A thread's place, for a sentence."""
    name = f" ({one.thread.name})" if one.thread.name else ""
    where = " < ".join((one.thread.functions or [])[:5])
    return f"thread {one.thread.id}{name} stands in {where}"


def asleep(one: Standing) -> Evidence:
    """That the serving thread sleeps, as evidence."""
    return Evidence("stack of the serving thread", in_words(one) + ": it sleeps, and carries no event")


def unproven(pair: Pair, thread: Optional[Standing]) -> List[str]:
    """What keeps a lost event from being shown in full, whichever kind it is."""
    lacking: List[str] = []
    if pair.guest.ring is None or pair.host.ring is None:
        lacking.append("only one side's reading of the ring is there")
    if thread is None:
        lacking.append("the serving thread is not known to be asleep")
    return lacking


def unknown_thread(danger: str) -> str:
    """That the serving thread's stack is not known, and what that may hide."""
    return f"the serving thread's stack is not known: {danger}"
