"""Bits that QEMU spells out, turned back into the bits.

x-query-virtio-status has names where the device has masks: "VIRTIO_BLK_F_FLUSH: Flush command supported".  A mask is
worth something only if every name in it is known: else it is not known.

Source: QEMU hw/virtio/virtio-qmp.c (until 8.0 hw/virtio/virtio.c), feature maps, qmp_decode_features(),
qmp_decode_status().
"""
import re
from typing import Dict, List, Optional

from ...snapshot.kinds import Hex
from ...snapshot.model import Features
from ...target.errors import NotSupported
from ...virtio.features import BY_DEVICE, STATUS, TRANSPORT, feature_names
from .ask import U8, U64, Answer

NAME = re.compile(r"VIRTIO_(?:[A-Z0-9]+_)?F_([A-Z0-9_]+)")

OTHERS: Dict[str, int] = {
    "VIRTIO_F_IOMMU_PLATFORM": 33,  # ACCESS_PLATFORM since virtio 1.1
    "VHOST_F_LOG_ALL": 26,
    "VHOST_NET_F_VIRTIO_NET_HDR": 27,
    "VHOST_USER_F_PROTOCOL_FEATURES": 30,  # how QEMU calls BAD_FEATURE of any disk
    "VIRTIO_I2C_F_ZERO_LEGNTH_REQUEST": 0,  # as QEMU 7.2 to 10.2 spell it
    "VIRTIO_MEM_F_PERSISTENT_SUSPND": 2,  # as QEMU 10.0 to 10.2 spell it
}
"""Names that are none of the specification's, or are spelled otherwise there."""

TWICE: Dict[str, int] = {
    # QEMU 10.2 gives bit 66 the name of bit 65; only what follows differs.
    "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO: Driver can receive GSO over UDP tunnel packets requiring checksum offload for "
    "the outer header": 66,
}
"""Whole texts whose names are another bit's."""

STATUS_NAME = re.compile(r"VIRTIO_CONFIG_S_([A-Z_]+)")
STATUS_BITS = {**{name: bit for bit, name in STATUS.items()}, "NEEDS_RESET": 64}


def features(status: Answer, device_id: int) -> Features:
    """The features of a device by its status.  Raises NotSupported and Corrupt where the negotiated are not known."""
    negotiated = mask(status.record("guest-features"), device_id)
    try:
        offered: Optional[Hex] = Hex(mask(status.record("host-features"), device_id))
    except NotSupported:
        offered = None
    return Features(Hex(negotiated), feature_names(negotiated, device_id), offered)


def mask(spelled: Answer, device_id: int) -> int:
    """The mask of a VirtioDeviceFeatures.  Raises NotSupported and Corrupt."""
    texts = spelled.texts("transports") + (spelled.texts("dev-features") if spelled.has("dev-features") else [])
    found = 0
    for text in texts:
        bit = 1 << _bit(text, device_id)
        if found & bit:
            raise NotSupported(f"QEMU names one feature twice: {text}")
        found |= bit
    for member, shift in (("unknown-dev-features", 0), ("unknown-dev-features2", 64)):
        if spelled.has(member):
            found |= spelled.number(member, U64) << shift
    return found


def _bit(text: str, device_id: int) -> int:
    if text in TWICE:
        return TWICE[text]
    name = text.partition(":")[0]
    if name in OTHERS:
        return OTHERS[name]
    match = NAME.fullmatch(name)
    if match:
        for table in (TRANSPORT, BY_DEVICE.get(device_id, {})):
            for bit, known in table.items():
                if known == match.group(1):
                    return bit
    raise NotSupported(f"QEMU has a feature whose bit is not known: {text}")


def status_byte(status: Answer) -> int:
    """The device's status byte.  Raises NotSupported and Corrupt."""
    spelled = status.record("status")
    found = spelled.number("unknown-statuses", U8) if spelled.has("unknown-statuses") else 0
    for text in _status_texts(spelled):
        match = STATUS_NAME.fullmatch(text.partition(":")[0])
        if match is None or match.group(1) not in STATUS_BITS:
            raise NotSupported(f"QEMU has a device status whose bit is not known: {text}")
        found |= STATUS_BITS[match.group(1)]
    return found


def _status_texts(spelled: Answer) -> List[str]:
    return spelled.texts("statuses") if spelled.has("statuses") else []
