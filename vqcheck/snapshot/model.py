"""One side of a set of virtqueues, as data.

Raw values under the names that kernel and QEMU engineers know; distances and judgements are the checker's.  A field
that could not be read is None, and `absent` of the same record gives the reason under the field's name.

The docstrings are more than prose: the JSON Schema takes its descriptions from their `field: text` lines, and reader
and schema take types and ranges from the annotations.
"""
from typing import Dict, List, NamedTuple, Optional

from .device_model import AvailEntry, DeviceState, HostDevice, Notify, ThreadState
from .driver_model import DriverState, GuestDevice
from .held_model import Held
from .kernel_model import Irq, Napi, TxQueue
from .kinds import U8, U16, U32, U64, Hex
from .loop_model import QemuState
from .request_model import Request, UsedEntry
from .transport_model import Indicator

SCHEMA_VERSION = 3

OLDER_VERSIONS = (1, 2)
"""Versions that are read too: all of their members are still there, and none has another meaning."""

GUEST = "guest"
HOST = "host"


class Producer(NamedTuple):
    """What made the snapshot.

    name: the program.
    version: its version.
    debugger: name and version of the debugger it ran in; null for a transcription.
    """

    name: str
    version: str
    debugger: Optional[str] = None


class TargetInfo(NamedTuple):
    """What was read.

    kind: `linux` for a guest's kernel, `qemu` for a QEMU process.
    release: the kernel's release, as uname -r has it; for QEMU its machine type.
    machine: architecture of the guest.
    name: the guest's host name, or the VM's name as QEMU knows it.
    uuid: the VM's UUID, as the guest's firmware tables and QEMU's -uuid have it.
    build_id: GNU build id of the kernel or of the QEMU binary.
    boot_id: the guest's /proc/sys/kernel/random/boot_id.
    command_line: the guest kernel's command line.
    pid: process id of QEMU.
    absent: why fields are null.
    """

    kind: str
    release: Optional[str] = None
    machine: Optional[str] = None
    name: Optional[str] = None
    uuid: Optional[str] = None
    build_id: Optional[str] = None
    boot_id: Optional[str] = None
    command_line: Optional[str] = None
    pid: Optional[U32] = None
    absent: Dict[str, str] = {}


class Observation(NamedTuple):
    """What a person saw besides the snapshot.

    stuck: whether the I/O was seen not to move for longer than any healthy request takes.
    note: what was seen, in a person's words.
    """

    stuck: bool
    note: str


class Capture(NamedTuple):
    """When and how the state was caught.

    method: `live`, `core`, `dump`, or `hand` for a transcription.
    time: wall-clock time of the capture, ISO 8601 with a time zone; by the side's own clock.
    time_source: where `time` comes from.
    source: base name of the file that was read.
    clock_ns: the guest kernel's monotonic clock at its last tick, or the host's, in nanoseconds; ages count up to it.
    uptime_ns: nanoseconds since the guest booted, as /proc/uptime counts them, up to the same tick.
    cpus_online: the guest's CPUs that are online, as a list like 0-3,8.
    instant: the same words in the snapshots of two sides that were read at one stopped instant; null for others.
    pause_ns: for how long QEMU stood still for the capture, in nanoseconds; 0 where it was not stopped.
    warnings: what makes the snapshot less trustworthy than others.
    observation: what a person saw besides.
    panicked: whether the guest's kernel has panicked; what its memory shows of a device is then of before that.
    absent: why fields are null.
    """

    method: str
    time: Optional[str] = None
    time_source: Optional[str] = None
    source: Optional[str] = None
    clock_ns: Optional[U64] = None
    uptime_ns: Optional[U64] = None
    cpus_online: Optional[str] = None
    instant: Optional[str] = None
    pause_ns: Optional[U64] = None
    warnings: Optional[List[str]] = None
    observation: Optional[Observation] = None
    panicked: Optional[bool] = None
    absent: Dict[str, str] = {}


class Bus(NamedTuple):
    """Where the device sits, as the guest sees it.

    type: `pci`, `mmio` or `ccw`.
    address: the address on that bus, for PCI domain:bus:device.function.
    """

    type: str
    address: Optional[str] = None


class Features(NamedTuple):
    """Feature bits.

    negotiated: the mask that driver and device agreed on.
    names: names of the negotiated bits, lowest first.
    offered: the mask that the device offers; known to the host only.
    """

    negotiated: Hex
    names: List[str]
    offered: Optional[Hex] = None


class Rings(NamedTuple):
    """Where the three areas of the queue lie: what the two sides are paired by.

    desc: the descriptor table.
    avail: the available ring (driver area).
    used: the used ring (device area).
    space: `physical` for guest-physical addresses, `iova` when ACCESS_PLATFORM is negotiated.
    """

    desc: Hex
    avail: Hex
    used: Hex
    space: str


class RingState(NamedTuple):
    """The shared part of a split ring, as this side read it from guest memory.

    avail_flags: avail->flags, written by the driver.
    avail_idx: avail->idx, written by the driver: where it will put the next head.
    used_event: written by the driver, read by the device; gates interrupts (device to driver).
    used_flags: used->flags, written by the device.
    used_idx: used->idx, written by the device: where it will put the next used element.
    avail_event: written by the device, read by the driver; gates kicks (driver to device).
    """

    avail_flags: U16
    avail_idx: U16
    used_event: U16
    used_flags: U16
    used_idx: U16
    avail_event: U16


class PackedEvent(NamedTuple):
    """An event suppression area of a packed ring (struct vring_packed_desc_event).

    off_wrap: bits 0..14 a position in the ring, bit 15 a wrap counter; counts only with flags 2.
    flags: 0 notify always, 1 never, 2 when the position is passed (needs EVENT_IDX).
    """

    off_wrap: U16
    flags: U16


class PackedDescriptor(NamedTuple):
    """A descriptor of a packed ring (struct vring_packed_desc).

    position: where it stands in the ring.
    addr: address of the buffer.
    len: length of the buffer; after use the bytes that the device wrote.
    id: buffer id.
    flags: descriptor flags; bit 7 avail, bit 15 used.
    """

    position: U16
    addr: Hex
    len: U32
    id: U16
    flags: Hex


class PackedRing(NamedTuple):
    """The shared part of a packed ring, as this side read it from guest memory.

    driver_event: written by the driver, read by the device; gates interrupts (device to driver).
    device_event: written by the device, read by the driver; gates kicks (driver to device).
    descriptors: the descriptors between the side's own two positions, in the ring's order.
    absent: why fields are null.
    """

    driver_event: Optional[PackedEvent] = None
    device_event: Optional[PackedEvent] = None
    descriptors: Optional[List[PackedDescriptor]] = None
    absent: Dict[str, str] = {}


class Queue(NamedTuple):
    """One virtqueue as one side sees it.

    queue_index: its index in the device.
    name: its name, as the driver gave it.
    role: what it is for; `request` queues are empty when idle.
    layout: `split` or `packed`.
    size: entries.
    rings: where it lies.
    ring: the shared part of a split ring, as read by this side.
    packed: the shared part of a packed ring, as read by this side.
    driver: the driver's private state; guest side only.
    device: the device's private state; host side only.
    irq: the interrupt, as the guest kernel sees it.
    indicator: the bit by which a channel device interrupts for it, as this side has it; on CCW only.
    napi: the NAPI context that serves it; guest side, network devices only.
    tx_queue: the network stack's side of a transmit queue; guest side only.
    notify: the notifiers, as QEMU has them.
    available: entries of the available ring that the device has not popped; host side only.
    held: elements popped and not returned, and who has them; host side only.
    used: used elements that the driver has not consumed; guest side only.
    in_flight: heads that the driver has handed out and not got back; guest side only.
    moved: the indexes that were others when a VM that runs was read again; null where none was, or it was read once.
    absent: why fields are null.
    """

    queue_index: U16
    name: Optional[str] = None
    role: str = "unknown"
    layout: Optional[str] = None
    size: Optional[U16] = None
    rings: Optional[Rings] = None
    ring: Optional[RingState] = None
    packed: Optional[PackedRing] = None
    driver: Optional[DriverState] = None
    device: Optional[DeviceState] = None
    irq: Optional[Irq] = None
    indicator: Optional[Indicator] = None
    napi: Optional[Napi] = None
    tx_queue: Optional[TxQueue] = None
    notify: Optional[Notify] = None
    available: Optional[List[AvailEntry]] = None
    held: Optional[Held] = None
    used: Optional[List[UsedEntry]] = None
    in_flight: Optional[List[Request]] = None
    moved: Optional[List[str]] = None
    absent: Dict[str, str] = {}


class Device(NamedTuple):
    """One virtio device as one side sees it.

    name: how this side calls it: `vdb`, `virtio-disk1`.
    type: `blk`, `net` …
    device_id: virtio device id.
    bus: where it sits.
    status: device status byte.
    features: feature bits.
    guest: the driver's side.
    host: QEMU's side.
    queues: its virtqueues.
    absent: why fields are null.
    """

    name: str
    type: str
    device_id: U16
    queues: List[Queue]
    bus: Optional[Bus] = None
    status: Optional[U8] = None
    features: Optional[Features] = None
    guest: Optional[GuestDevice] = None
    host: Optional[HostDevice] = None
    absent: Dict[str, str] = {}


class Snapshot(NamedTuple):
    """One side of a VM's virtqueues at one instant.

    schema: version of this document's schema.
    side: `guest` or `host`.
    producer: what made it.
    target: what was read.
    capture: when and how.
    devices: the virtio devices.
    threads: threads of QEMU and where they stood; host side only.
    qemu: the QEMU process as a whole; host side only.
    absent: why fields are null.
    """

    schema: int
    side: str
    producer: Producer
    target: TargetInfo
    capture: Capture
    devices: List[Device]
    threads: Optional[List[ThreadState]] = None
    qemu: Optional[QemuState] = None
    absent: Dict[str, str] = {}
