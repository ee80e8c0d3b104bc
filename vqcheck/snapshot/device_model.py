"""What only the host knows: QEMU's records in a snapshot."""
from typing import Dict, List, NamedTuple, Optional

from .held_model import BlockState, ScsiDisk
from .kinds import U8, U16, U32, U64, Hex
from .transport_model import Intx, MsiMessage, MsixVector, NetClient, Vhost, VhostQueue


class HostDevice(NamedTuple):
    """QEMU's side of a device.

    qdev_id: id given by -device.
    qom_path: path in QEMU's object tree.
    type: QOM type of the VirtIODevice.
    address: address of VirtIODevice in the QEMU process.
    run_state: state of the whole VM.
    vm_running: VirtIODevice.vm_running.
    broken: VirtIODevice.broken, set by virtio_error().
    disabled: VirtIODevice.disabled, bus mastering off.
    started: VirtIODevice.started.
    isr: VirtIODevice.isr; proves nothing once MSI-X is on.
    vhost_started: vhost serves the rings, and QEMU's own indexes are not live.
    ioeventfd_started: kicks arrive by host notifier (dataplane_started, ioeventfd_started).
    ioeventfd_starting: the device is being switched over to host notifiers.
    ioeventfd_stopping: it is being switched back.
    ioeventfd_disabled: it can't use them (dataplane_disabled, dataplane_fenced, ioeventfd_disabled).
    bus_ioeventfd_started: VirtioBusState.ioeventfd_started; the transport has host notifiers assigned.
    bus_ioeventfd_grabbed: VirtioBusState.ioeventfd_grabbed; how many users keep the transport's own handler out.
    batch_notifications: interrupts are gathered and sent by a bottom half (QEMU up to 8.1, without EVENT_IDX).
    resetting: VirtIOSCSI.resetting; above zero while the bus is reset.
    intx: the device's INTx line, where it uses none of the MSI-X vectors.
    vhost: the vhost devices behind it; a network device has one for each pair of queues.
    block: the block layer behind a disk.
    disks: the disks on a SCSI host adapter.
    net: the backends of a network device, one for each pair of queues.
    byte_order: of what the device shares with its driver: `little`, or `big` of a legacy device (device_endian).
    absent: why fields are null.
    """

    qdev_id: Optional[str] = None
    qom_path: Optional[str] = None
    type: Optional[str] = None
    address: Optional[Hex] = None
    run_state: Optional[str] = None
    vm_running: Optional[bool] = None
    broken: Optional[bool] = None
    disabled: Optional[bool] = None
    started: Optional[bool] = None
    isr: Optional[U8] = None
    vhost_started: Optional[bool] = None
    ioeventfd_started: Optional[bool] = None
    ioeventfd_starting: Optional[bool] = None
    ioeventfd_stopping: Optional[bool] = None
    ioeventfd_disabled: Optional[bool] = None
    bus_ioeventfd_started: Optional[bool] = None
    bus_ioeventfd_grabbed: Optional[int] = None
    batch_notifications: Optional[bool] = None
    resetting: Optional[int] = None
    intx: Optional[Intx] = None
    vhost: Optional[List[Vhost]] = None
    block: Optional[BlockState] = None
    disks: Optional[List[ScsiDisk]] = None
    net: Optional[List[NetClient]] = None
    byte_order: Optional[str] = None
    absent: Dict[str, str] = {}


class ThreadState(NamedTuple):
    """A thread and where it stood.

    id: the kernel's thread id.
    name: its name.
    role: what it is for: `main`, `iothread iothread1`, `vcpu 0`.
    functions: the functions it stands in, innermost first.
    deferred_calls: calls that it has put off until its outermost defer_call_end() (QEMU from 8.2).
    defer_depth: how deep it is inside defer_call_begin(); calls are put off while this is above zero.
    absent: why fields are null.
    """

    id: U32
    name: Optional[str] = None
    role: Optional[str] = None
    functions: Optional[List[str]] = None
    deferred_calls: Optional[U32] = None
    defer_depth: Optional[U32] = None
    absent: Dict[str, str] = {}


class DeviceState(NamedTuple):
    """QEMU's private state of the queue (struct VirtQueue).

    address: address of struct VirtQueue.
    last_avail_idx: the next available entry that the device will pop; in a packed ring a position.
    last_avail_wrap_counter: packed: the wrap counter that goes with last_avail_idx.
    shadow_avail_idx: the device's cached copy of avail->idx; may lag behind the ring.
    shadow_avail_wrap_counter: packed: the wrap counter that goes with shadow_avail_idx.
    used_idx: the device's copy of used->idx; in a packed ring the position of the next used descriptor.
    used_wrap_counter: packed: the wrap counter that goes with used_idx.
    signalled_used: used_idx when the need for an interrupt was last evaluated; not when one was sent.
    signalled_used_valid: whether signalled_used holds; while false the next evaluation always notifies.
    notification: the device wants kicks.
    inuse: elements popped and not yet returned; in a packed ring their descriptors.
    num_default: entries that the device offers; the driver may have chosen fewer.
    enabled: the driver has enabled the queue, as the transport has it.
    tx_waiting: network: the device will look at the transmit queue by itself, from a bottom half or a timer.
    absent: why fields are null.
    """

    address: Optional[Hex] = None
    last_avail_idx: Optional[U16] = None
    last_avail_wrap_counter: Optional[bool] = None
    shadow_avail_idx: Optional[U16] = None
    shadow_avail_wrap_counter: Optional[bool] = None
    used_idx: Optional[U16] = None
    used_wrap_counter: Optional[bool] = None
    signalled_used: Optional[U16] = None
    signalled_used_valid: Optional[bool] = None
    notification: Optional[bool] = None
    inuse: Optional[U32] = None
    num_default: Optional[U32] = None
    enabled: Optional[bool] = None
    tx_waiting: Optional[bool] = None
    absent: Dict[str, str] = {}


class Notifier(NamedTuple):
    """An eventfd.

    fd: the file descriptor in the QEMU process.
    initialized: EventNotifier.initialized.
    enabled: VirtQueue.host_notifier_enabled; kicks arrive by this eventfd.
    eventfd_count: its counter: above zero, a notification was written and not read.
    handler: a handler is attached to it in an event loop of QEMU's.
    handler_disabled: that loop leaves such handlers out for now (AioContext.external_disable_cnt, QEMU up to 8.0).
    irqfd: KVM turns writes into interrupts without QEMU's help.
    absent: why fields are null.
    """

    fd: Optional[int] = None
    initialized: Optional[bool] = None
    enabled: Optional[bool] = None
    eventfd_count: Optional[U64] = None
    handler: Optional[bool] = None
    handler_disabled: Optional[bool] = None
    irqfd: Optional[bool] = None
    absent: Dict[str, str] = {}


class Notify(NamedTuple):
    """Where the queue's notifications go, as QEMU has it.

    vector: VirtQueue.vector; 65535 is VIRTIO_NO_VECTOR.
    msix: the vector's MSI-X entry.
    irqfd_message: the message that QEMU last gave to KVM for the vector (VirtIOIRQFD.msg).
    irqfd_users: how many queues use that irqfd (VirtIOIRQFD.users).
    virq: KVM's interrupt number for it (VirtIOIRQFD.virq, its GSI); of a channel device AdapterRoutes.gsi.
    route: the message in KVM's routing table under that number, as QEMU last wrote it down.
    batched: an interrupt for the queue waits for the bottom half that sends gathered ones.
    host_notifier: kicks, driver to device.
    guest_notifier: interrupts, device to driver.
    context: the event loop that serves the queue: `main`, `iohandler` (main loop too) or the iothread's id.
    thread: kernel thread id of that loop.
    polling: the loop is busy polling, during which kicks are off by design.
    vhost: what vhost was given for the queue.
    absent: why fields are null.
    """

    vector: Optional[U16] = None
    msix: Optional[MsixVector] = None
    irqfd_message: Optional[MsiMessage] = None
    irqfd_users: Optional[U32] = None
    virq: Optional[int] = None
    route: Optional[MsiMessage] = None
    batched: Optional[bool] = None
    host_notifier: Optional[Notifier] = None
    guest_notifier: Optional[Notifier] = None
    context: Optional[str] = None
    thread: Optional[U32] = None
    polling: Optional[bool] = None
    vhost: Optional[VhostQueue] = None
    absent: Dict[str, str] = {}


class AvailEntry(NamedTuple):
    """An entry that the driver has made available and the device has not popped.

    idx: split: its free-running index, it lies at idx mod size; packed: the position of its first descriptor.
    head: head of the descriptor chain that it offers; in a packed ring the buffer id.
    """

    idx: U16
    head: U16
