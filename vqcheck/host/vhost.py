"""Devices that serve rings in QEMU's stead: in the host's kernel (vhost), in another process (vhost-user), vDPA.

Source: QEMU include/hw/virtio/vhost.h (struct vhost_dev, struct vhost_virtqueue), vhost-backend.h (VhostBackendType).
"""
from typing import List, Optional, Tuple

from ..snapshot.kinds import Hex, hex_or_none
from ..snapshot.transport_model import Vhost, VhostQueue
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.target import Target
from ..target.view import View
from .qobject import chain

BACKENDS = {1: "kernel", 2: "user", 3: "vdpa"}
"""VhostBackendType."""

MAX_QUEUES = 1024


class VhostDevices:
    """All vhost devices of the process."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._by_device: List[Tuple[int, View]] = []
        self.problem: Optional[str] = None
        """Why some may be missing."""
        try:
            self._read()
        except TargetError as problem:
            self.problem = str(problem)

    def _read(self) -> None:
        head = self._target.symbol("vhost_devices")
        if head is not None:  # it is not there in a QEMU without vhost
            for one in chain(self._target, self._target.read_pointer(head), "struct vhost_dev", "entry.le_next"):
                self._by_device.append((one.pointer("vdev"), one))

    def of(self, device: View) -> List[View]:
        """Those of a virtio device (struct vhost_dev), those with the first queues first."""
        found = [one for address, one in self._by_device if address == device.address]
        return sorted(found, key=lambda one: one.sint("vq_index"))


def states(found: List[View]) -> List[Vhost]:
    """What is known of a device's vhost devices."""
    return [_state(one) for one in found]


def _state(one: View) -> Vhost:
    absent = Absences()
    return Vhost(
        backend=absent.take("backend", _backend, one),
        started=absent.take("started", one.flag, "started"),
        vq_index=absent.take("vq_index", one.sint, "vq_index"),
        nvqs=absent.take("nvqs", one.uint, "nvqs"),
        features=hex_or_none(absent.take("features", one.uint, "features")),
        acked_features=hex_or_none(absent.take("acked_features", one.uint, "acked_features")),
        absent=dict(absent),
    )


def _backend(one: View) -> str:
    kind = one.follow("struct VhostOps", "vhost_ops").uint("backend_type")
    return BACKENDS.get(kind, f"type {kind}")


def queue_state(target: Target, found: List[View], index: int) -> VhostQueue:
    """What vhost was given for a queue.  Raises NotSupported where it serves none of that index."""
    for one in found:
        first, count = one.sint("vq_index"), one.uint("nvqs")
        if count > MAX_QUEUES:
            raise Corrupt(f"a vhost device claims {count} queues")
        if first <= index < first + count:
            size = target.size_of("struct vhost_virtqueue")
            return _queue(target, View(target, "struct vhost_virtqueue", one.pointer("vqs") + (index - first) * size))
    raise NotSupported("not applicable: vhost does not serve this queue")


def _queue(target: Target, queue: View) -> VhostQueue:
    absent = Absences()
    fd = absent.take("masked_notifier", queue.sint, "masked_notifier.rfd")
    return VhostQueue(
        num=absent.take("num", queue.uint, "num"),
        desc=Hex(queue.pointer("desc")),
        avail=Hex(queue.pointer("avail")),
        used=Hex(queue.pointer("used")),
        masked_notifier=fd,
        masked_count=absent.take("masked_count", _count, target, fd),
        absent=dict(absent),
    )


def _count(target: Target, fd: Optional[int]) -> Optional[int]:
    if not fd or fd < 0:
        raise NotSupported("not applicable: the notifier is not set up")
    return target.eventfd_count(fd)
