"""virtio-blk: the disk, and the requests of its block queue.

Source: Linux drivers/block/virtio_blk.c (struct virtio_blk; the pdu of a request is a struct virtblk_req).
"""
from typing import Any, Dict, List, Optional

from ...snapshot.kinds import Hex, hex_or_none
from ...snapshot.request_model import Request
from ...target.absence import Absences
from ...target.errors import Corrupt, NotSupported, TargetError
from ...target.target import Target
from ...target.view import View
from .. import block_requests
from ..bus import VirtioDevice
from ..lists import list_entries
from .base import MAX_QUEUES
from .disks import Disk, DiskDriver, gendisk


class BlkDriver(DiskDriver):
    """A virtio disk."""

    def __init__(self, target: Target, device: VirtioDevice, clock_ns: Optional[int]) -> None:
        super().__init__(target, device, clock_ns)
        self._disk: Optional[Disk] = None
        self._queue: Optional[int] = None

    def display_name(self) -> Optional[str]:
        return next((one.name for one in self.device.below if one.depth == 1 and one.subsystem == "block"), None)

    def fields(self, absent: Absences) -> Dict[str, Any]:
        disk = absent.take("disk", self._only_disk)
        if disk is None:
            absent["virtio_blk"] = absent["block"] = absent["disk"]
            return {}
        return {
            "disk": Hex(disk.gendisk.address),
            "virtio_blk": hex_or_none(absent.take("virtio_blk", self._virtio_blk, disk.gendisk)),
            "block": absent.take("block", self.block),
        }

    def request(self, role: str, head: int, token: int) -> Request:
        self.load()
        try:
            request = block_requests.of_pdu(self.memory, token)
            if request.pointer("q") != self._request_queue():
                raise Corrupt(f"what head {head} stands for, at {token:#x}, is no request of this disk")
        except TargetError as problem:
            return Request(head, token=Hex(token), absent={"tag": str(problem)})
        return self.describe(head, token, "block", request, Absences())

    def disks(self) -> List[Disk]:
        return [self._only_disk()]

    def _request_queue(self) -> int:
        if self._queue is None:
            self._queue = self._only_disk().gendisk.pointer("queue")
        return self._queue

    def _only_disk(self) -> Disk:
        if self._disk is None:
            for one in self.device.below:
                if one.depth == 1 and one.subsystem == "block":
                    self._disk = Disk(one.name, gendisk(self.memory, one.device))
                    return self._disk
            raise NotSupported(self.device.why_none_below or "no disk hangs on the device")
        return self._disk

    def _virtio_blk(self, disk: View) -> int:
        """gendisk → queue → queuedata, the way of the driver itself, held against the list of the device's queues."""
        self.target.size_of("struct virtio_blk")
        address = disk.follow("struct request_queue", "queue").pointer("queuedata")
        named, listed = self._by_disk(address), self._by_list()
        if sorted(named) != sorted(listed):
            raise Corrupt(f"virtio_device.vqs and virtio_blk.vqs name different queues ({len(listed)} and "
                          f"{len(named)})")
        return address

    def _by_disk(self, virtio_blk: int) -> List[int]:
        block = View(self.target, "struct virtio_blk", virtio_blk)
        count = block.uint("num_vqs")
        if not 1 <= count <= MAX_QUEUES:
            raise Corrupt(f"struct virtio_blk claims {count} queues")
        size = self.target.size_of("struct virtio_blk_vq")
        raw = self.target.read(block.pointer("vqs"), size * count)
        return self.target.decode_pointers(raw, size, self.target.member_of("struct virtio_blk_vq", "vq").offset)

    def _by_list(self) -> List[int]:
        inside = self.target.member_of("struct virtqueue", "list").offset
        return [node - inside for node in list_entries(self.target, self.device.view.address_of("vqs"))]
