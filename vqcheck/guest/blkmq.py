"""The block layer above a disk: its scheduler, its hardware contexts, and the requests that wait in it.

Source: Linux include/linux/blkdev.h (struct request_queue), include/linux/blk-mq.h (struct blk_mq_hw_ctx),
block/blk-mq.c.
"""
from typing import AbstractSet, Dict, List, NamedTuple, Optional, Tuple

from ..snapshot.kernel_model import BlockQueue, HardwareQueue, Tags
from ..snapshot.kinds import Hex, hex_or_none
from ..snapshot.request_model import WaitingRequest
from ..target.absence import Absences
from ..target.bulk import Bulk
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.view import View
from . import block_requests, tags
from .lists import list_length
from .tags import TagSet
from .trees import radix_entries

MAX_HARDWARE_QUEUES = 4096
MAX_WAITING = 256
"""Requests listed of those that wait."""

BLK_MQ_S_STOPPED = 1 << 0
"""blk_mq_hw_ctx.state."""
BLK_MQ_F_TAG_QUEUE_SHARED = 1 << 1
"""blk_mq_hw_ctx.flags: several disks share the tags, and hctx->nr_active counts (BLK_MQ_F_TAG_SHARED before 5.10)."""


NO_SCHEDULER = "not applicable: the disk has no scheduler"


class _Known(NamedTuple):
    """The hardware contexts of a queue, and who holds their tags."""

    contexts: List[HardwareQueue]
    holders: Dict[int, View]
    """The queue's requests that hold a tag, by address."""
    why_not_all: List[str]
    """Why there may be more of them."""


class BlockLayer:
    """What is known of the block layer above the disks of one device."""

    def __init__(self, memory: Bulk, clock_ns: Optional[int]) -> None:
        self._memory = memory
        self._clock_ns = clock_ns
        self._known: Dict[int, _Known] = {}
        self._sets: Dict[int, TagSet] = {}

    def load(self, queue: View) -> None:
        """Read the requests of a struct request_queue ahead, so that each need not be read by itself."""
        try:
            self._contexts(queue)
        except TargetError:
            pass  # reading the queue will say why

    def read(self, name: str, queue: View, on_ring: Optional[AbstractSet[int]]) -> BlockQueue:
        """The block layer above a disk, from its struct request_queue.  Never raises.

        `on_ring` holds the addresses of the requests that are on the device's rings; where it is None, all that were
        started are taken to be there.
        """
        absent = Absences()
        described = BlockQueue(
            disk=name,
            address=Hex(queue.address),
            scheduler=absent.take("scheduler", _scheduler, queue),
            queue_flags=hex_or_none(absent.take("queue_flags", queue.uint, "queue_flags")),
            quiesce_depth=absent.take("quiesce_depth", _quiesce_depth, queue),
            freeze_depth=absent.take("freeze_depth", queue.sint, "mq_freeze_depth"),
            requeue=absent.take("requeue", _length, queue, "requeue_list"),
        )
        known = absent.take("hardware_queues", self._contexts, queue)
        if known is None:
            absent["waiting"] = absent["waiting_count"] = absent["hardware_queues"]
            return described._replace(absent=dict(absent))
        waiting = absent.take("waiting", _waiting, known, on_ring)
        if waiting is None:
            absent["waiting_count"] = absent["waiting"]
        elif known.why_not_all:
            absent["waiting_count"] = "there may be more: " + known.why_not_all[0]
        return described._replace(
            hardware_queues=known.contexts,
            waiting=None if waiting is None else [self._describe(one) for one in waiting[:MAX_WAITING]],
            waiting_count=None if waiting is None or known.why_not_all else len(waiting),
            absent=dict(absent),
        )

    def _contexts(self, queue: View) -> _Known:
        if queue.address not in self._known:
            known = _Known([], {}, [])
            for number, address in enumerate(_context_addresses(self._memory, queue)):
                known.contexts.append(self._context(number, address, queue, known))
            self._known[queue.address] = known
        return self._known[queue.address]

    def _context(self, number: int, address: int, queue: View, known: _Known) -> HardwareQueue:
        absent = Absences()
        try:
            view = View(self._memory, "struct blk_mq_hw_ctx", address)
            number = view.uint("queue_num")
            if view.pointer("queue") != queue.address:
                raise Corrupt(f"the hardware context at {address:#x} is not of this disk")
        except TargetError as problem:
            known.why_not_all.append(str(problem))
            absent.update((field, str(problem)) for field in HardwareQueue._fields[1:-1])
            return HardwareQueue(number, absent=dict(absent))
        state = absent.take("state", view.uint, "state")
        if state is None:
            absent["stopped"] = absent["state"]
        described = HardwareQueue(
            queue_num=number,
            state=hex_or_none(state),
            stopped=None if state is None else bool(state & BLK_MQ_S_STOPPED),
            dispatch=absent.take("dispatch", _length, view, "dispatch"),
            nr_active=absent.take("nr_active", _nr_active, view),
            tags=self._tags("tags", view, known, absent),
            sched_tags=self._tags("sched_tags", view, known, absent),
        )
        return described._replace(absent=dict(absent))

    def _tags(self, field: str, context: View, known: _Known, absent: Absences) -> Optional[Tags]:
        """Tags of a hardware context, which may be those of others as well: of other disks, or of the same one."""
        try:
            address = context.pointer(field)
            if address == 0 and field == "sched_tags":
                absent[field] = NO_SCHEDULER
                return None
            if address not in self._sets:
                self._sets[address] = tags.read(self._memory, address, scheduler=field == "sched_tags")
            found = self._sets[address]
            known.holders.update((one.address, one) for one in found.requests
                                 if one.pointer("q") == context.pointer("queue"))
        except TargetError as problem:
            absent[field] = str(problem)
            known.why_not_all.append(str(problem))
            return None
        if found.why_not_all is not None:
            known.why_not_all.append(found.why_not_all)
        return found.tags

    def _describe(self, request: View) -> WaitingRequest:
        absent = Absences()
        described = block_requests.describe(request, self._clock_ns, absent)
        internal = absent.take("internal_tag", request.sint, "internal_tag")
        return WaitingRequest(internal_tag=internal, absent=dict(absent), **described)


def _context_addresses(memory: Bulk, queue: View) -> List[int]:
    """The addresses of all hardware contexts, in the order of their numbers."""
    # Disks without blk-mq went away with Linux 5.0 (a1ce35fa4985 "block: remove dead elevator code").
    if queue.has("mq_ops") and queue.pointer("mq_ops") == 0:
        raise NotSupported("the disk does not use blk-mq")
    count = queue.uint("nr_hw_queues")
    if not 1 <= count <= MAX_HARDWARE_QUEUES:
        raise Corrupt(f"the disk claims {count} hardware queues")
    if queue.has("hctx_table"):  # Linux 5.18 (4e5cc99e1e48 "blk-mq: manage hctx map via xarray")
        table = radix_entries(memory, queue.address_of("hctx_table"))
        return [address for number, address in table if number < count]
    # Before, and by Linux 7.2 again, an array.
    return memory.decode_pointers(memory.read(queue.pointer("queue_hw_ctx"), count * memory.pointer_size))


def _waiting(known: _Known, on_ring: Optional[AbstractSet[int]]) -> List[View]:
    """Those that hold a tag and are on no ring, oldest first."""
    def waits(request: View) -> bool:
        if on_ring is None:
            return request.uint("state") != block_requests.IN_FLIGHT
        return request.address not in on_ring

    return sorted(filter(waits, known.holders.values()), key=_since)


def _since(request: View) -> Tuple[bool, int, int]:
    """Sorts by age, and what has none behind all others."""
    started = request.uint("start_time_ns")
    return started == 0, started, request.address


def _scheduler(queue: View) -> Optional[str]:
    elevator = queue.pointer("elevator")
    if elevator == 0:
        return "none"
    kind = View(queue.target, "struct elevator_queue", elevator).follow("struct elevator_type", "type")
    # A char array until Linux 5.x, a pointer by 5.10.
    if queue.target.member_of("struct elevator_type", "elevator_name").size == queue.target.pointer_size:
        return kind.string("elevator_name")
    return kind.text("elevator_name")


def _quiesce_depth(queue: View) -> int:
    if not queue.has("quiesce_depth"):
        # Linux 5.16 (e70feb8b3e68 "blk-mq: support concurrent queue quiesce/unquiesce").
        raise NotSupported("this kernel counts no depth, it only has the bit QUEUE_FLAG_QUIESCED in queue_flags")
    return queue.sint("quiesce_depth")


def _length(holder: View, path: str) -> int:
    """The length of a list whose head lies in a struct that was read."""
    head = holder.address_of(path)
    if holder.target.decode_pointers(holder.raw(path))[0] == head:
        return 0
    return list_length(holder.target, head)


def _nr_active(context: View) -> int:
    if not context.uint("flags") & BLK_MQ_F_TAG_QUEUE_SHARED:
        raise NotSupported("not applicable: the kernel counts it only where several disks share the tags")
    return context.sint("nr_active")
