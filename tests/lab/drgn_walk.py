"""The driver's side of /dev/vdb as drgn reads it from a vmcore: `python drgn_walk.py VMCORE VMLINUX MODULE.ko...`

Prints JSON.  Independent of the project on purpose, as a second opinion on what its own walkers read: it imports
nothing of it.  Needs drgn (from PyPI).
"""
import json
import sys
from typing import Any, Dict, List

import drgn
from drgn.helpers.linux.block import disk_name, for_each_disk

SECOND = 10**9


def walk(prog: drgn.Program, name: str = "vdb") -> List[Dict[str, Any]]:
    """All virtqueues of a virtio disk."""
    (disk,) = [disk for disk in for_each_disk(prog) if disk_name(disk) == name.encode()]
    blk = drgn.cast("struct virtio_blk *", disk.private_data)
    return [queue(prog, drgn.container_of(blk.vqs[number].vq, "struct vring_virtqueue", "vq"))
            for number in range(blk.num_vqs)]


def queue(prog: drgn.Program, vq: drgn.Object) -> Dict[str, Any]:
    """One virtqueue: the driver's own indexes, the ring's, and what is in flight."""
    split = vq.split
    ring = split.vring
    num = ring.num.value_()
    return {
        "num": num,
        "num_free": vq.vq.num_free.value_(),
        "avail_idx_shadow": split.avail_idx_shadow.value_(),
        "avail_flags_shadow": split.avail_flags_shadow.value_(),
        "last_used_idx": vq.last_used_idx.value_(),
        "avail_idx": ring.avail.idx.value_(),
        "used_idx": ring.used.idx.value_(),
        "used_event": ring.avail.ring[num].value_(),
        "avail_event": drgn.cast("__u16 *", ring.used.ring[num].address_of_())[0].value_(),
        "desc": split.queue_dma_addr.value_(),
        "in_flight": [request(prog, head, split.desc_state[head].data)
                      for head in range(num) if split.desc_state[head].data],
    }


def request(prog: drgn.Program, head: int, data: drgn.Object) -> Dict[str, Any]:
    """One request in flight.  The driver's token is its own part of it, right behind the block layer's."""
    rq = drgn.cast("struct request *", data) - 1
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


def main(vmcore: str, *debug_info: str) -> None:
    prog = drgn.Program()
    prog.set_core_dump(vmcore)
    prog.load_debug_info(debug_info)
    json.dump(walk(prog), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
