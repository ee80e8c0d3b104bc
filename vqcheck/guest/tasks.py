"""Who waits for a request of the block layer, as far as the request tells.

Only those are found who sleep until this very I/O ends: direct I/O that is not asynchronous, metadata read and written
one by one, flushes, commands to a drive.  Who waits for a page or buffer to be read or written back is noted nowhere
near the request.

Source: Linux block/bio.c (submit_bio_wait()), block/fops.c (struct blkdev_dio), fs/iomap/direct-io.c,
fs/direct-io.c, block/blk-mq.c (blk_execute_rq()), include/linux/completion.h.
"""
from typing import Callable, Dict, NamedTuple, Optional

from ..snapshot.request_model import Task
from ..target.errors import Corrupt, NotSupported
from ..target.target import Target, decode_text
from ..target.view import View

MAX_CHAINED = 8
"""Bios that may hang on each other by bio_chain()."""

PID_MAX = 1 << 22
"""PID_MAX_LIMIT of include/linux/threads.h."""

DIO_IS_SYNC = 2
"""blkdev_dio.flags of block/fops.c."""


class Tasks:
    """Finds tasks; looks at each task once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._seen: Dict[int, Task] = {}

    def waiter(self, request: View) -> Task:
        """The task that sleeps until a struct request ends.  Raises NotSupported and other TargetErrors."""
        address = _waiter(request)
        if address not in self._seen:
            self._seen[address] = read_task(self._target, address)
        return self._seen[address]


def read_task(target: Target, address: int) -> Task:
    """The task whose struct task_struct lies at an address.  Raises Corrupt where there is none."""
    def field(path: str) -> bytes:
        # One by one, as the struct has up to ten thousand bytes.
        member = target.member_of("struct task_struct", path)
        return target.read(address + member.offset, member.size)

    pid, comm = target.decode_uint(field("pid")), field("comm")
    name = comm.split(b"\0", 1)[0]
    if not 0 < pid < PID_MAX or b"\0" not in comm or not name or min(name) < 0x20:
        raise Corrupt(f"what should be the waiting task, at {address:#x}, is none")
    node = target.member("struct task_struct", "thread_node")
    if node is not None:  # its place among the threads of its process
        here = address + node.offset
        following = target.read_pointer(here)
        if target.read_pointer(following + target.pointer_size) != here:
            raise Corrupt(f"what should be the waiting task, at {address:#x}, is none")
    return Task(pid, decode_text(comm))


def _waiter(request: View) -> int:
    """The address of the task."""
    end_io = _symbol(request, "end_io")
    if end_io == "blk_end_sync_rq":
        # struct blk_rq_wait of Linux 6.1 begins with the completion that stood alone in 5.10.
        return _on_completion(request.target, request.pointer("end_io_data"))
    address = request.pointer("bio")
    if address == 0:
        raise NotSupported("the request carries no bio that would name a task" +
                           (f"; it ends in {end_io}()" if end_io else ""))
    for _ in range(MAX_CHAINED):
        bio = View(request.target, "struct bio", address)
        name = _symbol(bio, "bi_end_io")
        if name != "bio_chain_endio":
            return _of_bio(bio, name)
        address = bio.pointer("bi_private")
    raise Corrupt(f"more than {MAX_CHAINED} bios hang on each other")


def _symbol(holder: View, path: str) -> Optional[str]:
    address = holder.pointer(path)
    return (holder.target.symbol_name(address) or f"{address:#x}") if address else None


def _of_bio(bio: View, end_io: Optional[str]) -> int:
    rule = ENDS.get(end_io or "")
    if rule is None:
        raise NotSupported(f"the bio ends in {end_io}(), which names no task" if end_io else
                           "the bio has no end_io, and names no task")
    private = bio.pointer("bi_private")
    task = rule(bio.target, private)
    if task == 0:
        raise NotSupported(f"nobody sleeps yet or any more until {end_io}() is called")
    return task


class _Waiting(NamedTuple):
    """How a kernel's struct completion keeps who waits."""

    head: str
    entry: str
    link: str
    task: str


def _on_completion(target: Target, completion: int) -> int:
    """The first task that waits for a struct completion.  Raises NotSupported where none does."""
    how = _completion_layout(target)
    head = completion + target.member_of("struct completion", how.head).offset
    first = target.read_pointer(head)
    if first == head:
        raise NotSupported("nobody sleeps yet or any more on the completion of the request")
    entry = first - target.member_of(how.entry, how.link).offset
    return View(target, how.entry, entry).pointer(how.task)


def _completion_layout(target: Target) -> _Waiting:
    # Simple wait queues since Linux 5.7 (a5c6234e1028 "completion: Use simple wait queues"); the others had their
    # members renamed by 4.13 (2055da97389a "sched/wait: Disambiguate wq_entry->task_list and wq_head->task_list
    # naming").
    if target.type_size("struct __wait_queue") is not None:
        return _Waiting("wait.task_list", "struct __wait_queue", "task_list", "private")
    if target.member("struct completion", "wait.head") is not None:
        return _Waiting("wait.head", "struct wait_queue_entry", "entry", "private")
    return _Waiting("wait.task_list", "struct swait_queue", "task_list", "task")


def _private_is_task(_target: Target, private: int) -> int:
    return private


def _of_blkdev_dio(target: Target, private: int) -> int:
    dio = View(target, "struct blkdev_dio", private)
    # Until Linux 5.16 is_sync was a bit-field (09ce8744253a "block: turn the bools in blkdev_dio into flags"), which
    # debuggers do not place; then what is no task shows when it is looked at.
    if dio.has("flags") and not dio.uint("flags") & DIO_IS_SYNC:
        return _asynchronous(target, private)
    return dio.pointer("waiter")


def _of_iomap_dio(target: Target, private: int) -> int:
    dio = View(target, "struct iomap_dio", private)
    if not dio.flag("wait_for_completion"):
        return _asynchronous(target, private)
    return dio.pointer("submit.waiter")


def _of_dio(target: Target, private: int) -> int:
    return View(target, "struct dio", private).pointer("waiter")


def _asynchronous(_target: Target, _private: int) -> int:
    raise NotSupported("asynchronous I/O: nobody sleeps until it ends")


ENDS: Dict[str, Callable[[Target, int], int]] = {
    "submit_bio_wait_endio": _on_completion,
    "bio_wait_end_io": _on_completion,
    # Direct I/O of few pages on a block device; by Linux 6.1 it waits in submit_bio_wait().
    "blkdev_bio_end_io_simple": _private_is_task,
    "blkdev_bio_end_io": _of_blkdev_dio,
    "blkdev_bio_end_io_async": _asynchronous,
    "iomap_dio_bio_end_io": _of_iomap_dio,
    "dio_bio_end_io": _of_dio,
    "dio_bio_end_aio": _asynchronous,
}
"""By the bio's bi_end_io: where its bi_private leads to."""
