"""The numbers of one paired queue, and what follows from them by arithmetic alone.

Split ring, QEMU's own device (not vhost).  With all distances mod 2**16:

    posted      = avail->idx - last_avail_idx       put on the ring, not yet popped by the device
    popped      = last_avail_idx - used_idx         popped, not yet returned: equals inuse
    returned    = used->idx - last_used_idx         returned, not yet consumed by the driver
    outstanding = avail_idx_shadow - last_used_idx  all that the driver waits for: the sum of the three

The last line is the conservation law: it holds at every instant, so two captures that break it are not of one instant,
or the ring is corrupt.
"""
from typing import Dict, List, NamedTuple, Optional, Set

from ..snapshot.model import RingState
from ..snapshot.request_model import Request
from ..virtio import event, features
from .pairing import Pair

NS = 1_000_000_000


class Facts(NamedTuple):
    """Both sides' numbers under their usual names."""

    size: int
    event_idx: bool
    ring: RingState
    """As the guest's side read it; as the host's side did where the guest's could not."""
    last_used_idx: int
    avail_idx_shadow: int
    callbacks_on: Optional[bool]
    """Whether the driver wants interrupts at all; its shadow knows even with EVENT_IDX."""
    num_added: Optional[int]
    last_avail_idx: int
    used_idx: int
    inuse: Optional[int]
    signalled_used: Optional[int]
    signalled_used_valid: Optional[bool]
    notification: Optional[bool]
    num_free: Optional[int]
    event_triggered: Optional[bool]

    @property
    def posted(self) -> int:
        """Put on the ring by the driver and not yet popped by the device."""
        return event.distance(self.ring.avail_idx, self.last_avail_idx)

    @property
    def popped(self) -> int:
        """Popped by the device and not yet returned."""
        return event.distance(self.last_avail_idx, self.used_idx)

    @property
    def returned(self) -> int:
        """Returned by the device and not yet consumed by the driver."""
        return event.distance(self.ring.used_idx, self.last_used_idx)

    @property
    def outstanding(self) -> int:
        """Everything the driver waits for."""
        return event.distance(self.avail_idx_shadow, self.last_used_idx)

    @property
    def interrupt_due(self) -> bool:
        """Whether the device owed an interrupt for what it returned (virtio 1.2, 2.7.7)."""
        if self.returned == 0 or self.callbacks_on is False:
            return False
        if self.event_idx:
            return event.need_event(self.ring.used_event, self.ring.used_idx, self.last_used_idx)
        return not self.ring.avail_flags & event.AVAIL_F_NO_INTERRUPT

    @property
    def kick_due(self) -> bool:
        """Whether the driver owed a kick for what it posted (virtio 1.2, 2.7.10)."""
        if self.posted == 0 or self.num_added:
            return False
        if self.event_idx:
            return event.need_event(self.ring.avail_event, self.ring.avail_idx, self.last_avail_idx)
        return not self.ring.used_flags & event.USED_F_NO_NOTIFY

    @property
    def next_completion_notifies(self) -> Optional[bool]:
        """Whether one more completion would make the device interrupt again; None where that is not known.

        QEMU hw/virtio/virtio.c, virtio_split_should_notify().
        """
        if not self.event_idx or self.signalled_used_valid is False:
            return True
        if self.signalled_used_valid is None or self.signalled_used is None:
            return None
        return event.need_event(self.ring.used_event, (self.used_idx + 1) & event.MASK, self.signalled_used)

    @property
    def evaluated(self) -> Optional[bool]:
        """Whether QEMU evaluated the need to interrupt for the very entry that used_event asks for.

        None where that is not known, or not kept: signalled_used means nothing without EVENT_IDX.
        """
        if not self.event_idx or self.signalled_used is None or self.signalled_used_valid is None:
            return None
        if not self.signalled_used_valid:
            return False
        return not event.need_event(self.ring.used_event, self.used_idx, self.signalled_used)

    @property
    def room(self) -> bool:
        """Whether the driver can put one more request on the ring."""
        return self.num_free != 0 and self.outstanding < self.size

    @property
    def next_request_kicks(self) -> bool:
        """Whether one more request would make the driver kick (virtio_ring.c, virtqueue_kick_prepare_split())."""
        if not self.event_idx:
            return not self.ring.used_flags & event.USED_F_NO_NOTIFY
        added = (self.ring.avail_idx + 1) & event.MASK
        return event.need_event(self.ring.avail_event, added, self.ring.avail_idx)


class Missing(ValueError):
    """Facts without which nothing can be said; each with its reason."""

    def __init__(self, reasons: List[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def gather(pair: Pair) -> Facts:
    """The facts of a pair.  Raises Missing."""
    missing: List[str] = []
    guest, host, driver, device = pair.guest, pair.host, pair.guest.driver, pair.host.device
    needed: Dict[str, object] = {
        "size": guest.size or host.size,
        "ring": guest.ring or host.ring,
        "guest driver.last_used_idx": driver and driver.last_used_idx,
        "guest driver.avail_idx_shadow": driver and driver.avail_idx_shadow,
        "host device.last_avail_idx": device and device.last_avail_idx,
        "host device.used_idx": device and device.used_idx,
        "negotiated features": pair.guest_device.features or pair.host_device.features,
    }
    for name, value in needed.items():
        if value is None:
            missing.append(f"{name} is not known: {_why(pair, name)}")
    if missing:
        raise Missing(missing)
    ring = guest.ring or host.ring
    bits = pair.guest_device.features or pair.host_device.features
    assert driver and device and ring and bits
    assert driver.last_used_idx is not None and driver.avail_idx_shadow is not None
    assert device.last_avail_idx is not None and device.used_idx is not None
    shadow = driver.avail_flags_shadow
    return Facts(
        size=guest.size or host.size or 0,
        event_idx=features.has(bits.negotiated, features.EVENT_IDX),
        ring=ring,
        last_used_idx=driver.last_used_idx,
        avail_idx_shadow=driver.avail_idx_shadow,
        callbacks_on=None if shadow is None else not shadow & event.AVAIL_F_NO_INTERRUPT,
        num_added=driver.num_added,
        last_avail_idx=device.last_avail_idx,
        used_idx=device.used_idx,
        inuse=device.inuse,
        signalled_used=device.signalled_used,
        signalled_used_valid=device.signalled_used_valid,
        notification=device.notification,
        num_free=driver.num_free,
        event_triggered=driver.event_triggered,
    )


def _why(pair: Pair, name: str) -> str:
    field = name.rsplit(".", maxsplit=1)[-1]
    records = [pair.guest, pair.host, pair.guest.driver, pair.host.device]
    reasons = [record.absent[field] for record in records if record is not None and field in record.absent]
    return "; ".join(reasons) or "the snapshot does not hold it"


class Waiting(NamedTuple):
    """The guest's requests, by where they are."""

    posted: List[Request]
    popped: List[Request]
    returned: List[Request]


def waiting(pair: Pair) -> Optional[Waiting]:
    """The guest's requests, sorted into posted, popped and returned; None where heads are not known."""
    if pair.guest.in_flight is None or pair.host.available is None or pair.guest.used is None:
        return None
    posted = {entry.head for entry in pair.host.available}
    returned = {entry.id for entry in pair.guest.used}
    return Waiting(
        [request for request in pair.guest.in_flight if request.head in posted],
        [request for request in pair.guest.in_flight if request.head not in posted | returned],
        [request for request in pair.guest.in_flight if request.head in returned],
    )


def heads(requests: List[Request]) -> Set[int]:
    """The heads of requests."""
    return {request.head for request in requests}
