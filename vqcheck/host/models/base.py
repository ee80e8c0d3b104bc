"""What QEMU's device models have in common, and what those that are not known better say of themselves."""
from typing import Dict, Iterable, List, Optional

from ...snapshot.device_model import HostDevice
from ...snapshot.held_model import Held, HeldRequest
from ...target.absence import Absences
from ...target.errors import NotSupported
from ...target.target import Target
from ...target.view import View
from ..loops import Loop
from ..process import Process

ELEMENT = "struct VirtQueueElement"

AT_ONCE = ("virtio-rng", "virtio-input", "virtio-mem", "virtio-iommu")
"""Devices that return an element in the function that pops it, by VirtIODevice.name (QEMU hw/virtio/virtio-rng.c,
hw/input/virtio-input.c, hw/virtio/virtio-mem.c, virtio-iommu.c)."""


class Model:
    """A device model: one that nothing special is known of."""

    def __init__(self, process: Process, device: View) -> None:
        """`device` is its struct VirtIODevice, with which every model's own struct begins."""
        self.process = process
        self.target: Target = process.target
        self.device = device

    def loop(self, index: int) -> Loop:
        """The event loop that the device would have serve a queue whose host notifier nobody watches."""
        raise NotSupported("no loop watches the queue's host notifier")

    def batched(self, index: int) -> bool:
        """Whether an interrupt of a queue waits for a bottom half that gathers them."""
        raise NotSupported("not applicable: this device does not gather interrupts")

    def describe(self, record: HostDevice, absent: Absences) -> HostDevice:
        """The device's record with what only its own model knows."""
        return record

    def tx_waiting(self, index: int) -> bool:
        """Whether the device has promised itself to look at a transmit queue again, without another kick."""
        raise NotSupported("not applicable: not a transmit queue of a network device")

    def held(self, index: int, inuse: Optional[int]) -> Held:
        """Who has the elements of a queue that were popped and not returned."""
        if inuse == 0:
            return held([], True, [])
        if self.device.string("name") in AT_ONCE:
            return held([], True, ["the device returns an element in the function that pops it"])
        return held([], False, [], "where this device keeps its elements is not known")

    def queue_index(self, queue: int) -> Optional[int]:
        """The index of the struct VirtQueue at an address; None for one that is not of this device."""
        offset, size = queue - self.device.pointer("vq"), self.target.size_of("struct VirtQueue")
        return offset // size if offset >= 0 and offset % size == 0 else None


def held(requests: Iterable[HeldRequest], complete: bool, looked_in: List[str], why_not: str = "") -> Held:
    """The record; `why_not` is why some place could not be looked at."""
    by_age = sorted(requests, key=lambda one: -(one.age_ns or 0))
    return Held(by_age, complete, looked_in, {} if complete else {"complete": why_not})


def element(target: Target, address: int) -> View:
    """A popped element: struct VirtQueueElement, with which every device's own request begins."""
    return View(target, ELEMENT, address)


def of_element(one: View, detail: str, holder: str = "device") -> HeldRequest:
    """An element that the device itself has kept."""
    return HeldRequest(head=one.uint("index"), descriptors=descriptors(one), holder=holder, detail=detail,
                       address=None, absent=not_carried())


def descriptors(one: View) -> int:
    """Descriptors of the ring that an element takes; QEMU counts them in packed rings only, where they are inuse's
    unit."""
    return one.uint("ndescs") if one.has("ndescs") else 1


def not_carried() -> Dict[str, str]:
    """Why a request that is not in the block layer lacks what only requests there have."""
    reason = "not applicable: it is not in the block layer"
    return dict.fromkeys(("type", "offset", "bytes", "age_ns", "node", "address", "coroutine", "functions"), reason)
