"""What drivers of disks have in common: the block layer above them, and who waits for their requests."""
from typing import Dict, List, NamedTuple, Optional, Set

from ...snapshot.kernel_model import BlockQueue
from ...snapshot.kinds import Hex
from ...snapshot.model import Queue
from ...snapshot.request_model import Request
from ...target.absence import Absences
from ...target.bulk import Bulk
from ...target.errors import TargetError
from ...target.target import Target
from ...target.view import View, container_of
from .. import block_requests
from ..blkmq import BlockLayer
from ..bus import VirtioDevice
from ..lists import list_length
from ..tasks import Tasks
from .base import Driver

MAX_TASKS = 32
"""Requests of a ring whose waiting task is looked for, the oldest ones: each takes a few reads of its own."""


class Disk(NamedTuple):
    """A disk of the device."""

    name: str
    gendisk: View


class DiskDriver(Driver):
    """A driver whose requests come from the block layer."""

    def __init__(self, target: Target, device: VirtioDevice, clock_ns: Optional[int]) -> None:
        super().__init__(target, device, clock_ns)
        self.memory = Bulk(target)
        self._layer = BlockLayer(self.memory, clock_ns)
        self._tasks = Tasks(self.memory)
        self._loaded = False
        self._on_ring: Dict[int, View] = {}
        """The requests in flight, by token."""
        self._rings: Set[int] = set()
        """The queues of which all is known that is in flight."""

    def disks(self) -> List[Disk]:
        """The device's disks.  Raises TargetError."""
        raise NotImplementedError

    def about_queue(self, queue: Queue) -> Queue:
        if queue.in_flight is None:
            return queue
        if all(one.kind is not None for one in queue.in_flight):
            self._rings.add(queue.queue_index)
        return queue._replace(in_flight=self._with_tasks(queue.in_flight))

    def load(self) -> None:
        """Read the requests of all disks ahead, once."""
        if self._loaded:
            return
        self._loaded = True
        try:
            for disk in self.disks():
                self._layer.load(_request_queue(disk))
        except TargetError:
            pass  # each request will say why

    def describe(self, head: int, token: int, kind: str, request: View, absent: Absences) -> Request:
        """A request in flight under a head, and that it is on a ring; `absent` takes the reasons."""
        self._on_ring[token] = request
        described = block_requests.describe(request, self.clock_ns, absent)
        issued = absent.take("issued_ns", block_requests.age, request, self.clock_ns, "io_start_time_ns")
        return Request(head, Hex(token), kind, issued_ns=issued, absent=dict(absent), **described)

    def block(self) -> List[BlockQueue]:
        """The block layer above each disk, to be asked for when the device's rings were read.  Raises TargetError."""
        on_ring = {one.address for one in self._on_ring.values()} if self._all_rings() else None
        return [self._layer.read(disk.name, _request_queue(disk), on_ring) for disk in self.disks()]

    def _all_rings(self) -> bool:
        """Whether it is known of all the device's queues what they have in flight."""
        return len(self._rings) == list_length(self.target, self.device.view.address_of("vqs"))

    def _with_tasks(self, found: List[Request]) -> List[Request]:
        known = [place for place, one in enumerate(found) if one.token in self._on_ring]
        oldest = sorted(known, key=lambda place: -(found[place].age_ns or 0))
        described = list(found)
        for place in oldest[:MAX_TASKS]:
            described[place] = self._with_task(found[place])
        for place in oldest[MAX_TASKS:]:
            described[place] = _without_task(found[place], f"looked for with the oldest {MAX_TASKS} requests only")
        return described

    def _with_task(self, one: Request) -> Request:
        try:
            return one._replace(task=self._tasks.waiter(self._on_ring[one.token or 0]))
        except TargetError as problem:
            return _without_task(one, str(problem))


def _without_task(one: Request, why: str) -> Request:
    return one._replace(absent={**one.absent, "task": why})


def _request_queue(disk: Disk) -> View:
    return disk.gendisk.follow("struct request_queue", "queue")


def gendisk(target: Target, device: int) -> View:
    """The gendisk of a device of class block that is no partition.  Raises TargetError."""
    if target.member("struct block_device", "bd_device") is not None:
        block_device = View(target, "struct block_device",
                            container_of(target, device, "struct block_device", "bd_device"))
        return block_device.follow("struct gendisk", "bd_disk")
    # Until 5.10 the device was part of the disk's first partition (0d02129e76ed "block: merge struct block_device and
    # struct hd_struct", Linux 5.11).
    return View(target, "struct gendisk", container_of(target, device, "struct gendisk", "part0.__dev"))
