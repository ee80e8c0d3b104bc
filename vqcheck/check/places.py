"""Where both sides stand in a ring, which notifications that makes due, and what the next one would do.

All distances are entries of a split ring and descriptors of a packed one:

    posted       put on the ring by the driver, not yet popped by the device
    popped       popped by the device, not yet returned: equals inuse
    returned     returned by the device, not yet consumed by the driver
    outstanding  all that the driver waits for: the sum of the three

The last line is the conservation law.  It holds at every instant, so two captures that break it are not of one
instant, or the ring is corrupt.
"""
import functools
from typing import Any, Optional

from ..snapshot.model import Queue
from ..virtio import event, packed
from .axis import Axis
from .records import Records
from .unknown import Unknown


class Places(Records):
    """A pair of queues, and what follows from its indexes by arithmetic alone."""

    # Where both sides stand

    @functools.cached_property
    def axis(self) -> Axis:
        """The circle on which the indexes move."""
        return Axis(self.size, self.packed)

    def _place(self, path: str, wrap: str) -> int:
        index = self.get(path)
        if not self.packed:
            return int(index)
        return self.axis.place(index, self.get(wrap))

    @functools.cached_property
    def driver_avail(self) -> int:
        """Where the driver posts next: avail_idx_shadow; packed: next_avail_idx."""
        if self.packed:
            return self._place("driver.next_avail_idx", "driver.avail_wrap_counter")
        return int(self.get("driver.avail_idx_shadow"))

    @functools.cached_property
    def driver_used(self) -> int:
        """Where the driver looks for the next used entry: last_used_idx."""
        return self._place("driver.last_used_idx", "driver.used_wrap_counter")

    @functools.cached_property
    def device_avail(self) -> int:
        """Where the device pops next: last_avail_idx.  Raises Unknown while vhost serves the queue."""
        self._live()
        return self._place("device.last_avail_idx", "device.last_avail_wrap_counter")

    @functools.cached_property
    def device_used(self) -> int:
        """Where the device returns next: used_idx.  Raises Unknown while vhost serves the queue."""
        self._live()
        return self._place("device.used_idx", "device.used_wrap_counter")

    def _live(self) -> None:
        if self.vhost:
            raise Unknown("vhost serves the queue: QEMU's own indexes are those of its last stop, and prove nothing")

    @functools.cached_property
    def ring(self) -> Any:
        """The ring of a split queue as the guest's side read it; as the host's did where the guest's could not."""
        ring = self.guest_queue.ring or self.host_queue.ring
        if ring is None:
            return self.get("guest_queue.ring")
        return ring

    @functools.cached_property
    def ring_avail(self) -> int:
        """Up to where the driver has posted, as the ring says: avail->idx."""
        return self.driver_avail if self.packed else int(self.ring.avail_idx)

    @functools.cached_property
    def ring_used(self) -> int:
        """Up to where the device has returned, as the ring says: used->idx.

        A packed ring holds no such index; there it is the device's own, or where vhost serves it what the driver's
        side found in the ring.
        """
        if not self.packed:
            return int(self.ring.used_idx)
        return self.used_in_ring if self.vhost else self.device_used

    @functools.cached_property
    def used_in_ring(self) -> int:
        """Packed: where the used descriptors end that the guest's side found in the ring."""
        taken = {request.head: request.descriptors for request in self.get("in_flight")}
        lengths = [taken.get(entry.id) for entry in self.get("used")]
        if any(length is None for length in lengths):
            raise Unknown("how many descriptors the returned buffers take is not known")
        return (self.driver_used + sum(length or 0 for length in lengths)) % self.axis.circle

    @functools.cached_property
    def posted(self) -> int:
        """Put on the ring by the driver and not yet popped by the device: avail->idx - last_avail_idx."""
        return self.axis.distance(self.ring_avail, self.device_avail)

    @functools.cached_property
    def popped(self) -> int:
        """Popped by the device and not yet returned: last_avail_idx - used_idx."""
        return self.axis.distance(self.device_avail, self.device_used)

    @functools.cached_property
    def returned(self) -> int:
        """Returned by the device and not yet consumed by the driver: used->idx - last_used_idx."""
        return self.axis.distance(self.ring_used, self.driver_used)

    @functools.cached_property
    def outstanding(self) -> int:
        """Everything that the driver waits for: avail_idx_shadow - last_used_idx."""
        return self.axis.distance(self.driver_avail, self.driver_used)

    @functools.cached_property
    def inuse(self) -> int:
        """Elements popped and not yet returned, by the device's own count; in a packed ring their descriptors."""
        self._live()
        return int(self.get("device.inuse"))

    # Which notifications are due

    @functools.cached_property
    def callbacks_on(self) -> bool:
        """Whether the driver wants interrupts; its shadow of the flags knows it even with EVENT_IDX."""
        if self.packed:
            return bool(self.get("driver.event_flags_shadow") != packed.EVENT_DISABLE)
        return not self.get("driver.avail_flags_shadow") & event.AVAIL_F_NO_INTERRUPT

    @functools.cached_property
    def driver_event(self) -> Any:
        """Packed: the driver's event suppression area, which gates interrupts."""
        return self._area("driver_event")

    @functools.cached_property
    def device_event(self) -> Any:
        """Packed: the device's event suppression area, which gates kicks."""
        return self._area("device_event")

    def _area(self, name: str) -> Any:
        for queue in (self.guest_queue, self.host_queue):
            found = getattr(queue.packed, name) if queue.packed else None
            if found is not None:
                return found
        return self.get(f"guest_queue.packed.{name}")

    @functools.cached_property
    def used_event(self) -> Optional[int]:
        """The entry whose return the driver wants an interrupt for; None where it wants one for each, or for none."""
        if not self.packed:
            return int(self.ring.used_event) if self.event_idx else None
        return self.axis.event(self.driver_event.off_wrap) if self.driver_event.flags == packed.EVENT_DESC else None

    @functools.cached_property
    def avail_event(self) -> Optional[int]:
        """The entry for which the device wants a kick; None where it wants one for each, or for none."""
        if not self.packed:
            return int(self.ring.avail_event) if self.event_idx else None
        return self.axis.event(self.device_event.off_wrap) if self.device_event.flags == packed.EVENT_DESC else None

    @functools.cached_property
    def wants_interrupts(self) -> bool:
        """By the flags in the ring: with used_event, always; else unless they say never."""
        if self.used_event is not None:
            return True
        if self.packed:
            return bool(self.driver_event.flags != packed.EVENT_DISABLE)
        return not self.ring.avail_flags & event.AVAIL_F_NO_INTERRUPT

    @functools.cached_property
    def wants_kicks(self) -> bool:
        """By the flags in the ring: with avail_event, always; else unless they say never."""
        if self.avail_event is not None:
            return True
        if self.packed:
            return bool(self.device_event.flags != packed.EVENT_DISABLE)
        return not self.ring.used_flags & event.USED_F_NO_NOTIFY

    @functools.cached_property
    def interrupt_due(self) -> bool:
        """Whether the device owed an interrupt for what it returned (virtio 1.2, 2.7.7 and 2.8.10)."""
        if self.returned == 0:
            return False
        if self.used_event is not None:
            return self.axis.crossed(self.used_event, self.ring_used, self.driver_used)
        return self.wants_interrupts

    @functools.cached_property
    def kick_due(self) -> bool:
        """Whether the driver owed a kick for what it posted (virtio 1.2, 2.7.10 and 2.8.10)."""
        if self.posted == 0:
            return False
        if self.avail_event is not None:
            return self.axis.crossed(self.avail_event, self.ring_avail, self.device_avail)
        return self.wants_kicks

    @functools.cached_property
    def evaluated(self) -> Optional[bool]:
        """Whether QEMU has evaluated the need to interrupt for the very entry that used_event asks for.

        None where signalled_used means nothing: without EVENT_IDX, and in a packed ring, where it is invalidated on
        each lap.  QEMU hw/virtio/virtio.c, virtio_split_should_notify().
        """
        if self.packed or self.used_event is None:
            return None
        self._live()
        if not self.get("device.signalled_used_valid"):
            return False
        return not self.axis.crossed(self.used_event, self.device_used, self.get("device.signalled_used"))

    @functools.cached_property
    def never_evaluated(self) -> bool:
        """Whether QEMU has never evaluated the need to interrupt since the queue's reset or load.

        So it is with signalled_used 0 and not valid, although entries were returned.
        """
        return bool(not self.packed and self.event_idx and not self.get("device.signalled_used_valid")
                    and self.get("device.signalled_used") == 0 and self.device_used != 0)

    @functools.cached_property
    def next_completion_notifies(self) -> Optional[bool]:
        """One more completion would make the device interrupt; None where that is not known.

        QEMU hw/virtio/virtio.c, virtio_split_should_notify() and virtio_packed_should_notify().
        """
        try:
            if self.vhost:
                return None
            if self.used_event is None:
                return self.wants_interrupts
            valid, old = self.get("device.signalled_used_valid"), self.get("device.signalled_used")
            new = (self.device_used + 1) % self.axis.circle
        except Unknown:
            return None
        if not valid:
            return True
        if self.packed:  # QEMU keeps the offset without its wrap counter, and only while the lap is the same
            old = self.axis.place(old, self.device_used < self.size)
        return self.axis.crossed(self.used_event, new, old)

    @functools.cached_property
    def next_request_kicks(self) -> Optional[bool]:
        """One more request would make the driver kick (Linux virtio_ring.c, virtqueue_kick_prepare_split())."""
        try:
            if self.avail_event is None:
                return self.wants_kicks
            return self.axis.crossed(self.avail_event, (self.ring_avail + 1) % self.axis.circle, self.ring_avail)
        except Unknown:
            return None

    @functools.cached_property
    def room(self) -> bool:
        """The driver can put one more request on the ring, as far as is known."""
        return self.peek("driver.num_free") != 0 and self.outstanding < self.size


def on_ring(queue: Queue) -> int:
    """What the driver waits for on any queue of its device.  Raises Unknown."""
    packed_ring, driver = queue.layout == "packed", queue.driver
    avail = None if driver is None else driver.next_avail_idx if packed_ring else driver.avail_idx_shadow
    if driver is None or avail is None or driver.last_used_idx is None or queue.size is None:
        raise Unknown(f"what is on the ring of queue {queue.queue_index} is not known")
    axis = Axis(queue.size, packed_ring)
    if not packed_ring:
        return axis.distance(avail, driver.last_used_idx)
    return axis.distance(axis.place(avail, driver.avail_wrap_counter),
                         axis.place(driver.last_used_idx, driver.used_wrap_counter))
