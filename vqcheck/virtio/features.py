"""Feature bits and device status bits, as masks and as names.

Source: virtio 1.2, chapter 6 (reserved feature bits), 5.x.3 (feature bits of each device), 2.1 (device status); bits
of virtio 1.3 and its working draft where they collide with nothing.  The names are those of Linux
include/uapi/linux/virtio_*.h where it has the bit, without VIRTIO_ and the device; legacy bits are in there only.
"""
from typing import Dict, List, Optional

NOTIFY_ON_EMPTY = 24
INDIRECT_DESC = 28
EVENT_IDX = 29
VERSION_1 = 32
ACCESS_PLATFORM = 33
RING_PACKED = 34
IN_ORDER = 35

NET_CTRL_VQ = 17
NET_MQ = 22
NET_RSS = 60
BALLOON_STATS_VQ = 1
BALLOON_FREE_PAGE_HINT = 3
BALLOON_REPORTING = 5
FS_NOTIFICATION = 0

TRANSPORT: Dict[int, str] = {
    24: "NOTIFY_ON_EMPTY", 27: "ANY_LAYOUT", 28: "INDIRECT_DESC", 29: "EVENT_IDX", 30: "BAD_FEATURE",
    32: "VERSION_1", 33: "ACCESS_PLATFORM", 34: "RING_PACKED", 35: "IN_ORDER", 36: "ORDER_PLATFORM", 37: "SR_IOV",
    38: "NOTIFICATION_DATA", 39: "NOTIF_CONFIG_DATA", 40: "RING_RESET", 41: "ADMIN_VQ", 43: "SUSPEND",
}

LEGACY_ONLY = 1 << 24 | 1 << 27 | 1 << 30
"""Bits that a transitional device offers and a modern driver never accepts (QEMU's VIRTIO_LEGACY_FEATURES)."""

BY_DEVICE: Dict[int, Dict[int, str]] = {
    # net
    1: {0: "CSUM", 1: "GUEST_CSUM", 2: "CTRL_GUEST_OFFLOADS", 3: "MTU", 5: "MAC", 6: "GSO", 7: "GUEST_TSO4",
        8: "GUEST_TSO6", 9: "GUEST_ECN", 10: "GUEST_UFO", 11: "HOST_TSO4", 12: "HOST_TSO6", 13: "HOST_ECN",
        14: "HOST_UFO", 15: "MRG_RXBUF", 16: "STATUS", 17: "CTRL_VQ", 18: "CTRL_RX", 19: "CTRL_VLAN",
        20: "CTRL_RX_EXTRA", 21: "GUEST_ANNOUNCE", 22: "MQ", 23: "CTRL_MAC_ADDR", 50: "DEVICE_STATS",
        51: "HASH_TUNNEL", 52: "VQ_NOTF_COAL", 53: "NOTF_COAL", 54: "GUEST_USO4", 55: "GUEST_USO6", 56: "HOST_USO",
        57: "HASH_REPORT", 59: "GUEST_HDRLEN", 60: "RSS", 61: "RSC_EXT", 62: "STANDBY", 63: "SPEED_DUPLEX",
        64: "RSS_CONTEXT", 65: "GUEST_UDP_TUNNEL_GSO", 66: "GUEST_UDP_TUNNEL_GSO_CSUM", 67: "HOST_UDP_TUNNEL_GSO",
        68: "HOST_UDP_TUNNEL_GSO_CSUM", 69: "OUT_NET_HEADER", 70: "IPSEC"},
    # blk
    2: {0: "BARRIER", 1: "SIZE_MAX", 2: "SEG_MAX", 4: "GEOMETRY", 5: "RO", 6: "BLK_SIZE", 7: "SCSI", 9: "FLUSH",
        10: "TOPOLOGY", 11: "CONFIG_WCE", 12: "MQ", 13: "DISCARD", 14: "WRITE_ZEROES", 15: "LIFETIME",
        16: "SECURE_ERASE", 17: "ZONED"},
    # console
    3: {0: "SIZE", 1: "MULTIPORT", 2: "EMERG_WRITE"},
    # balloon
    5: {0: "MUST_TELL_HOST", 1: "STATS_VQ", 2: "DEFLATE_ON_OOM", 3: "FREE_PAGE_HINT", 4: "PAGE_POISON",
        5: "REPORTING"},
    # rpmsg (Linux drivers/rpmsg/virtio_rpmsg_bus.c)
    7: {0: "NS"},
    # scsi
    8: {0: "INOUT", 1: "HOTPLUG", 2: "CHANGE", 3: "T10_PI"},
    # 9p
    9: {0: "MOUNT_TAG"},
    # gpu
    16: {0: "VIRGL", 1: "EDID", 2: "RESOURCE_UUID", 3: "RESOURCE_BLOB", 4: "CONTEXT_INIT", 5: "BLOB_ALIGNMENT"},
    # rtc
    17: {0: "ALARM"},
    # vsock
    19: {0: "STREAM", 1: "SEQPACKET", 2: "NO_IMPLIED_STREAM"},
    # crypto
    20: {0: "REVISION_1", 1: "CIPHER_STATELESS_MODE", 2: "HASH_STATELESS_MODE", 3: "MAC_STATELESS_MODE",
         4: "AEAD_STATELESS_MODE", 5: "AKCIPHER_STATELESS_MODE"},
    # iommu
    23: {0: "INPUT_RANGE", 1: "DOMAIN_RANGE", 2: "MAP_UNMAP", 3: "BYPASS", 4: "PROBE", 5: "MMIO",
         6: "BYPASS_CONFIG"},
    # mem
    24: {0: "ACPI_PXM", 1: "UNPLUGGED_INACCESSIBLE", 2: "PERSISTENT_SUSPEND"},
    # sound
    25: {0: "CTLS"},
    # fs
    26: {0: "NOTIFICATION"},
    # pmem
    27: {0: "SHMEM_REGION"},
    # scmi
    32: {0: "P2A_CHANNELS", 1: "SHARED_MEMORY"},
    # i2c
    34: {0: "ZERO_LENGTH_REQUEST"},
    # can
    36: {0: "CAN_CLASSIC", 1: "CAN_FD", 2: "RTR_FRAMES", 3: "LATE_TX_ACK"},
    # bt
    40: {0: "VND_HCI", 1: "MSFT_EXT", 2: "AOSP_EXT", 3: "CONFIG_V2"},
    # gpio
    41: {0: "IRQ"},
}
"""Bits 0..23 and 50..127 belong to the device type (virtio 1.2, 2.2); rng, input, rpmb and spi have none."""

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
