"""What is known of each virtio driver beyond its queues: the disk, the host, the interface, and what is in flight."""
from typing import Dict, Type

from .base import Driver
from .blk import BlkDriver

KINDS: Dict[int, Type[Driver]] = {2: BlkDriver}
"""By virtio device id."""


def driver_kind(device_id: int) -> Type[Driver]:
    """The knowledge about a device's driver."""
    return KINDS.get(device_id, Driver)
