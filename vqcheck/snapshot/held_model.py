"""Who holds what the device has popped and not returned: QEMU's requests, and the block layer below them."""
from typing import Dict, List, NamedTuple, Optional

from .kinds import U16, U32, U64, Hex


class HeldRequest(NamedTuple):
    """An element that the device has popped from the queue and not returned (struct VirtQueueElement).

    head: head of its descriptor chain, VirtQueueElement.index; for a packed ring its buffer id.
    holder: who has it: `block layer`, `throttle`, `retry`, `quiesced`, `device` …
    type: what it asks for: read, write, flush …
    offset: in bytes.
    bytes: length in bytes.
    age_ns: nanoseconds since the device began it, by QEMU's clock at the capture.
    node: node name of the lowest block node that is known to have it.
    address: address of the device's request (VirtIOBlockReq, VirtIOSCSIReq …) in the QEMU process.
    coroutine: address of the coroutine that carries it.
    functions: the functions that the coroutine stands in, innermost first; what it waits for.
    absent: why fields are null.
    """

    head: Optional[U16] = None
    holder: Optional[str] = None
    type: Optional[str] = None
    offset: Optional[U64] = None
    bytes: Optional[U64] = None
    age_ns: Optional[U64] = None
    node: Optional[str] = None
    address: Optional[Hex] = None
    coroutine: Optional[Hex] = None
    functions: Optional[List[str]] = None
    absent: Dict[str, str] = {}


class Held(NamedTuple):
    """All that was found of a queue's popped elements.

    requests: those that were found, oldest first.
    complete: every place in which such an element can be was looked at, so that one not found has no owner.
    looked_in: those places.
    absent: why fields are null.
    """

    requests: List[HeldRequest]
    complete: bool
    looked_in: List[str]
    absent: Dict[str, str] = {}


class TrackedRequest(NamedTuple):
    """A request that QEMU's block layer has begun and not ended (struct BdrvTrackedRequest).

    node: node name of the BlockDriverState.
    type: BDRV_TRACKED_* without its prefix, in lower case.
    offset: in bytes.
    bytes: length in bytes.
    """

    node: str
    type: str
    offset: U64
    bytes: U64


class BlockState(NamedTuple):
    """QEMU's block layer behind a disk.

    node: node name at the root.
    format: its block driver.
    filename: what it opens, as QEMU prints it.
    iostatus: BlockDeviceIoStatus of the BlockBackend.
    in_flight: BlockBackend.in_flight, requests begun and not completed.
    quiesce_counter: BlockBackend.quiesce_counter; above zero while drained.
    node_in_flight: BlockDriverState.in_flight of the root node.
    parked: requests parked for a retry after an error (VirtIOBlock.rq).
    throttled: requests that wait in the BlockBackend's throttle group.
    tracked: tracked requests of the root node and the nodes below it.
    absent: why fields are null.
    """

    node: Optional[str] = None
    format: Optional[str] = None
    filename: Optional[str] = None
    iostatus: Optional[str] = None
    in_flight: Optional[U32] = None
    quiesce_counter: Optional[U32] = None
    node_in_flight: Optional[U32] = None
    parked: Optional[U32] = None
    throttled: Optional[U32] = None
    tracked: Optional[List[TrackedRequest]] = None
    absent: Dict[str, str] = {}


class ScsiDisk(NamedTuple):
    """A disk on a virtio-scsi host adapter (struct SCSIDevice).

    qdev_id: id given by -device.
    channel: SCSI channel.
    target: SCSI target id.
    lun: SCSI logical unit number.
    block: the block layer behind it.
    absent: why fields are null.
    """

    qdev_id: Optional[str] = None
    channel: Optional[U32] = None
    target: Optional[U32] = None
    lun: Optional[U32] = None
    block: Optional[BlockState] = None
    absent: Dict[str, str] = {}
