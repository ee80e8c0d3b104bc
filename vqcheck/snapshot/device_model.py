"""What only the host knows: QEMU's records in a snapshot."""
from typing import Dict, List, NamedTuple, Optional

from .held_model import BlockState, ScsiDisk
from .kinds import U8, U16, U32, U64, Hex


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
    block: the block layer behind a disk.
    disks: the disks on a SCSI host adapter.
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
    block: Optional[BlockState] = None
    disks: Optional[List[ScsiDisk]] = None
    absent: Dict[str, str] = {}


class ThreadState(NamedTuple):
    """A thread and where it stood.

    id: the kernel's thread id.
    name: its name.
    functions: the functions it stands in, innermost first.
    absent: why fields are null.
    """

    id: U32
    name: Optional[str] = None
    functions: Optional[List[str]] = None
    absent: Dict[str, str] = {}


class DeviceState(NamedTuple):
    """QEMU's private state of the queue (struct VirtQueue).

    address: address of struct VirtQueue.
    last_avail_idx: the next available entry that the device will pop.
    shadow_avail_idx: the device's cached copy of avail->idx; may lag behind the ring.
    used_idx: the device's copy of used->idx.
    signalled_used: used_idx when the need for an interrupt was last evaluated; not when one was sent.
    signalled_used_valid: whether signalled_used holds; while false the next evaluation always notifies.
    notification: the device wants kicks.
    inuse: elements popped and not yet returned.
    absent: why fields are null.
    """

    address: Optional[Hex] = None
    last_avail_idx: Optional[U16] = None
    shadow_avail_idx: Optional[U16] = None
    used_idx: Optional[U16] = None
    signalled_used: Optional[U16] = None
    signalled_used_valid: Optional[bool] = None
    notification: Optional[bool] = None
    inuse: Optional[U32] = None
    absent: Dict[str, str] = {}


class MsixVector(NamedTuple):
    """The MSI-X entry of the queue's vector, as QEMU emulates it.

    enabled: MSI-X is enabled in the PCI capability.
    function_masked: the function's mask bit.
    masked: the vector's own mask bit.
    pending: its bit in the pending bit array: an interrupt came while masked.
    in_use: msix_entry_used[]; QEMU drops what is sent to an unused vector.
    address: message address.
    data: message data.
    """

    enabled: bool
    function_masked: bool
    masked: bool
    pending: bool
    in_use: bool
    address: Hex
    data: Hex


class Notifier(NamedTuple):
    """An eventfd.

    fd: the file descriptor in the QEMU process.
    initialized: EventNotifier.initialized.
    enabled: VirtQueue.host_notifier_enabled; kicks arrive by this eventfd.
    eventfd_count: its counter: above zero, a notification was written and not read.
    handler: a handler is attached to it in the event loop that serves the queue.
    irqfd: KVM turns writes into interrupts without QEMU's help.
    absent: why fields are null.
    """

    fd: Optional[int] = None
    initialized: Optional[bool] = None
    enabled: Optional[bool] = None
    eventfd_count: Optional[U64] = None
    handler: Optional[bool] = None
    irqfd: Optional[bool] = None
    absent: Dict[str, str] = {}


class Notify(NamedTuple):
    """Where the queue's notifications go, as QEMU has it.

    vector: VirtQueue.vector; 65535 is VIRTIO_NO_VECTOR.
    msix: the vector's MSI-X entry.
    host_notifier: kicks, driver to device.
    guest_notifier: interrupts, device to driver.
    context: the event loop that serves the queue: `main` or the iothread's id.
    thread: kernel thread id of that loop.
    polling: the loop is busy polling, during which kicks are off by design.
    absent: why fields are null.
    """

    vector: Optional[U16] = None
    msix: Optional[MsixVector] = None
    host_notifier: Optional[Notifier] = None
    guest_notifier: Optional[Notifier] = None
    context: Optional[str] = None
    thread: Optional[U32] = None
    polling: Optional[bool] = None
    absent: Dict[str, str] = {}


class AvailEntry(NamedTuple):
    """An entry of the available ring.

    idx: its free-running index; it lies at idx mod size.
    head: the head of the descriptor chain that the driver put there.
    """

    idx: U16
    head: U16
