"""What QEMU says of its virtio devices over QMP: a witness beside gdb, which reads QEMU's memory.

Asked of a running machine, before a capture and after it: what is alike both times was so at the capture too.
The commands came with QEMU 7.2 and change nothing, but for x-query-virtio-queue-status of a vhost-user device, which
stops the ring in the backend, and x-query-virtio-status of a vhost-user vsock, which QEMU 7.2 dies of
(hw/virtio/virtio.c: qmp_decode_features()).  Devices that are served outside QEMU are left out.
"""
from typing import Any, Dict, List, NamedTuple

from .qmp import Qmp


class QueueStatus(NamedTuple):
    """A queue that the driver has set up.  Positions in a packed ring have no wrap counters here."""
    index: int  # type: ignore[assignment]  # the field's own name, over tuple's method
    size: int
    desc: int
    avail: int
    used: int
    last_avail_idx: int
    used_idx: int
    inuse: int
    signalled_used: int


class DeviceStatus(NamedTuple):
    """A device."""
    identity: str
    """Its qdev id, which the lab gives to every virtio device."""
    device_id: int
    queues: List[QueueStatus]


def devices(qmp: Qmp) -> Dict[str, DeviceStatus]:
    """All virtio devices that QEMU serves itself, by their ids."""
    found = {}
    for one in qmp.command("x-query-virtio"):
        identity = one["path"].split("/")[3]
        if qmp.command("qom-get", path=one["path"], property="type").startswith("vhost-"):
            continue
        status = qmp.command("x-query-virtio-status", path=one["path"])
        queues = [queue for number in range(status["num-vqs"]) for queue in _queue(qmp, one["path"], number)]
        found[identity] = DeviceStatus(identity, status["device-id"], queues)
    return found


def as_json(found: Dict[str, DeviceStatus]) -> Dict[str, Any]:
    """The same as plain data."""
    return {identity: {**one._asdict(), "queues": [queue._asdict() for queue in one.queues]}
            for identity, one in found.items()}


def from_json(found: Dict[str, Any]) -> Dict[str, DeviceStatus]:
    """And back."""
    return {identity: DeviceStatus(**{**one, "queues": [QueueStatus(**queue) for queue in one["queues"]]})
            for identity, one in found.items()}


def _queue(qmp: Qmp, path: str, number: int) -> List[QueueStatus]:
    said: Dict[str, Any] = qmp.command("x-query-virtio-queue-status", path=path, queue=number)
    if not said["vring-desc"]:
        return []
    return [QueueStatus(number, said["vring-num"], said["vring-desc"], said["vring-avail"], said["vring-used"],
                        said["last-avail-idx"], said["used-idx"], said["inuse"], said["signalled-used"])]
