"""What only the guest knows of a device and its queues: the Linux driver's records in a snapshot."""
from typing import Dict, List, NamedTuple, Optional

from .kernel_model import BlockQueue, NetDevice, ScsiHost
from .kinds import U16, U32, Hex


class GuestDevice(NamedTuple):
    """The driver's side of a device.

    virtio_device: name on the guest's virtio bus, `virtio1`.
    driver: name of the bound driver.
    address: address of struct virtio_device.
    linux_names: what Linux made of the device: disks, network interfaces, ttys, SCSI hosts.
    disk: address of struct gendisk.
    virtio_blk: address of struct virtio_blk.
    block: the block layer above the device, one record a disk.
    scsi: the SCSI host that the device is.
    net: the network interface that the device is.
    absent: why fields are null.
    """

    virtio_device: Optional[str] = None
    driver: Optional[str] = None
    address: Optional[Hex] = None
    linux_names: Optional[List[str]] = None
    disk: Optional[Hex] = None
    virtio_blk: Optional[Hex] = None
    block: Optional[List[BlockQueue]] = None
    scsi: Optional[ScsiHost] = None
    net: Optional[NetDevice] = None
    absent: Dict[str, str] = {}


class DriverState(NamedTuple):
    """The Linux driver's private state (struct vring_virtqueue).

    address: address of struct vring_virtqueue.
    num_free: free descriptors.
    free_head: first free descriptor.
    free_list: descriptors found on the free list by walking it from free_head.
    free_list_problem: why the walk of the free list ended early, as a loop; null for nothing.
    descriptors_in_use: descriptors of all chains in flight.
    num_added: buffers, in a packed ring descriptors, added since the last decision whether to kick.
    last_used_idx: where the driver looks for the next used entry; a free-running index, in a packed ring a position.
    avail_idx_shadow: split: the driver's copy of avail->idx.
    avail_flags_shadow: split: the driver's copy of avail->flags; bit 0: callbacks are off, even with EVENT_IDX.
    next_avail_idx: packed: the position where the driver puts the next descriptor.
    avail_wrap_counter: packed: the wrap counter that goes with next_avail_idx.
    used_wrap_counter: packed: the wrap counter that goes with last_used_idx.
    event_flags_shadow: packed: the driver's copy of the flags in its event area; 1: callbacks are off.
    in_order: the driver relies on VIRTIO_F_IN_ORDER.
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
    free_list: Optional[U32] = None
    free_list_problem: Optional[str] = None
    descriptors_in_use: Optional[U32] = None
    num_added: Optional[U32] = None
    last_used_idx: Optional[U16] = None
    avail_idx_shadow: Optional[U16] = None
    avail_flags_shadow: Optional[U16] = None
    next_avail_idx: Optional[U16] = None
    avail_wrap_counter: Optional[bool] = None
    used_wrap_counter: Optional[bool] = None
    event_flags_shadow: Optional[U16] = None
    in_order: Optional[bool] = None
    broken: Optional[bool] = None
    indirect: Optional[bool] = None
    event: Optional[bool] = None
    event_triggered: Optional[bool] = None
    callback: Optional[str] = None
    absent: Dict[str, str] = {}
