"""Feature bits and device status bits, as masks and as names.

Source: virtio 1.2, chapter 6 (reserved feature bits), 5.x.3 (feature bits of each device), 2.1 (device status);
the legacy names are those of Linux include/uapi/linux/virtio_*.h.
"""
from typing import Dict, List, Optional

NOTIFY_ON_EMPTY = 24
INDIRECT_DESC = 28
EVENT_IDX = 29
VERSION_1 = 32
ACCESS_PLATFORM = 33
RING_PACKED = 34
IN_ORDER = 35

TRANSPORT: Dict[int, str] = {
    24: "NOTIFY_ON_EMPTY", 27: "ANY_LAYOUT", 28: "INDIRECT_DESC", 29: "EVENT_IDX", 30: "BAD_FEATURE",
    32: "VERSION_1", 33: "ACCESS_PLATFORM", 34: "RING_PACKED", 35: "IN_ORDER", 36: "ORDER_PLATFORM", 37: "SR_IOV",
    38: "NOTIFICATION_DATA", 39: "NOTIF_CONFIG_DATA", 40: "RING_RESET", 41: "ADMIN_VQ",
}

LEGACY_ONLY = 1 << 24 | 1 << 27 | 1 << 30
"""Bits that a transitional device offers and a modern driver never accepts (QEMU's VIRTIO_LEGACY_FEATURES)."""

BY_DEVICE: Dict[int, Dict[int, str]] = {
    1: {0: "CSUM", 1: "GUEST_CSUM", 2: "CTRL_GUEST_OFFLOADS", 3: "MTU", 5: "MAC", 6: "GSO", 7: "GUEST_TSO4",
        8: "GUEST_TSO6", 9: "GUEST_ECN", 10: "GUEST_UFO", 11: "HOST_TSO4", 12: "HOST_TSO6", 13: "HOST_ECN",
        14: "HOST_UFO", 15: "MRG_RXBUF", 16: "STATUS", 17: "CTRL_VQ", 18: "CTRL_RX", 19: "CTRL_VLAN",
        20: "CTRL_RX_EXTRA", 21: "GUEST_ANNOUNCE", 22: "MQ", 23: "CTRL_MAC_ADDR", 52: "VQ_NOTF_COAL",
        53: "NOTF_COAL", 54: "GUEST_USO4", 55: "GUEST_USO6", 56: "HOST_USO", 57: "HASH_REPORT", 59: "GUEST_HDRLEN",
        60: "RSS", 61: "RSC_EXT", 62: "STANDBY", 63: "SPEED_DUPLEX"},
    2: {0: "BARRIER", 1: "SIZE_MAX", 2: "SEG_MAX", 4: "GEOMETRY", 5: "RO", 6: "BLK_SIZE", 7: "SCSI", 9: "FLUSH",
        10: "TOPOLOGY", 11: "CONFIG_WCE", 12: "MQ", 13: "DISCARD", 14: "WRITE_ZEROES", 15: "LIFETIME",
        16: "SECURE_ERASE", 17: "ZONED"},
    8: {0: "INOUT", 1: "HOTPLUG", 2: "CHANGE", 3: "T10_PI"},
}

STATUS: Dict[int, str] = {
    1: "ACKNOWLEDGE", 2: "DRIVER", 4: "DRIVER_OK", 8: "FEATURES_OK", 64: "DEVICE_NEEDS_RESET", 128: "FAILED",
}
DRIVER_OK = 4
DEVICE_NEEDS_RESET = 64


def has(mask: int, bit: int) -> bool:
    """Whether feature `bit` is set in `mask`."""
    return bool(mask >> bit & 1)


def feature_names(mask: int, device_id: Optional[int] = None) -> List[str]:
    """Names of the bits in `mask`, lowest first; a bit that has no name here is `BIT_n`."""
    known = dict(BY_DEVICE.get(device_id or 0, {}))
    known.update(TRANSPORT)
    return [known.get(bit, f"BIT_{bit}") for bit in range(mask.bit_length()) if has(mask, bit)]


def status_names(status: int) -> List[str]:
    """Names of the bits of a device status byte, lowest first."""
    return [STATUS.get(1 << bit, f"BIT_{bit}") for bit in range(8) if status >> bit & 1]
