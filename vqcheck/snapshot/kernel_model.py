"""What the guest's kernel knows beside the ring: interrupts, the block layer, SCSI hosts, network interfaces."""
from typing import Dict, List, NamedTuple, Optional

from .kinds import U16, U32, U64, Hex
from .request_model import WaitingRequest
from .transport_model import MsiMessage


class Irq(NamedTuple):
    """The queue's interrupt as the guest kernel sees it (struct irq_desc).

    number: Linux irq number.
    name: name of the action, as in /proc/interrupts.
    shared: several queues share the vector (the action belongs to the device).
    vector: MSI-X vector of the queue as the driver noted it; 65535 is VIRTIO_MSI_NO_VECTOR.
    hwirq: number within the interrupt domain.
    chip: name of the irq_chip.
    msi: the MSI message.
    total: interrupts taken so far.
    depth: nested disables; above zero the irq is disabled.
    masked: IRQD_IRQ_MASKED.
    in_progress: IRQD_IRQ_INPROGRESS: a CPU is inside the handler.
    pending: IRQS_PENDING: an interrupt came that was not handled.
    spurious_disabled: IRQS_SPURIOUS_DISABLED: the kernel turned it off because nobody handled it.
    unhandled: irqs_unhandled, of the last 100000.
    affinity: CPUs that may take it, as a list like 0-3,8.
    effective_affinity: CPUs that do take it.
    effective_online: whether one of these is online; null where either is not known.
    absent: why fields are null.
    """

    number: U32
    name: Optional[str] = None
    shared: bool = False
    vector: Optional[U16] = None
    hwirq: Optional[U64] = None
    chip: Optional[str] = None
    msi: Optional[MsiMessage] = None
    total: Optional[U32] = None
    depth: Optional[U32] = None
    masked: Optional[bool] = None
    in_progress: Optional[bool] = None
    pending: Optional[bool] = None
    spurious_disabled: Optional[bool] = None
    unhandled: Optional[U32] = None
    affinity: Optional[str] = None
    effective_affinity: Optional[str] = None
    effective_online: Optional[bool] = None
    absent: Dict[str, str] = {}


class Tags(NamedTuple):
    """A set of blk-mq tags (struct blk_mq_tags).  All disks of a SCSI host share the driver's.

    depth: tags there are.
    reserved: of them reserved ones.
    in_use: set bits of its sbitmap.
    started: of these, tags whose request is in_flight (MQ_RQ_IN_FLIGHT).
    waiters: how many wait for a free one, tasks or hardware contexts (sbitmap_queue.ws_active).
    absent: why fields are null.
    """

    depth: Optional[U32] = None
    reserved: Optional[U32] = None
    in_use: Optional[U32] = None
    started: Optional[U32] = None
    waiters: Optional[U32] = None
    absent: Dict[str, str] = {}


class HardwareQueue(NamedTuple):
    """A hardware context of blk-mq (struct blk_mq_hw_ctx).

    queue_num: its number; that of the virtqueue for virtio-blk.
    state: the raw bits of hctx->state.
    stopped: BLK_MQ_S_STOPPED: the driver takes no request until it starts the context again.
    dispatch: requests on its dispatch list.
    nr_active: requests that are active, counted only where tags are shared.
    tags: driver tags.
    sched_tags: scheduler tags; null without a scheduler.
    absent: why fields are null.
    """

    queue_num: U32
    state: Optional[Hex] = None
    stopped: Optional[bool] = None
    dispatch: Optional[U32] = None
    nr_active: Optional[int] = None
    tags: Optional[Tags] = None
    sched_tags: Optional[Tags] = None
    absent: Dict[str, str] = {}


class BlockQueue(NamedTuple):
    """The block layer above a disk (struct request_queue).

    disk: name of the disk.
    address: address of struct request_queue.
    scheduler: name of the elevator; `none` without one.
    queue_flags: the raw bits of request_queue.queue_flags.
    quiesce_depth: above zero no request is dispatched.
    freeze_depth: above zero no request may enter (mq_freeze_depth).
    requeue: requests on the requeue list.
    hardware_queues: its hardware contexts.
    waiting: requests that hold a tag and are on no ring; the oldest 256.
    waiting_count: how many there are of these.
    absent: why fields are null.
    """

    disk: Optional[str] = None
    address: Optional[Hex] = None
    scheduler: Optional[str] = None
    queue_flags: Optional[Hex] = None
    quiesce_depth: Optional[int] = None
    freeze_depth: Optional[int] = None
    requeue: Optional[U32] = None
    hardware_queues: Optional[List[HardwareQueue]] = None
    waiting: Optional[List[WaitingRequest]] = None
    waiting_count: Optional[U32] = None
    absent: Dict[str, str] = {}


class ScsiUnit(NamedTuple):
    """A SCSI device of the host (struct scsi_device).

    name: host:channel:id:lun.
    disk: name of its disk.
    state: sdev_state in words.
    absent: why fields are null.
    """

    name: str
    disk: Optional[str] = None
    state: Optional[str] = None
    absent: Dict[str, str] = {}


class ScsiHost(NamedTuple):
    """A SCSI host (struct Scsi_Host).

    name: `host2`.
    address: address of struct Scsi_Host.
    state: shost_state in words.
    failed: commands that timed out or failed and wait for the error handler (host_failed).
    eh_active: the error handler is at work.
    blocked: host_blocked; above zero no command is dispatched.
    units: its SCSI devices.
    absent: why fields are null.
    """

    name: Optional[str] = None
    address: Optional[Hex] = None
    state: Optional[str] = None
    failed: Optional[U32] = None
    eh_active: Optional[bool] = None
    blocked: Optional[U32] = None
    units: Optional[List[ScsiUnit]] = None
    absent: Dict[str, str] = {}


class NetDevice(NamedTuple):
    """A network interface (struct net_device).

    name: `eth0`.
    address: address of struct net_device.
    up: IFF_UP.
    carrier: whether there is a carrier.
    absent: why fields are null.
    """

    name: Optional[str] = None
    address: Optional[Hex] = None
    up: Optional[bool] = None
    carrier: Optional[bool] = None
    absent: Dict[str, str] = {}


class Napi(NamedTuple):
    """The NAPI context of a network queue (struct napi_struct).

    state: the raw bits of napi->state.
    enabled: napi_enable() was called: the interface is up, and the queue is served by NAPI at all.
    scheduled: it is enabled and NAPI_STATE_SCHED is set: its poll is due, or a CPU is inside it.
    polling: a CPU is inside its poll, or a few instructions before or behind it.
    cpu: the CPU that is to poll it or does; null while nothing is scheduled.
    absent: why fields are null.
    """

    state: Optional[Hex] = None
    enabled: Optional[bool] = None
    scheduled: Optional[bool] = None
    polling: Optional[bool] = None
    cpu: Optional[U32] = None
    absent: Dict[str, str] = {}


class TxQueue(NamedTuple):
    """The network stack's side of a transmit queue (struct netdev_queue).

    state: the raw bits of netdev_queue.state.
    stopped: __QUEUE_STATE_DRV_XOFF: the driver stopped it, as its ring is full.
    stack_stopped: __QUEUE_STATE_STACK_XOFF: byte queue limits stopped it.
    trans_start: jiffies of the last transmission.
    absent: why fields are null.
    """

    state: Optional[Hex] = None
    stopped: Optional[bool] = None
    stack_stopped: Optional[bool] = None
    trans_start: Optional[U64] = None
    absent: Dict[str, str] = {}
