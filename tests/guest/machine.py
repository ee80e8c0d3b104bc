"""A made-up Linux guest with one virtio disk, in a FakeTarget: synthetic, with the incident's numbers.

`flat=True` lays struct vring_virtqueue out as Linux 4.18 had it, with the fields that the incident's printout shows;
else as since 5.0, with `split`.
"""
from typing import List, NamedTuple

from tests.fake_target import FakeTarget, Fields

SIZE = 128
QUEUE_DMA = 8868790272
LAST_USED, AVAIL = 43932, 43936
NOW_NS = 100_000_000_000

CLASS, PRIVATE, DEVICE_PRIVATE, PART = 0x1000, 0x2000, 0x3000, 0x4000
GENDISK, QUEUE, VIRTIO_BLK, VQS = 0x5000, 0x6000, 0x7000, 0x8000
VIRTIO_DEVICE, BUS, DRIVER, PCI, PCI_BUS = 0x9000, 0xA000, 0xB000, 0xC000, 0xD000
VRING, DESC, RING_AVAIL, RING_USED = 0x10000, 0x20000, 0x20800, 0x20940
STATES, REQUESTS = 0x30000, 0x40000
IRQ_TREE, IRQ_NODE, IRQ_DESC, ACTION = 0x50000, 0x51000, 0x52000, 0x53000
KEEPER, UTS, DISK_TYPE, CALLBACK = 0x54000, 0x55000, 0x56000, 0x57000
STRINGS = 0x60000

COMMON: Fields = [("vq.list", 16), ("vq.callback", 8), ("vq.name", 8), ("vq.index", 4), ("vq.num_free", 4)]


class Heads(NamedTuple):
    """What is in flight."""

    heads: List[int]
    ages_ns: List[int]


IN_FLIGHT = Heads([0, 5, 6, 7], [3_000_000_000, 2_000_000_000, 1_500_000_000, 1_200_000_000])


def machine(flat: bool = False) -> FakeTarget:
    """The guest, hung like the incident's: four completions that the driver has not consumed."""
    target = FakeTarget()
    _types(target, flat)
    _names(target)
    _disk(target)
    _queue(target, flat)
    _irq(target)
    target.put_struct("struct timekeeper", KEEPER, {"tkr_mono.base": NOW_NS, "tkr_mono.shift": 8,
                                                    "tkr_mono.xtime_nsec": 0, "xtime_sec": 1_700_000_000})
    target.put_struct("struct new_utsname", UTS, {"release": b"4.18.0-made-up", "machine": b"aarch64",
                                                  "nodename": b"guest"})
    target.symbols.update(block_class=CLASS, disk_type=DISK_TYPE, shadow_timekeeper=KEEPER, init_uts_ns=UTS,
                          irq_desc_tree=IRQ_TREE, virtblk_done=CALLBACK)
    return target


def vring_path(flat: bool, name: str) -> str:
    """Where a field of the split ring lies."""
    return name if flat else f"split.{name}"


def _types(target: FakeTarget, flat: bool) -> None:
    declare = target.declare
    declare("struct class", [("p", 8)])
    declare("struct subsys_private", [("klist_devices.k_list", 16)])
    declare("struct device_private", [("knode_class.n_node", 16), ("device", 8)])
    declare("struct device", [("kobj.name", 8), ("parent", 8), ("type", 8), ("bus", 8), ("driver", 8)])
    declare("struct device_driver", [("name", 8)])
    declare("struct bus_type", [("name", 8)])
    declare("struct gendisk", [("disk_name", 32), ("queue", 8), ("part0.__dev", 40)])
    declare("struct request_queue", [("queuedata", 8)])
    declare("struct virtio_blk", [("num_vqs", 4), ("pad", 4), ("vqs", 8)])
    declare("struct virtio_blk_vq", [("vq", 8), ("name", 16)])
    declare("struct virtio_device", [("dev", 40), ("dev.parent", 0), ("id.device", 4), ("pad", 4), ("features", 8),
                                     ("vqs", 16)])
    target.types["struct virtio_device"][1]["dev.parent"] = target.types["struct device"][1]["parent"]
    declare("struct virtqueue", [("list", 16), ("callback", 8), ("name", 8), ("index", 4), ("num_free", 4)])
    ring = [("vring.num", 4), ("pad", 4), ("vring.desc", 8), ("vring.avail", 8), ("vring.used", 8),
            ("avail_flags_shadow", 2), ("avail_idx_shadow", 2), ("pad2", 4), ("queue_dma_addr", 8)]
    size = target.types["struct virtqueue"][0]
    fields: Fields = [("vq", size), ("broken", 1), ("indirect", 1), ("event", 1), ("pad3", 1), ("free_head", 4),
                      ("num_added", 4), ("last_used_idx", 2), ("pad4", 2),
                      *((vring_path(flat, name), width) for name, width in ring)]
    state = "struct vring_desc_state" if flat else "struct vring_desc_state_split"
    declare(state, [("data", 8), ("indir_desc", 8)])
    tail = [("desc_state", 0)] if flat else [("split.desc_state", 8)]
    declare("struct vring_virtqueue", [*fields, *tail])
    declare("struct request", [("q", 8), ("cmd_flags", 4), ("tag", 4), ("__data_len", 4), ("state", 4),
                               ("__sector", 8), ("start_time_ns", 8), ("io_start_time_ns", 8)])
    declare("struct xarray", [("xa_head", 8)])
    declare("struct xa_node", [("slots", 64)])
    declare("struct irq_desc", [("irq_common_data.state_use_accessors", 4), ("depth", 4), ("action", 8),
                                ("tot_count", 4), ("core_internal_state__do_not_mess_with_it", 4)])
    declare("struct irqaction", [("handler", 8), ("dev_id", 8), ("next", 8), ("irq", 4), ("pad", 4), ("name", 8)])
    declare("struct timekeeper", [("tkr_mono.base", 8), ("tkr_mono.xtime_nsec", 8), ("tkr_mono.shift", 4), ("pad", 4),
                                  ("xtime_sec", 8)])
    declare("struct uts_namespace", [("name", 195)])
    declare("struct new_utsname", [("release", 65), ("machine", 65), ("nodename", 65)])


def _names(target: FakeTarget) -> None:
    for number, text in enumerate(("virtio1", "virtio", "virtio_blk", "0000:00:07.0", "pci", "req.0", "virtio1-req.0")):
        target.put(STRINGS + 64 * number, text.encode().ljust(64, b"\0"))


def _name(number: int) -> int:
    return STRINGS + 64 * number


def _disk(target: FakeTarget) -> None:
    put = target.put_struct
    put("struct class", CLASS, {"p": PRIVATE})
    node = DEVICE_PRIVATE
    target.put(PRIVATE, target.encode(node, 8) + target.encode(node, 8))
    device = GENDISK + target.types["struct gendisk"][1]["part0.__dev"].offset
    target.put(DEVICE_PRIVATE, target.encode(PRIVATE, 8) * 2 + target.encode(device, 8))
    raw_device = b"".join(target.encode(value, 8) for value in (0, VIRTIO_DEVICE, DISK_TYPE, 0, 0))
    put("struct gendisk", GENDISK, {"disk_name": b"vdb", "queue": QUEUE, "part0.__dev": raw_device})
    put("struct request_queue", QUEUE, {"queuedata": VIRTIO_BLK})
    put("struct virtio_blk", VIRTIO_BLK, {"num_vqs": 1, "vqs": VQS})
    put("struct virtio_blk_vq", VQS, {"vq": VRING})
    put("struct bus_type", BUS, {"name": _name(1)})
    put("struct device_driver", DRIVER, {"name": _name(2)})
    put("struct device", PCI, {"kobj.name": _name(3), "bus": PCI_BUS})
    put("struct bus_type", PCI_BUS, {"name": _name(4)})
    inner = b"".join(target.encode(value, 8) for value in (_name(0), PCI, 0, BUS, DRIVER))
    put("struct virtio_device", VIRTIO_DEVICE, {"dev": inner, "id.device": 2, "features": 0x130006E54})
    target.change("struct virtio_device", VIRTIO_DEVICE)
    vqs = VIRTIO_DEVICE + target.types["struct virtio_device"][1]["vqs"].offset
    offset = vqs - VIRTIO_DEVICE
    target.memory[VIRTIO_DEVICE][offset:offset + 16] = target.encode(VRING, 8) * 2


def _queue(target: FakeTarget, flat: bool) -> None:
    head = VIRTIO_DEVICE + target.types["struct virtio_device"][1]["vqs"].offset
    common = (target.encode(head, 8) * 2 + target.encode(CALLBACK, 8) + target.encode(_name(5), 8)
              + target.encode(0, 4) + target.encode(SIZE - len(IN_FLIGHT.heads), 4))
    values = {"vq": common, "indirect": 1, "event": 1, "free_head": 1, "last_used_idx": LAST_USED}
    ring = {"vring.num": SIZE, "vring.desc": DESC, "vring.avail": RING_AVAIL, "vring.used": RING_USED,
            "avail_idx_shadow": AVAIL, "queue_dma_addr": QUEUE_DMA}
    values.update({vring_path(flat, name): value for name, value in ring.items()})
    if not flat:
        values["split.desc_state"] = STATES
    target.put_struct("struct vring_virtqueue", VRING, values)
    states = bytearray(16 * SIZE)
    width = target.types["struct request"][0]
    for number, (one, age) in enumerate(zip(*IN_FLIGHT)):
        at = REQUESTS + 0x100 * number
        target.put_struct("struct request", at, {
            "q": QUEUE, "cmd_flags": 0x8801, "tag": 20 + number, "__data_len": 4096, "state": 1,
            "__sector": 8 * number, "start_time_ns": NOW_NS - age})
        states[16 * one:16 * one + 8] = target.encode(at + width, 8)
    if flat:  # desc_state[] follows the struct
        target.memory[VRING] += states
    else:
        target.put(STATES, bytes(states))
    _rings(target)


def _rings(target: FakeTarget) -> None:
    word = target.encode
    avail = word(0, 2) + word(AVAIL, 2) + bytes(2 * SIZE) + word(LAST_USED, 2)
    target.put(RING_AVAIL, avail)
    target.put(DESC, b"".join(word(0x1000 * one, 8) + word(4096, 4) + word(0, 4) for one in range(SIZE)))
    elements = bytearray(8 * SIZE)
    for number, one in enumerate(IN_FLIGHT.heads):
        place = (LAST_USED + number) % SIZE
        elements[8 * place:8 * place + 8] = word(one, 4) + word(1, 4)
    target.put(RING_USED, word(0, 2) + word(AVAIL, 2) + bytes(elements) + word(AVAIL, 2))


def _irq(target: FakeTarget) -> None:
    target.put_struct("struct xarray", IRQ_TREE, {"xa_head": IRQ_NODE + 2})
    slots = target.encode(0, 8) * 7 + target.encode(IRQ_DESC, 8)
    target.put(IRQ_NODE, slots)
    target.put_struct("struct irq_desc", IRQ_DESC, {"action": ACTION, "tot_count": 41})
    target.put_struct("struct irqaction", ACTION, {"dev_id": VRING, "irq": 27, "name": _name(6)})
