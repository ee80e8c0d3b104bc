"""What the walker asks of its knowledge about one kind of virtio driver."""
from typing import Any, Dict, Optional

from ...snapshot.kinds import Hex
from ...snapshot.model import Queue
from ...snapshot.request_model import Request
from ...target.absence import Absences
from ...target.target import Target
from ..bus import VirtioDevice

MAX_QUEUES = 4096


class Driver:
    """A driver of which nothing more is known than its queues.  Its kinds override what they know better."""

    def __init__(self, target: Target, device: VirtioDevice, clock_ns: Optional[int]) -> None:
        self.target = target
        self.device = device
        self.clock_ns = clock_ns
        """The guest's monotonic clock, against which ages are computed."""

    def display_name(self) -> Optional[str]:
        """What Linux calls the device, as `vdb`; None where it has no name but that on the virtio bus."""
        return next((one.name for one in self.device.below if one.subsystem in ("input", "drm", "tty")), None)

    def fields(self, absent: Absences) -> Dict[str, Any]:
        """Fields of GuestDevice that only this driver has; `absent` takes the reasons of those that can't be had."""
        return {}

    def request(self, role: str, head: int, token: int) -> Request:
        """What is in flight under a head of a queue with that role.  Never raises."""
        return Request(head, token=Hex(token), kind="buffer")

    def about_queue(self, queue: Queue) -> Queue:
        """The queue with what only this driver knows of it.  Never raises."""
        return queue
