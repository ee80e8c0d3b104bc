"""Device types and what each of their queues is for.

Source: virtio 1.2, chapter 5 (device ids) and 5.2.2 (virtqueues of the block device).
"""
from typing import Dict, Optional

BLOCK = 2

TYPES: Dict[int, str] = {
    1: "net", 2: "blk", 3: "console", 4: "rng", 5: "balloon", 8: "scsi", 9: "9p", 16: "gpu", 18: "input", 19: "vsock",
    20: "crypto", 23: "iommu", 24: "mem", 26: "fs", 27: "pmem",
}


def type_name(device_id: int) -> str:
    """The short name of a device type, or `id-N` for one that has none here."""
    return TYPES.get(device_id, f"id-{device_id}")


def queue_role(device_id: int, index: int, count: int = 0, features: Optional[int] = None) -> str:
    """What a queue is for, or `unknown`.

    `request` queues are empty when the device is idle, which is what the joint checker's arithmetic rests on.
    """
    if device_id == BLOCK:
        return "request"
    return "unknown"
