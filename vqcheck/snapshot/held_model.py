"""Who holds what the device has popped and not returned: QEMU's requests, and the block layer below them."""
from typing import Dict, List, NamedTuple, Optional

from .kinds import U16, U32, U64, Hex


class HeldRequest(NamedTuple):
    """An element that the device has popped from the queue and not returned (struct VirtQueueElement).

    head: head of its descriptor chain, VirtQueueElement.index; for a packed ring its buffer id.
    descriptors: descriptors of the ring that it takes; 1 in a split ring.
    holder: who has it: `block layer`, `throttle`, `retry`, `quiesced`, `completion`, `device`; with IN_ORDER also
        `in order` of one that is done and waits for those before it, and `unflushed` of one that nothing holds up.
    detail: where exactly, in words: a block node and what it waits for, or what the device waits for.
    type: what it asks for: read, write, flush, a SCSI operation code …
    offset: in bytes.
    bytes: length in bytes.
    age_ns: nanoseconds since the device began it, by QEMU's clock at the capture; in a core at least so many.
    node: node name of the lowest block node that is known to have it.
    address: address of the device's request (VirtIOBlockReq, VirtIOSCSIReq …) in the QEMU process.
    coroutine: address of the coroutine that carries it.
    functions: the functions that the coroutine stands in, innermost first: what it waits for.
    absent: why fields are null.
    """

    head: Optional[U16] = None
    descriptors: Optional[U32] = None
    holder: Optional[str] = None
    detail: Optional[str] = None
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
    absent: why fields are null, or why some place could not be looked at.
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
    coroutine: address of the coroutine that carries it.
    waits: it waits for another request that overlaps it (BdrvTrackedRequest.waiting_for).
    """

    node: str
    type: str
    offset: U64
    bytes: U64
    coroutine: Optional[Hex] = None
    waits: Optional[bool] = None


class Throttling(NamedTuple):
    """I/O limits, of a BlockBackend or of a throttle node (struct ThrottleGroupMember).

    node: node name of the throttle node; null for limits of the BlockBackend.
    group: name of the throttle group.
    reads_waiting: reads that wait for the limit (pending_reqs[0]).
    writes_waiting: writes that wait for the limit (pending_reqs[1]).
    read_timer: a timer that lets the group's reads go on is armed, on this member or another (any_timer_armed).
    write_timer: the same of writes.
    limits: limits in force, in words.
    absent: why fields are null.
    """

    node: Optional[str] = None
    group: Optional[str] = None
    reads_waiting: Optional[U32] = None
    writes_waiting: Optional[U32] = None
    read_timer: Optional[bool] = None
    write_timer: Optional[bool] = None
    limits: Optional[str] = None
    absent: Dict[str, str] = {}


class BlockNode(NamedTuple):
    """A node of the graph below a disk (struct BlockDriverState).

    node: its name.
    driver: its block driver.
    in_flight: BlockDriverState.in_flight.
    quiesce_counter: BlockDriverState.quiesce_counter; above zero while drained.
    flushing: a flush is under way (active_flush_req).
    suspended: requests that a blkdebug node holds back.
    context: the event loop that it belongs to.
    absent: why fields are null.
    """

    node: str
    driver: Optional[str] = None
    in_flight: Optional[U32] = None
    quiesce_counter: Optional[U32] = None
    flushing: Optional[bool] = None
    suspended: Optional[U32] = None
    context: Optional[str] = None
    absent: Dict[str, str] = {}


class BlockState(NamedTuple):
    """QEMU's block layer behind a disk.

    node: node name at the root.
    format: its block driver.
    filename: what it opens, as QEMU prints it.
    iostatus: BlockDeviceIoStatus of the BlockBackend.
    in_flight: BlockBackend.in_flight, requests begun and not completed.
    quiesce_counter: BlockBackend.quiesce_counter; above zero while drained.
    queued: requests that wait for the end of a drain (BlockBackend.queued_requests).
    node_in_flight: BlockDriverState.in_flight of the root node.
    parked: requests parked for a retry after an error (VirtIOBlock.rq).
    throttled: requests that wait in the BlockBackend's throttle group.
    on_read_error: what the device does about a failed read (rerror).
    on_write_error: what it does about a failed write (werror).
    completed: requests that this process has completed for the disk since it began (BlockAcctStats.nr_ops).
    failed: requests that failed meanwhile (BlockAcctStats.failed_ops).
    nodes: the nodes below the disk, from the root down.
    throttling: limits on the way, those of the BlockBackend first.
    tracked: tracked requests of the root node and the nodes below it.
    absent: why fields are null.
    """

    node: Optional[str] = None
    format: Optional[str] = None
    filename: Optional[str] = None
    iostatus: Optional[str] = None
    in_flight: Optional[U32] = None
    quiesce_counter: Optional[U32] = None
    queued: Optional[U32] = None
    node_in_flight: Optional[U32] = None
    parked: Optional[U32] = None
    throttled: Optional[U32] = None
    on_read_error: Optional[str] = None
    on_write_error: Optional[str] = None
    completed: Optional[U64] = None
    failed: Optional[U64] = None
    nodes: Optional[List[BlockNode]] = None
    throttling: Optional[List[Throttling]] = None
    tracked: Optional[List[TrackedRequest]] = None
    absent: Dict[str, str] = {}


class ScsiDisk(NamedTuple):
    """A disk on a virtio-scsi host adapter (struct SCSIDevice).

    qdev_id: id given by -device.
    qom_path: path in QEMU's object tree.
    channel: SCSI channel.
    target: SCSI target id.
    lun: SCSI logical unit number.
    requests: requests that it has begun and not ended (SCSIDevice.requests).
    block: the block layer behind it.
    absent: why fields are null.
    """

    qdev_id: Optional[str] = None
    qom_path: Optional[str] = None
    channel: Optional[U32] = None
    target: Optional[U32] = None
    lun: Optional[U32] = None
    requests: Optional[U32] = None
    block: Optional[BlockState] = None
    absent: Dict[str, str] = {}
