"""Index arithmetic and event suppression of a split virtqueue.

Ring indexes run freely through 0..65535 and wrap, so every comparison is made modulo 2**16, and all of it is here.

Which event index gates what is a well-known trap.  The name says which index it is compared with, not the ring in
which it lies:

* `used_event` lies behind the *available* ring, is written by the *driver* and read by the device, and gates
  used-buffer notifications: device to driver, *interrupts*.
* `avail_event` lies behind the *used* ring, is written by the *device* and read by the driver, and gates
  available-buffer notifications: driver to device, *kicks*.

Source: virtio 1.2, 2.7.7 and 2.7.10; Linux include/uapi/linux/virtio_ring.h, vring_need_event().
"""
MASK = 0xFFFF

AVAIL_F_NO_INTERRUPT = 1
"""avail->flags bit: the driver wants no interrupts; means nothing once EVENT_IDX is negotiated (virtio 1.2, 2.7.7)."""

USED_F_NO_NOTIFY = 1
"""used->flags bit: the device wants no kicks; means nothing once EVENT_IDX is negotiated (virtio 1.2, 2.7.10)."""


def distance(newer: int, older: int) -> int:
    """How many entries lie between two free-running indexes: `(newer - older) mod 2**16`."""
    return (newer - older) & MASK


def signed_distance(newer: int, older: int) -> int:
    """As `distance`, read as a signed 16-bit number: negative where `newer` is in fact the older one."""
    apart = distance(newer, older)
    return apart - 0x10000 if apart & 0x8000 else apart


def need_event(event: int, new: int, old: int) -> bool:
    """Whether moving an index from `old` to `new` crosses `event`, so that a notification is owed.

    True exactly when `event` lies in the half-open interval [old, new).  Only meaningful while fewer than 2**16
    entries lie between two evaluations.
    """
    return distance(new, event + 1) < distance(new, old)
