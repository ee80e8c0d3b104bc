"""Event loops: which thread runs each, and which file descriptors it watches.

Source: QEMU util/aio-posix.h (struct AioHandler), include/block/aio.h (struct AioContext), util/main-loop.c,
iothread.c.
"""
from typing import Dict, List, NamedTuple, Optional, Sequence

from ..target.errors import NotSupported, TargetError
from ..target.target import Target, Thread
from ..target.view import View
from .qobject import chain, static_pointer
from .qom import iothreads

MAIN = "main"
IOHANDLER = "iohandler"
"""The main loop's second context, for handlers of plain file descriptors."""

MAIN_FUNCTIONS = frozenset(("main", "qemu_main_loop", "__libc_start_call_main", "__libc_start_main"))
"""Where only the main thread stands; main() itself is often a tail call and on no stack."""


class Handler(NamedTuple):
    """A handler of a file descriptor in a loop."""

    external: bool
    """It is of the kind that a drain leaves out (AioHandler.is_external, until QEMU 8.0)."""


class Loop:
    """An AioContext, its handlers read on first use."""

    def __init__(self, target: Target, address: int, name: str, thread: Optional[int]) -> None:
        self.context = View(target, "struct AioContext", address)
        self.name = name
        self.thread = thread
        """Kernel thread id of the thread that runs the loop, where it is known."""
        self._handlers: Optional[Dict[int, Handler]] = None

    def handlers(self) -> Dict[int, Handler]:
        """The handlers by their file descriptors."""
        if self._handlers is None:
            first = self.context.pointer("aio_handlers.lh_first")
            self._handlers = {handler.sint("pfd.fd"): _handler(handler)
                              for handler in chain(self.context.target, first, "struct AioHandler", "node.le_next")
                              if not _deleted(handler)}
        return self._handlers

    @property
    def polling(self) -> bool:
        """Whether the loop is busy polling, during which it wants no notifications."""
        return self.context.flag("poll_started")

    @property
    def external_disabled(self) -> int:
        """Above zero the loop leaves external handlers out; later QEMUs take a drained device's handlers off."""
        return self.context.sint("external_disable_cnt") if self.context.has("external_disable_cnt") else 0

    def disables(self, fd: int) -> bool:
        """Whether the handler of a file descriptor is there and left out for now."""
        handler = self.handlers().get(fd)
        return handler is not None and handler.external and self.external_disabled > 0


def _handler(handler: View) -> Handler:
    return Handler(handler.has("is_external") and handler.flag("is_external"))


def _deleted(handler: View) -> bool:
    return handler.has("node_deleted.le_prev") and handler.pointer("node_deleted.le_prev") != 0


class Loops:
    """The loops of one QEMU process."""

    def __init__(self, target: Target, anywhere: Optional[int]) -> None:
        """`anywhere` is the address of any object of the process, None where none is known."""
        self._target = target
        self._known: Dict[int, Loop] = {}
        self.main_thread = _main_thread(target)
        self.problem: Optional[str] = None
        """Why loops may be missing."""
        self.iothreads: Dict[str, View] = {}
        """struct IOThread by their ids."""
        for symbol, name in (("qemu_aio_context", MAIN), ("iohandler_ctx", IOHANDLER)):
            self._add(static_pointer(target, symbol), name, self.main_thread)
        try:
            self._add_iothreads(anywhere)
        except TargetError as problem:
            self.problem = f"iothreads are not known: {problem}"

    def _add_iothreads(self, anywhere: Optional[int]) -> None:
        if anywhere is None:
            raise NotSupported("QEMU has no device to start from")
        self.iothreads = iothreads(self._target, anywhere)
        for name, thread in self.iothreads.items():
            self._add(thread.pointer("ctx"), name, thread.uint("thread_id"))

    def _add(self, address: int, name: str, thread: Optional[int]) -> None:
        if address:  # iohandler_ctx is made when it is first needed
            self._known[address] = Loop(self._target, address, name, thread)

    def all(self) -> List[Loop]:
        """Every loop that was found."""
        return list(self._known.values())

    def of_context(self, address: int) -> Loop:
        """The loop of an AioContext; one that belongs to no iothread that is known goes by its address."""
        if address not in self._known:
            if address == 0:
                raise NotSupported("the event loop does not exist yet")
            self._known[address] = Loop(self._target, address, f"{address:#x}", None)
        return self._known[address]

    def main(self) -> Loop:
        """The main loop's AioContext."""
        return self.of_context(static_pointer(self._target, "qemu_aio_context"))

    def watching(self, fd: int) -> Optional[Loop]:
        """The loop in which a handler is attached to a file descriptor.  Raises TargetError if that can't be told."""
        for loop in self.all():
            if fd in loop.handlers():
                return loop
        if self.problem:
            raise NotSupported(self.problem)
        return None


def _main_thread(target: Target) -> Optional[int]:
    try:
        return main_thread(target.threads(), target.identity().pid)
    except TargetError:
        return None


def main_thread(threads: Sequence[Thread], pid: Optional[int] = None) -> Optional[int]:
    """The thread that runs QEMU's main loop; `pid` is the id of the process, which is that of its first thread."""
    for thread in threads:
        if thread.functions and MAIN_FUNCTIONS.intersection(thread.functions):
            return thread.id
    # While it runs a coroutine it stands on another stack, which begins somewhere else.
    return next((thread.id for thread in threads if thread.id == pid), None)
