"""The driver's side of a virtio device as drgn reads it from a vmcore.

`python drgn_walk.py NAME VMCORE VMLINUX MODULE.ko...` prints JSON; NAME is a disk of virtio-blk (vdb), one of the only
SCSI host (sda), or a network interface (eth0).
Independent of the project on purpose, as a second opinion on what its own walkers read: it imports nothing of it.
Needs drgn (from PyPI).
"""
import json
import sys
from typing import Any, Callable, Dict, Iterator, List, Optional

import drgn
from drgn.helpers.linux.block import disk_name, for_each_disk
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.net import netdev_get_by_name, netdev_priv

SECOND = 10**9
VERSION_1 = 32
WRAP = 1 << 15
USED = 1 << 15
AVAIL = 1 << 7

Decode = Callable[[drgn.Object], drgn.Object]
"""From the driver's token to its struct request."""


def walk(prog: drgn.Program, name: str) -> List[Dict[str, Any]]:
    """All virtqueues of a device, by their indexes."""
    listed = list_for_each_entry("struct virtqueue", virtio_device(prog, name).vqs.address_of_(), "list")
    return [queue(prog, drgn.container_of(vq, "struct vring_virtqueue", "vq"), decoder(name, int(vq.index)))
            for vq in sorted(listed, key=lambda vq: int(vq.index))]


def virtio_device(prog: drgn.Program, name: str) -> drgn.Object:
    if name.startswith("eth"):
        return netdev_priv(netdev_get_by_name(prog, name), "struct virtnet_info").vdev
    (disk,) = [disk for disk in for_each_disk(prog) if disk_name(disk) == name.encode()]
    if name.startswith("vd"):
        return drgn.cast("struct virtio_blk *", disk.private_data).vdev
    host = drgn.cast("struct scsi_device *", disk.queue.queuedata).host
    return drgn.cast("struct virtio_scsi *", host.hostdata.address_of_()).vdev


def decoder(name: str, index: int) -> Optional[Decode]:
    """How a queue's tokens are read; None where they are no requests of the block layer's."""
    if name.startswith("vd"):
        return lambda token: drgn.cast("struct request *", token) - 1  # its own part of one, right behind it
    if name.startswith("sd") and index >= 2:  # behind the control queue and the event queue
        return lambda token: drgn.cast("struct request *", drgn.cast("struct virtio_scsi_cmd *", token).sc) - 1
    return None


def queue(prog: drgn.Program, vq: drgn.Object, decode: Optional[Decode]) -> Dict[str, Any]:
    """One virtqueue: the driver's own indexes, the ring's, and what is in flight."""
    found = packed(vq) if is_packed(vq) else split(vq)
    states = found.pop("states")
    return {**found, "num_free": vq.vq.num_free.value_(),
            "in_flight": [request(prog, head, decode and decode(states[head].data))
                          for head in range(found["num"]) if states[head].data]}


def is_packed(vq: drgn.Object) -> bool:
    try:
        return bool(vq.packed_ring.value_())
    except AttributeError:  # Linux 7.2: enum vq_layout
        return bool(vq.layout.value_() % 2)


def shared(vq: drgn.Object, field: drgn.Object) -> int:
    """A number on the ring: since virtio 1.0 it is little-endian, whatever the guest is."""
    value, size = int(field.value_()), drgn.sizeof(field)
    little = vq.prog_.platform.flags & drgn.PlatformFlags.IS_LITTLE_ENDIAN
    if little or not vq.vq.vdev.features.value_() >> VERSION_1 & 1:
        return value
    return int.from_bytes(value.to_bytes(size, "big"), "little")


def split(vq: drgn.Object) -> Dict[str, Any]:
    """A split ring; `posted`: indexes and heads from the used index on, `returned`: heads not consumed yet."""
    ring, num = vq.split.vring, vq.split.vring.num.value_()
    avail, used, seen = shared(vq, ring.avail.idx), shared(vq, ring.used.idx), vq.last_used_idx.value_()
    return {
        "layout": "split",
        "num": num,
        "avail_idx_shadow": vq.split.avail_idx_shadow.value_(),
        "avail_flags_shadow": vq.split.avail_flags_shadow.value_(),
        "last_used_idx": seen,
        "avail_idx": avail,
        "used_idx": used,
        "used_event": shared(vq, ring.avail.ring[num]),
        "avail_event": shared(vq, drgn.cast("__u16 *", ring.used.ring[num].address_of_())[0]),
        "desc": vq.split.queue_dma_addr.value_(),
        "posted": [[idx, shared(vq, ring.avail.ring[idx % num])] for idx in between(used, avail)],
        "returned": [shared(vq, ring.used.ring[idx % num].id) for idx in between(seen, used)],
        "states": vq.split.desc_state,
    }


def between(start: int, end: int) -> Iterator[int]:
    """Free-running indexes from one to another."""
    return iter((start + step) % 0x10000 for step in range((end - start) % 0x10000))


def packed(vq: drgn.Object) -> Dict[str, Any]:
    """A packed ring.  Its position in it is a driver's own affair: bit 15 is the wrap counter."""
    ring, num = vq.packed.vring, vq.packed.vring.num.value_()
    position, wrap = vq.last_used_idx.value_() % WRAP, vq.last_used_idx.value_() // WRAP
    start, returned = position + (0 if wrap else num), []
    while len(returned) < num:
        place, lap = start % num, 1 - start // num % 2
        descriptor = ring.desc[place]
        flags = shared(vq, descriptor.flags)
        if not (bool(flags & USED) == bool(flags & AVAIL) == bool(lap)):
            break
        returned.append(shared(vq, descriptor.id))
        start += vq.packed.desc_state[returned[-1]].num.value_()
    return {
        "layout": "packed",
        "num": num,
        "next_avail_idx": vq.packed.next_avail_idx.value_(),
        "avail_wrap_counter": vq.packed.avail_wrap_counter.value_(),
        "last_used_idx": position,
        "used_wrap_counter": bool(wrap),
        "event_flags_shadow": vq.packed.event_flags_shadow.value_(),
        "driver_event": [shared(vq, ring.driver.off_wrap), shared(vq, ring.driver.flags)],
        "device_event": [shared(vq, ring.device.off_wrap), shared(vq, ring.device.flags)],
        "desc": vq.packed.ring_dma_addr.value_(),
        "returned": returned,
        "states": vq.packed.desc_state,
    }


def request(prog: drgn.Program, head: int, rq: Optional[drgn.Object]) -> Dict[str, Any]:
    """What is in flight under a head."""
    if rq is None:
        return {"head": head}
    return {
        "head": head,
        "tag": rq.tag.value_(),
        "operation": rq.cmd_flags.value_() & 0xff,
        "sector": rq.member_("__sector").value_(),
        "length": rq.member_("__data_len").value_(),
        "age": (now(prog) - rq.start_time_ns.value_()) / SECOND,
    }


def now(prog: drgn.Program) -> int:
    """The guest's monotonic clock as of its last tick, in ns."""
    try:
        core = prog["tk_core"]
    except KeyError:  # Linux 7.2
        core = prog["timekeeper_data"][0]
    base = core.timekeeper.tkr_mono
    return int(base.base.value_() + (base.xtime_nsec.value_() >> base.shift.value_()))


def main(name: str, vmcore: str, *debug_info: str) -> None:
    prog = drgn.Program()
    prog.set_core_dump(vmcore)
    prog.load_debug_info(debug_info)
    json.dump(walk(prog, name), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
