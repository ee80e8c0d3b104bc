"""What only the guest knows: the Linux driver's records in a snapshot."""
from typing import Dict, NamedTuple, Optional

from .kinds import U16, U32, U64, Hex


class GuestDevice(NamedTuple):
    """The driver's side of a device.

    virtio_device: name on the guest's virtio bus, `virtio1`.
    driver: name of the bound driver.
    address: address of struct virtio_device.
    disk: address of struct gendisk.
    virtio_blk: address of struct virtio_blk.
    absent: why fields are null.
    """

    virtio_device: Optional[str] = None
    driver: Optional[str] = None
    address: Optional[Hex] = None
    disk: Optional[Hex] = None
    virtio_blk: Optional[Hex] = None
    absent: Dict[str, str] = {}


class DriverState(NamedTuple):
    """The Linux driver's private state (struct vring_virtqueue).

    address: address of struct vring_virtqueue.
    num_free: free descriptors.
    free_head: first free descriptor.
    num_added: buffers added since the last decision whether to kick.
    last_used_idx: the next used entry that the driver will look at.
    avail_idx_shadow: the driver's copy of avail->idx.
    avail_flags_shadow: the driver's copy of avail->flags; bit 0 tells that callbacks are off, even with EVENT_IDX.
    broken: the driver gave the queue up.
    indirect: indirect descriptors are used.
    event: EVENT_IDX is used.
    event_triggered: an interrupt came since callbacks were last enabled.
    callback: the function that the interrupt handler calls.
    absent: why fields are null.
    """

    address: Hex
    num_free: Optional[U32] = None
    free_head: Optional[U32] = None
    num_added: Optional[U32] = None
    last_used_idx: Optional[U16] = None
    avail_idx_shadow: Optional[U16] = None
    avail_flags_shadow: Optional[U16] = None
    broken: Optional[bool] = None
    indirect: Optional[bool] = None
    event: Optional[bool] = None
    event_triggered: Optional[bool] = None
    callback: Optional[str] = None
    absent: Dict[str, str] = {}


class Irq(NamedTuple):
    """The queue's interrupt as the guest kernel sees it (struct irq_desc).

    number: Linux irq number.
    name: name of the action, as in /proc/interrupts.
    shared: several queues share the vector (the action belongs to the device).
    total: interrupts taken so far.
    depth: nested disables; above zero the irq is disabled.
    masked: IRQD_IRQ_MASKED.
    in_progress: IRQD_IRQ_INPROGRESS: a CPU is inside the handler.
    pending: IRQS_PENDING: an interrupt came that was not handled.
    absent: why fields are null.
    """

    number: U32
    name: Optional[str] = None
    shared: bool = False
    total: Optional[U32] = None
    depth: Optional[U32] = None
    masked: Optional[bool] = None
    in_progress: Optional[bool] = None
    pending: Optional[bool] = None
    absent: Dict[str, str] = {}


class Request(NamedTuple):
    """Something in flight under a head.

    head: head of its descriptor chain.
    tag: blk-mq tag.
    operation: REQ_OP_* without its prefix, in lower case.
    sector: first sector, of 512 bytes.
    bytes: length of the data.
    age_ns: time since the request was allocated (start_time_ns), up to capture.clock_ns; includes time in a scheduler.
    issued_ns: time since it was handed to the driver (io_start_time_ns); kept only where I/O statistics need it.
    state: MQ_RQ_* without its prefix, in lower case.
    descriptors: descriptors of its chain in the queue's table; an indirect table counts as one.
    chain_problem: what is wrong with its chain of descriptors, as a loop; null for nothing.
    absent: why fields are null.
    """

    head: U16
    tag: Optional[int] = None
    operation: Optional[str] = None
    sector: Optional[U64] = None
    bytes: Optional[U64] = None
    age_ns: Optional[int] = None
    issued_ns: Optional[int] = None
    state: Optional[str] = None
    descriptors: Optional[U32] = None
    chain_problem: Optional[str] = None
    absent: Dict[str, str] = {}


class UsedEntry(NamedTuple):
    """An entry of the used ring.

    idx: its free-running index; it lies at idx mod size.
    id: the head that the device gave back.
    len: bytes that the device wrote into the chain's buffers.
    """

    idx: U16
    id: U32
    len: U32
