"""Interrupts as QEMU's transports send them, and the devices that serve rings in QEMU's stead."""
from typing import Dict, NamedTuple, Optional

from .kinds import U32, U64, Hex


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


class MsiMessage(NamedTuple):
    """A message-signalled interrupt.

    address: where it is written to.
    data: what is written.
    """

    address: Hex
    data: Hex


class Intx(NamedTuple):
    """A device's interrupt line: INTx of PCI, or the line of virtio-mmio.

    level: whether the device asserts it.
    disabled: the guest has INTx disabled in the PCI command register.
    pin: 1 for INTA up to 4 for INTD; null for a line that has no pin.
    """

    level: bool
    disabled: Optional[bool] = None
    pin: Optional[int] = None


class Indicator(NamedTuple):
    """The bit in the guest's memory by which a channel device (CCW) says that it interrupts for a queue.

    The device sets it, and the driver's handler clears it before it looks at the queue.

    adapter: by adapter interrupts, whose bits many devices share; else by the device's own 64.
    area: guest-physical address of these bits.
    bit: which of them is the queue's: of adapter interrupts from the most significant on, else from the least.
    set: it is set: the device has interrupted for the queue, and the driver's handler has not come to it.
    summary: the byte beside the bits that calls the handler is set: none will be called anew; adapter interrupts only.
    absent: why fields are null.
    """

    adapter: bool
    area: Hex
    bit: U32
    set: Optional[bool] = None
    summary: Optional[bool] = None
    absent: Dict[str, str] = {}


class VhostQueue(NamedTuple):
    """What vhost was given for a queue (struct vhost_virtqueue); the eventfds are the queue's two notifiers.

    num: entries.
    desc: address of the descriptor table in the QEMU process.
    avail: address of the available ring in the QEMU process.
    used: address of the used ring in the QEMU process.
    masked_notifier: fd that vhost writes to while the vector is masked.
    masked_count: its counter: above zero, an interrupt waits for the vector to be unmasked.
    absent: why fields are null.
    """

    num: Optional[U32] = None
    desc: Optional[Hex] = None
    avail: Optional[Hex] = None
    used: Optional[Hex] = None
    masked_notifier: Optional[int] = None
    masked_count: Optional[U64] = None
    absent: Dict[str, str] = {}


class NetClient(NamedTuple):
    """A pair of queues of a network device, and the backend at its other end (struct NetClientState).

    pair: its number; its queues are 2 * pair (receive) and 2 * pair + 1 (transmit).
    link_down: the link is set down, by `set_link`.
    peer: id of the backend; null for none.
    packets_waiting: packets that wait for the driver to post receive buffers (NetQueue.nq_count).
    peer_packets_waiting: packets that were sent and wait for the backend to take them.
    absent: why fields are null.
    """

    pair: U32
    link_down: Optional[bool] = None
    peer: Optional[str] = None
    packets_waiting: Optional[U32] = None
    peer_packets_waiting: Optional[U32] = None
    absent: Dict[str, str] = {}


class Vhost(NamedTuple):
    """A device that serves rings in QEMU's stead, in the host's kernel or in another process (struct vhost_dev).

    backend: `kernel`, `user` or `vdpa` (enum VhostBackendType).
    started: it serves the rings.
    vq_index: the first queue of those that it serves.
    nvqs: how many it serves from there on.
    features: the mask that it offers.
    acked_features: the mask that it was told.
    absent: why fields are null.
    """

    backend: Optional[str] = None
    started: Optional[bool] = None
    vq_index: Optional[int] = None
    nvqs: Optional[U32] = None
    features: Optional[Hex] = None
    acked_features: Optional[Hex] = None
    absent: Dict[str, str] = {}
