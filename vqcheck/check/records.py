"""What the records of both sides say of a queue, and what kind of queue it is.

A fact that is not known raises Unknown with the reason when it is asked for; a rule that asks for it is then not
judged, and never false.
"""
import functools
from typing import Any, Dict, Optional, Tuple

from ..snapshot.model import Device, Queue, Snapshot
from ..virtio import devices, features
from .pairing import Pair
from .panic import died
from .unknown import Unknown, find

ROOTS: Dict[str, Tuple[str, str, int]] = {
    **dict.fromkeys(("driver", "irq", "indicator", "napi", "tx_queue", "used", "in_flight"),
                    ("guest_queue", "the guest's", 0)),
    **dict.fromkeys(("device", "notify", "held", "available"), ("host_queue", "the host's", 0)),
    "guest": ("guest_device", "the guest's device", 1), "host": ("host_device", "the host's device", 1),
    "qemu": ("host_snapshot", "the host's", 0), "threads": ("host_snapshot", "the host's", 0),
}
"""Short names of what rules ask for most, by their first word: the record that has it, whose it is, and how many names
of the path go without saying."""

WHOSE = {"guest_queue": "the guest's queue", "host_queue": "the host's queue", "guest_device": "the guest's device",
         "host_device": "the host's device", "guest_snapshot": "the guest's", "host_snapshot": "the host's"}


NO_VECTOR = 0xFFFF
"""VIRTIO_NO_VECTOR, VIRTIO_MSI_NO_VECTOR."""

QEMUS_OWN = frozenset(f"virtio-{name}{tail}" for name in ("blk", "scsi", "rng", "balloon", "serial")
                      for tail in ("", "-device"))
"""Types of devices that QEMU serves itself; vhost has types of its own for the same."""


@functools.lru_cache(maxsize=None)
def _parsed(path: str) -> Tuple[str, Tuple[str, ...], str, int]:
    """(the record that it begins at, names below it, whose it is, how many names go without saying)"""
    names = tuple(path.split("."))
    if names[0] in ROOTS:
        root, whose, hidden = ROOTS[names[0]]
        return root, names, whose, hidden
    return names[0], names[1:], WHOSE[names[0]], 0


class Records:
    """A pair of queues, from one capture of each side."""

    def __init__(self, pair: Pair, guest: Snapshot, host: Snapshot) -> None:
        self.pair = pair
        self.guest_device: Device = pair.guest_device
        self.guest_queue: Queue = pair.guest
        self.host_device: Device = pair.host_device
        self.host_queue: Queue = pair.host
        self.guest_snapshot = guest
        self.host_snapshot = host

    # What the snapshots say

    def get(self, path: str) -> Any:
        """A field, as `driver.last_used_idx` or `notify.msix.masked`.  Raises Unknown."""
        root, names, whose, hidden = _parsed(path)
        return find(getattr(self, root), names, whose, hidden)

    def peek(self, path: str) -> Any:
        """The same, None where it is not known."""
        try:
            return self.get(path)
        except Unknown:
            return None

    @property
    def moved(self) -> bool:
        """Whether the VM ran and the queue moved while a side was read: what is left of it stood still meanwhile."""
        return bool(self.guest_queue.moved or self.host_queue.moved)

    @property
    def host_ages_at_least(self) -> bool:
        """Whether QEMU may have had its requests for longer than is said: a core does not hold the time."""
        return self.host_snapshot.capture.method == "core"

    @property
    def guest_is_dead(self) -> bool:
        """Whether the guest's kernel had panicked before the host's side was captured."""
        return died(self.guest_snapshot, self.host_snapshot)

    # What kind of queue it is

    @functools.cached_property
    def bus(self) -> Optional[str]:
        """The bus that the device is on: pci, mmio or ccw; None where neither side knows."""
        place = self.host_device.bus or self.guest_device.bus
        return place.type if place else None

    @functools.cached_property
    def by_vector(self) -> Optional[bool]:
        """The queue's interrupts go by an MSI-X vector; False where the device has a line, or indicators, in the place
        of vectors, and None where that is not known."""
        enabled: Optional[bool] = self.peek("notify.msix.enabled")
        if self.bus not in (None, "pci") or enabled is not None:
            return bool(enabled)
        irq, line = self.guest_queue.irq, self.peek("host.intx")
        if irq is not None and (irq.msi is not None or irq.vector not in (None, NO_VECTOR)):
            return True
        by_line = (irq is not None and irq.vector == NO_VECTOR) or (line is not None and line.disabled is False)
        return False if by_line else None

    @functools.cached_property
    def negotiated(self) -> int:
        """The negotiated features."""
        bits = self.guest_device.features or self.host_device.features
        if bits is None:
            raise Unknown("neither side's features are known")
        return bits.negotiated

    @functools.cached_property
    def event_idx(self) -> bool:
        """Whether EVENT_IDX is negotiated: then used_event and avail_event decide, and the flags mean nothing."""
        return features.has(self.negotiated, features.EVENT_IDX)

    @functools.cached_property
    def packed(self) -> bool:
        """Whether the ring is packed."""
        layout = self.guest_queue.layout or self.host_queue.layout
        if layout is not None:
            return layout == "packed"
        return features.has(self.negotiated, features.RING_PACKED)

    @functools.cached_property
    def size(self) -> int:
        """Entries of the queue."""
        size = self.guest_queue.size or self.host_queue.size
        if size is None:
            raise Unknown(f"the queue's size is not known: {self.guest_queue.absent.get('size') or 'no side has it'}")
        return size

    @functools.cached_property
    def role(self) -> str:
        """What the queue is for, by the guest's account; QEMU may count queues that the driver does not use."""
        mine, yours = self.guest_queue.role, self.host_queue.role
        return mine if mine != devices.UNKNOWN else yours

    @functools.cached_property
    def kind(self) -> str:
        """How such a queue looks when all is well: request, posted, lazy, parked, polled (vqcheck.virtio.devices)."""
        if self.guest_queue.driver is not None and self.guest_queue.driver.callback is None and \
                self.guest_queue.absent.get("irq", "").startswith("not applicable"):  # it has no callback
            return devices.POLLED
        kind = devices.queue_class(self.guest_device.device_id, self.role)
        if kind == devices.POLLED and self.guest_device.device_id == devices.CRYPTO:
            self.get("driver.callback")  # since Linux 6.0 its control queue has one
            kind = devices.REQUEST
        if kind == devices.UNKNOWN:
            raise Unknown(f"what queue {self.guest_queue.queue_index} of a {self.guest_device.type} device is for is "
                          f"not known (its role is {self.role})")
        return kind

    @functools.cached_property
    def vhost(self) -> bool:
        """Whether vhost serves the queue: then QEMU's own indexes are those of its last stop."""
        backends = self.host_device.host.vhost if self.host_device.host else None
        if backends:
            mine = [one for one in backends if one.vq_index is None or one.nvqs is None or
                    one.vq_index <= self.host_queue.queue_index < one.vq_index + one.nvqs]
            return any(one.started for one in mine)
        if self.peek("host.vhost_started") is None and self.peek("host.type") in QEMUS_OWN:
            return False
        started: bool = self.get("host.vhost_started")
        return started
