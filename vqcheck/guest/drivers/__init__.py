"""What is known of each virtio driver beyond its queues: the disk, the host, the interface, and what is in flight."""
from typing import Dict, Type

from .base import Driver
from .blk import BlkDriver
from .console import ConsoleDriver
from .named import FsDriver, GpuDriver, NinePDriver, PmemDriver, RngDriver
from .net import NetDriver
from .scsi import ScsiDriver

__all__ = ["KINDS", "Driver", "driver_kind"]

KINDS: Dict[int, Type[Driver]] = {
    1: NetDriver, 2: BlkDriver, 3: ConsoleDriver, 4: RngDriver, 8: ScsiDriver, 9: NinePDriver,
    16: GpuDriver, 26: FsDriver, 27: PmemDriver,
}
"""By virtio device id."""


__all__ = ["Driver", "KINDS", "driver_kind"]


def driver_kind(device_id: int) -> Type[Driver]:
    """The knowledge about a device's driver."""
    return KINDS.get(device_id, Driver)
