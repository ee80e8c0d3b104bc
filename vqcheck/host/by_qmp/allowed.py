"""What may be asked of a running QEMU: the one list of it.

Judged by reading QEMU 7.2.22, 10.0.13 and 10.2.2.  Not on the list, though they only "query":

* x-query-virtio-queue-element writes the ring's avail->idx into VirtQueue.shadow_avail_idx.
* x-query-virtio-queue-status of a device that vhost serves calls vhost_get_vring_base(), which in vhost-user is a
  message that stops the ring; and then it returns the call's status where an index should be.
* x-query-virtio-status aborts QEMU (g_assert_not_reached() in qmp_decode_features()) for a device whose feature names
  are not built in, and calls a null pointer for one without VirtioDeviceClass.get_vhost that has started.  Both are
  found among the vhost devices only.
* query-block and its like can make the main loop hang together with an iothread or with storage, so that the whole VM
  hangs where only a disk did: only if the user wants it.
"""
import re
from typing import Dict, FrozenSet, Pattern

BY_QEMU = frozenset((
    "virtio-blk-device", "virtio-scsi-device", "virtio-serial-device", "virtio-rng-device", "virtio-balloon-device",
    "virtio-keyboard-device", "virtio-mouse-device", "virtio-tablet-device", "virtio-multitouch-device",
    "virtio-input-host-device", "virtio-gpu-device", "virtio-gpu-gl-device", "virtio-gpu-rutabaga-device",
    "virtio-9p-device", "virtio-pmem", "virtio-mem", "virtio-iommu-device", "virtio-sound-device", "virtio-nsm-device",
))
"""QOM types of devices that QEMU itself serves, whatever is behind them."""

BY_QEMU_OR_VHOST = frozenset(("virtio-net-device", "virtio-crypto-device"))
"""QOM types of devices that vhost serves if their backend is such; all that they need for a status is there."""

BY_VHOST = frozenset(("vhost-user-blk", "vhost-user-fs-device", "vhost-user-vsock-device", "vhost-vsock-device",
                      "vhost-scsi", "vhost-user-gpu"))
"""QOM types of vhost devices that have had VirtioDeviceClass.get_vhost since QEMU 7.2."""

COMMANDS: Dict[str, str] = {
    "query-version": "constants",
    "query-name": "a constant",
    "query-uuid": "a constant",
    "query-target": "a constant",
    "query-status": "the run state",
    "query-kvm": "whether KVM is in use",
    "query-accelerators": "the same of all accelerators (QEMU 10.2 and later)",
    "query-migrate": "state and counters of migrations; tells whether guest memory may be missing",
    "query-cpus-fast": "the list of vCPUs, without interrupting them as query-cpus did",
    "query-iothreads": "the list of iothreads",
    "query-pci": "QEMU's own copies of PCI configuration spaces",
    "qom-list": "names and types of properties; calls no getter",
    "qom-get": "PROPERTIES only, whose getters return a field",
    "x-query-virtio": "names and paths of the virtio devices",
    "x-query-virtio-status": "fields of VirtIODevice; only of types that are BY_QEMU or BY_QEMU_OR_VHOST",
    "x-query-virtio-queue-status": "fields of VirtQueue; only while vhost neither serves the device nor can start to",
    "x-query-virtio-vhost-queue-status": "fields of vhost_virtqueue; not of types that lack get_vhost",
    "human-monitor-command": "LINES only",
}
"""Command to what it reads."""

BLOCK_COMMANDS: Dict[str, str] = {
    "query-block": "sizes of image files too: fstat() in the main loop, which hangs where their storage does; until "
                   "QEMU 8.2 under the AioContext lock of each disk's iothread, which may never be let go of",
    "query-named-block-nodes": "as query-block",
    "query-blockstats": "counters; until QEMU 8.2 under the same lock",
    "query-block-jobs": "progress of jobs",
}
"""What is asked only if the user wants it, and what could make QEMU wait for it."""

PROPERTIES = frozenset((
    "type", "parent_bus", "legacy-addr", "addr", "container", "dev_id", "netdev", "cryptodev", "drive", "packed",
    "iommu_platform", "channel", "scsi-id", "lun", "rerror", "werror",
))
"""Of QEMU's objects: what they are, where they sit, what the user configured them with."""

CHILD = re.compile(r"child\[[0-9]{1,6}\]")
"""A bus's link to a device that is plugged into it."""

LINES: Dict[str, Pattern[str]] = {
    "gpa2hva": re.compile(r"gpa2hva 0x[0-9a-f]{1,16}"),
    "xp": re.compile(r"xp /[0-9]{1,4}xb 0x[0-9a-f]{1,16}"),
    "info": re.compile(r"info network"),
}
"""Lines for the human monitor.  gpa2hva looks an address up; `info network` prints names and types.  `xp` reads guest
memory, and a device's registers if the address is one: so only where gpa2hva has found RAM.  On KVM it makes the first
vCPU leave the guest for a moment (mon_get_cpu(), cpu_synchronize_state()), and waits for it."""

ARGUMENTS: Dict[str, FrozenSet[str]] = {
    "qom-list": frozenset(("path",)),
    "qom-get": frozenset(("path", "property")),
    "human-monitor-command": frozenset(("command-line",)),
    "x-query-virtio-status": frozenset(("path",)),
    "x-query-virtio-queue-status": frozenset(("path", "queue")),
    "x-query-virtio-vhost-queue-status": frozenset(("path", "queue")),
    "query-named-block-nodes": frozenset(("flat",)),
}
"""The arguments that a command takes here; none where there is no entry."""

NEVER_VHOST = frozenset(("user", "socket", "stream", "dgram", "l2tpv3", "vde", "hubport", "netmap", "af-xdp"))
"""Types of network backends (NetClientDriver) that QEMU always serves itself."""

TAP = "tap"
"""Vhost in the kernel serves it, or QEMU does: then VirtIODevice.backend_features is empty from the start on
(virtio_net_get_features())."""

QEMUS_CRYPTO = frozenset(("cryptodev-backend-builtin", "cryptodev-backend-lkcf"))
"""QOM types of crypto backends that QEMU serves itself."""
