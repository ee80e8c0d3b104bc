"""Where QEMU's threads stood, and whether that explains what the rings show.

A healthy queue caught between virtqueue_push and the notification, or between the kick and its handler, has exactly
the indexes of a lost event.  Only the stack of the thread that serves the queue tells them apart.
"""
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from ..snapshot.device_model import ThreadState
from ..snapshot.model import Snapshot
from .pairing import Pair

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
    "qemu_sem_wait", "futex_wait", "__GI___lll_lock_wait", "lll_mutex_lock_optimized", "___pthread_mutex_lock",
    "qemu_mutex_lock_iothread_impl", "bql_lock_impl",
))
"""Functions in which a thread waits for another one."""

VIRTIO_PREFIXES = ("virtio_", "virtqueue_", "vring_", "virtio-")
NOTIFY_FUNCTIONS = frozenset(("event_notifier_set", "msix_notify", "msi_send_message", "aio_dispatch",
                              "aio_dispatch_handler", "aio_dispatch_handlers", "aio_dispatch_ready_handlers",
                              "aio_bh_poll", "aio_bh_call", "run_poll_handlers", "run_poll_handlers_once"))


DELIVERY = frozenset(("virtio_queue_guest_notifier_read", "virtio_irq", "virtio_notify_irqfd", "virtio_notify"))
"""Functions in which any thread may be carrying an interrupt: without irqfd the main loop delivers for all."""

KICKING = frozenset(("memory_region_dispatch_write_eventfds", "virtio_queue_notify", "virtio_pci_notify_write",
                     "virtio_ioport_write", "virtio_mmio_write", "virtio_ccw_hcall_notify"))
"""Functions in which a vCPU may be carrying a kick: without KVM it writes the eventfd itself."""


class Standing(NamedTuple):
    """What a thread is doing as far as its stack tells."""

    thread: ThreadState
    at_rest: bool
    """It sleeps in its event loop, with nothing else on its stack."""
    blocked: bool
    """It waits for a lock or another thread."""
    waking: bool
    """It is in its event loop, and waits for the big lock before it dispatches what it was woken for."""
    busy_in: Tuple[str, ...]
    """Functions of virtio or of event dispatch that it stands in, innermost first."""


def standing(thread: ThreadState) -> Optional[Standing]:
    """What a thread is doing; None where its stack is not known."""
    if thread.functions is None:
        return None
    busy = tuple(name for name in thread.functions
                 if name.startswith(VIRTIO_PREFIXES) or name in NOTIFY_FUNCTIONS or name in KICKING)
    sleeps = any(name in WAITS for name in thread.functions[:4])
    named = [name for name in thread.functions if not _of_library(name)]
    return Standing(
        thread=thread,
        at_rest=sleeps and LOOPS.issuperset(named),
        waking=(LOOPS | LOCKS).issuperset(named) and not sleeps,
        blocked=bool(LOCKS.intersection(thread.functions[:6])) or (sleeps and bool(busy)),
        busy_in=busy,
    )


def _of_library(name: str) -> bool:
    """A function of a library without symbols, `0x7f… in libglib-2.0.so.0`: what a loop sleeps through."""
    return name.startswith("0x") and " in " in name


class Threads:
    """All threads of a host's snapshot."""

    def __init__(self, host: Snapshot) -> None:
        self.known = host.threads is not None
        self.by_id: Dict[int, ThreadState] = {one.id: one for one in host.threads or []}
        self._standing: Dict[int, Optional[Standing]] = {}
        self._busy: Optional[List[Standing]] = None

    def standing(self, number: Optional[int]) -> Optional[Standing]:
        """What a thread is doing; None where it, or its stack, is not known."""
        if number is None or number not in self.by_id:
            return None
        if number not in self._standing:
            self._standing[number] = standing(self.by_id[number])
        return self._standing[number]

    @property
    def main(self) -> Optional[Standing]:
        """The thread that runs QEMU's main loop; None where it, or its stack, is not known."""
        return self.standing(next((one.id for one in self.by_id.values() if one.role == "main"), None))

    def busy(self) -> List[Standing]:
        """Those that stand in functions of virtio or of event dispatch."""
        if self._busy is None:
            found = [self.standing(number) for number in self.by_id]
            self._busy = [one for one in found if one is not None and one.busy_in]
        return self._busy

    def serving(self, pair: Pair) -> Optional[Standing]:
        """The thread that serves a queue; None where it, or its stack, is not known."""
        return self.standing(pair.host.notify.thread if pair.host.notify else None)

    def carrying(self, pair: Pair, functions: FrozenSet[str]) -> Optional[Standing]:
        """A thread that may be carrying an event of a queue at that moment.

        The serving thread, when it is known, or another one that stands in one of `functions`; else any thread that
        stands in virtio's functions.
        """
        own = self.serving(pair)
        if own is not None and own.busy_in:
            return own
        found = self.busy()
        if own is not None and _by_notifier(pair):
            found = [one for one in found if functions.intersection(one.thread.functions or [])]
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
