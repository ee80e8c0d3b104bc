"""Event loops: which thread serves a queue, and which file descriptors it watches.

Source: QEMU util/aio-posix.h (struct AioHandler), include/block/aio.h (struct AioContext),
hw/block/dataplane/virtio-blk.c, hw/block/virtio-blk.c.
"""
from typing import Dict, Optional, Sequence, Set

from ..target.errors import NoMember, NotSupported, TargetError
from ..target.target import Target, Thread
from ..target.view import View
from .qobject import chain, static_pointer

MAIN = "main"
MAIN_FUNCTIONS = frozenset(("main", "qemu_main_loop", "__libc_start_call_main", "__libc_start_main"))
"""Where only the main thread stands; main() itself is often a tail call and on no stack."""

IOTHREAD = "iothread"


class Loop:
    """An AioContext, its handlers read on first use."""

    def __init__(self, target: Target, address: int, name: str, thread: Optional[int]) -> None:
        self.context = View(target, "struct AioContext", address)
        self.name = name
        self.thread = thread
        """Kernel thread id of the thread that runs the loop, where it is known."""
        self._watched: Optional[Set[int]] = None

    def watches(self, fd: int) -> bool:
        """Whether a handler is attached to a file descriptor."""
        if self._watched is None:
            first = self.context.pointer("aio_handlers.lh_first")
            self._watched = {handler.sint("pfd.fd")
                             for handler in chain(self.context.target, first, "struct AioHandler", "node.le_next")
                             if not _deleted(handler)}
        return fd in self._watched

    @property
    def polling(self) -> bool:
        """Whether the loop is busy polling, during which it wants no notifications."""
        return self.context.flag("poll_started")


def _deleted(handler: View) -> bool:
    return handler.has("node_deleted.le_prev") and handler.pointer("node_deleted.le_prev") != 0


class Loops:
    """The loops of one QEMU process."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: Dict[int, Loop] = {}
        self._main_thread: Optional[int] = None
        try:
            self._main_thread = main_thread(target.threads())
        except TargetError:
            pass

    def main(self) -> Loop:
        """The main loop's AioContext."""
        return self._loop(static_pointer(self._target, "qemu_aio_context"), MAIN, self._main_thread)

    def io_handlers(self) -> Loop:
        """The main loop's second AioContext, for handlers of plain file descriptors."""
        return self._loop(static_pointer(self._target, "iohandler_ctx"), MAIN, self._main_thread)

    def of_disk_queue(self, device: View, index: int) -> Loop:
        """The loop that serves a queue of a virtio-blk device."""
        block = View(self._target, "struct VirtIOBlock", device.address)
        if block.has("dataplane"):  # until QEMU 9.0
            plane = block.follow("struct VirtIOBlockDataPlane", "dataplane")
            return self._of_context(plane.pointer("ctx"), plane.pointer("iothread"))
        if block.has("vq_aio_context"):
            table = block.pointer("vq_aio_context")
            if table == 0:
                return self.main()
            context = self._target.read_pointer(table + index * self._target.pointer_size)
            return self._of_context(context, block.pointer("conf.iothread"))
        raise NoMember("struct VirtIOBlock", "dataplane", "vq_aio_context")

    def _of_context(self, context: int, iothread: int) -> Loop:
        if context == static_pointer(self._target, "qemu_aio_context"):
            return self.main()
        thread = None
        if iothread:
            owner = View(self._target, "struct IOThread", iothread)
            thread = owner.uint("thread_id") if owner.pointer("ctx") == context else None
        return self._loop(context, IOTHREAD, thread)

    def _loop(self, address: int, name: str, thread: Optional[int]) -> Loop:
        if address not in self._known:
            if address == 0:
                raise NotSupported("the event loop does not exist yet")
            self._known[address] = Loop(self._target, address, name, thread)
        return self._known[address]


def main_thread(threads: Sequence[Thread]) -> Optional[int]:
    """The thread that runs QEMU's main loop."""
    for thread in threads:
        if thread.functions and MAIN_FUNCTIONS.intersection(thread.functions):
            return thread.id
    return None
