"""Device types, what each of their queues is for, and how such a queue looks when all is well.

Source: virtio 1.2, chapter 5 (device ids; 5.x.2 "Virtqueues" of each device; ids from 42 on: virtio 1.3 and later);
Linux include/uapi/linux/virtio_ids.h and the drivers; QEMU hw/virtio, hw/block, hw/net, hw/char, hw/scsi.
"""
from typing import Callable, Dict, NamedTuple, Optional, Tuple

from .features import (
    BALLOON_FREE_PAGE_HINT,
    BALLOON_REPORTING,
    BALLOON_STATS_VQ,
    FS_NOTIFICATION,
    NET_CTRL_VQ,
    NET_MQ,
    NET_RSS,
    has,
)

NET = 1
BLOCK = 2
CONSOLE = 3
RNG = 4
BALLOON = 5
RPMSG = 7
SCSI = 8
P9 = 9
RPROC_SERIAL = 11
GPU = 16
RTC = 17
INPUT = 18
VSOCK = 19
CRYPTO = 20
IOMMU = 23
MEM = 24
SOUND = 25
FS = 26
PMEM = 27
RPMB = 28
HWSIM = 29
SCMI = 32
I2C = 34
CAN = 36
BT = 40
GPIO = 41
SPI = 45
MEDIA = 48

TYPES: Dict[int, str] = {
    1: "net", 2: "blk", 3: "console", 4: "rng", 5: "balloon", 6: "iomem", 7: "rpmsg", 8: "scsi", 9: "9p",
    10: "mac80211-wlan", 11: "rproc-serial", 12: "caif", 13: "memory-balloon", 16: "gpu", 17: "rtc", 18: "input",
    19: "vsock", 20: "crypto", 21: "signal-dist", 22: "pstore", 23: "iommu", 24: "mem", 25: "sound", 26: "fs",
    27: "pmem", 28: "rpmb", 29: "mac80211-hwsim", 30: "video-encoder", 31: "video-decoder", 32: "scmi",
    33: "nitro-sec-mod", 34: "i2c", 35: "watchdog", 36: "can", 37: "dmabuf", 38: "param-serv", 39: "audio-policy",
    40: "bt", 41: "gpio", 42: "rdma", 43: "camera", 44: "ism", 45: "spi", 46: "tee", 47: "cpu-balloon", 48: "media",
    49: "usb",
}

UNKNOWN = "unknown"
"""The role or class of a queue that is not known, and of which nothing may be concluded."""

REQUEST = "request"
"""Class: empty when idle; what is posted, popped or returned for long is a fault somewhere."""

POSTED = "posted"
"""Class: full of buffers when idle, which wait for something to happen; posted entries never mean a lost kick."""

LAZY = "lazy"
"""Class: the driver may leave completed entries in the ring; they alone never mean a lost interrupt."""

PARKED = "parked"
"""Class: the device holds elements for as long as it likes; popped entries never mean a stuck backend."""

POLLED = "polled"
"""Class: the driver polls for completions; no interrupt ever comes, and none is lost."""


def type_name(device_id: int) -> str:
    """The short name of a device type, or `id-N` for one that has none here."""
    return TYPES.get(device_id, f"id-{device_id}")


class _Roles(NamedTuple):
    first: Tuple[str, ...]
    rest: Tuple[str, ...] = ()
    """Roles that repeat for all further queues."""


_BY_INDEX: Dict[int, _Roles] = {
    BLOCK: _Roles((), ("request",)),
    CONSOLE: _Roles(("rx", "tx", "control rx", "control tx"), ("rx", "tx")),  # a pair for each port
    RNG: _Roles(("request",)),
    RPMSG: _Roles(("rx", "tx")),
    SCSI: _Roles(("control", "event"), ("request",)),
    P9: _Roles(("request",)),
    RPROC_SERIAL: _Roles(("rx", "tx")),
    GPU: _Roles(("control", "cursor")),
    RTC: _Roles(("request", "alarm")),
    INPUT: _Roles(("event", "status")),
    VSOCK: _Roles(("rx", "tx", "event")),
    IOMMU: _Roles(("request", "event")),
    MEM: _Roles(("request",)),
    SOUND: _Roles(("control", "event", "tx", "rx")),
    PMEM: _Roles(("request",)),
    RPMB: _Roles(("request",)),
    HWSIM: _Roles(("tx", "rx")),
    SCMI: _Roles(("command", "event")),
    I2C: _Roles(("request",)),
    CAN: _Roles(("tx", "rx", "control")),
    BT: _Roles(("tx", "rx")),
    GPIO: _Roles(("request", "event")),
    SPI: _Roles(("request",)),
    MEDIA: _Roles(("command", "event")),
}

_CLASSES: Dict[int, Dict[str, str]] = {
    NET: {"rx": POSTED, "tx": LAZY, "control": POLLED},
    BLOCK: {"request": REQUEST},
    # Of tx, out_intr() only wakes writers, who reclaim before they write again; a blocked backend may also park it.
    CONSOLE: {"rx": POSTED, "tx": LAZY, "control rx": POSTED, "control tx": POLLED},
    RNG: {"request": POSTED},  # hwrng keeps one buffer posted until the host has entropy for it
    BALLOON: {"inflate": REQUEST, "deflate": REQUEST, "stats": PARKED, "free page": LAZY, "reporting": REQUEST},
    RPMSG: {"rx": POSTED, "tx": LAZY},
    SCSI: {"control": REQUEST, "event": POSTED, "request": REQUEST},
    P9: {"request": REQUEST},
    RPROC_SERIAL: {"rx": POSTED, "tx": LAZY},
    GPU: {"control": PARKED, "cursor": REQUEST},  # commands with a fence stay with the renderer
    RTC: {"request": REQUEST, "alarm": POSTED},
    INPUT: {"event": POSTED, "status": REQUEST},
    VSOCK: {"rx": POSTED, "tx": REQUEST, "event": POSTED},
    CRYPTO: {"data": REQUEST, "control": POLLED},  # until Linux 6.0 virtio_crypto busy-waited for its control queue
    IOMMU: {"request": POLLED, "event": POSTED},
    MEM: {"request": REQUEST},
    SOUND: {"control": REQUEST, "event": POSTED, "tx": PARKED, "rx": PARKED},  # frames wait for their time to play
    FS: {"hiprio": REQUEST, "notification": POSTED, "request": PARKED},  # FUSE_SETLKW waits for another's lock
    PMEM: {"request": REQUEST},
    RPMB: {"request": REQUEST},
    HWSIM: {"tx": REQUEST, "rx": POSTED},
    SCMI: {"command": REQUEST, "event": POSTED},
    I2C: {"request": REQUEST},
    CAN: {"tx": PARKED, "rx": POSTED, "control": REQUEST},  # VIRTIO_CAN_F_LATE_TX_ACK: held until the bus has it
    BT: {"tx": REQUEST, "rx": POSTED},
    GPIO: {"request": REQUEST, "event": PARKED},  # one buffer for each line, held until that line interrupts
    SPI: {"request": REQUEST},
    MEDIA: {"command": REQUEST, "event": POSTED},
}


READ_LATE = frozenset(((CONSOLE, "rx"), (RPROC_SERIAL, "rx")))
"""Devices and roles of queues from which the driver takes the next buffer only when the last one was read: what is
returned and not consumed never means a lost interrupt (Linux virtio_console.c, in_intr(), get_inbuf())."""


BY_TASK = frozenset((BALLOON, FS, GPU, MEM, VSOCK))
"""Devices whose Linux drivers only wake a task or queue a work in the interrupt's handler: the task consumes."""


NEVER_REARMED = frozenset((BALLOON, CONSOLE, INPUT, MEM, P9, PMEM, RNG, RPROC_SERIAL))
"""Devices whose Linux drivers never switch callbacks off and on: of their queues event_triggered is set by the first
interrupt and stays so, and virtqueue_get_buf() asks for the next one (used_event) all the same."""


def queue_role(device_id: int, index: int, count: Optional[int] = None, features: Optional[int] = None) -> str:
    """What queue `index` of a device is for, or UNKNOWN where that can't be told.

    count: how many queues the device has, or None.  Network and crypto devices need it to tell the control queue,
        which is the last.  It counts those that one side knows: Linux those that its driver uses, QEMU those that it
        offers.
    features: the negotiated features, or None.  Balloon and fs devices need them.

    Only the purpose is named, without a number: request queues, and the rx or tx of all pairs and ports, share a name.
    """
    if index < 0:
        return UNKNOWN
    if device_id in _BY_NEGOTIATION:
        return _BY_NEGOTIATION[device_id](index, count, features)
    first, rest = _BY_INDEX.get(device_id, _Roles(()))
    if index < len(first):
        return first[index]
    return rest[(index - len(first)) % len(rest)] if rest else UNKNOWN


def queue_class(device_id: int, role: str) -> str:
    """How a queue of this role looks when all is well: REQUEST, POSTED, LAZY, PARKED, POLLED, or UNKNOWN.

    The class follows from the role alone; a driver may poll any queue, and a virtqueue without callback is POLLED
    whatever its role (the poll queues of virtio-blk).
    """
    return _CLASSES.get(device_id, {}).get(role, UNKNOWN)


def _net(index: int, count: Optional[int], features: Optional[int]) -> str:
    # receiveq1, transmitq1 ... then controlq (virtio 1.2, 5.1.2).  QEMU's virtio_net_change_num_queue_pairs() moves
    # the control queue to index 2 when neither MQ nor RSS is negotiated, and adds one even without CTRL_VQ.
    if index < 2 or index % 2:
        return "tx" if index % 2 else "rx"
    if count is not None:
        return "control" if index == count - 1 else "rx"
    if features is None or has(features, NET_MQ) or has(features, NET_RSS):
        return UNKNOWN
    return "control" if index == 2 and has(features, NET_CTRL_VQ) else UNKNOWN


def _crypto(index: int, count: Optional[int], features: Optional[int]) -> str:
    # dataq1 to dataqN, then controlq (virtio 1.2, 5.9.2).
    if index == 0:
        return "data"
    if count is None:
        return UNKNOWN
    return "control" if index == count - 1 else "data"


def _fs(index: int, count: Optional[int], features: Optional[int]) -> str:
    # hiprio, the notification queue if its feature is negotiated, then request queues (Linux fs/fuse/virtio_fs.c).
    if index != 1:
        return "request" if index else "hiprio"
    if features is None:
        return UNKNOWN
    return "notification" if has(features, FS_NOTIFICATION) else "request"


def _balloon(index: int, count: Optional[int], features: Optional[int]) -> str:
    # virtio 1.2, 5.5.2 numbers all five, present or not, and so do devices that follow it.  QEMU and Linux close the
    # gap of free page hinting, so that reporting without it is queue 3: virtio_balloon_device_realize() adds
    # a queue for each feature it offers, after the statistics queue that it always has; vp_find_vqs() counts only
    # the queues that the driver names.  So more queues than features mean that the host counts by what it offers.
    fixed = ("inflate", "deflate", "stats", "free page", "reporting")
    if index < 2:
        return fixed[index]
    if features is None:
        return UNKNOWN
    present = [role for role, bit in zip(fixed[2:], _BALLOON_BITS) if has(features, bit)]
    closed = present[index - 2] if index - 2 < len(present) else UNKNOWN
    place = fixed[index] if index < len(fixed) and fixed[index] in present else UNKNOWN
    if count is not None and closed != UNKNOWN:
        return place if count > 2 + len(present) else closed
    fits = {closed, place} - {UNKNOWN}
    return fits.pop() if len(fits) == 1 else UNKNOWN


_BALLOON_BITS = (BALLOON_STATS_VQ, BALLOON_FREE_PAGE_HINT, BALLOON_REPORTING)

_BY_NEGOTIATION: Dict[int, Callable[[int, Optional[int], Optional[int]], str]] = {
    NET: _net, CRYPTO: _crypto, FS: _fs, BALLOON: _balloon,
}
