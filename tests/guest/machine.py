"""A made-up Linux guest with a hung virtio disk: synthetic, with the incident's numbers, in the layout of any kernel.

The incident was one of Linux 4.18 on aarch64; in a packed ring, which that kernel did not have, the numbers are others.
"""
from typing import Dict, List, NamedTuple, Optional, Sequence

from .made.core import DriverCore, Node
from .made.guest import Guest
from .made.interrupts import AREA, CONFIG_CHANGE, CPUS, Interrupts, State, mask
from .made.kernels import KERNELS
from .made.queues import Common, Packed, Place, Split, packed, split

RELEASES = list(KERNELS)
WITH_PACKED_RINGS = [one.release for one in KERNELS.values() if one.has("packed_ring") or one.has("layout")]

SIZE = 128
QUEUE_DMA = 8868790272
LAST_USED, AVAIL = 43932, 43936
PACKED_LAST_USED, PACKED_NEXT_AVAIL = 28, 32
NOW_NS = 100_000_000_000
SLEPT_NS = 7_000_000_000
REALTIME = 1_700_000_000
FEATURES = 0x30006E54
"""Those of the incident: SEG_MAX GEOMETRY BLK_SIZE FLUSH TOPOLOGY CONFIG_WCE DISCARD WRITE_ZEROES INDIRECT_DESC
EVENT_IDX."""
VERSION_1, RING_PACKED = 1 << 32, 1 << 34

GENDISK, QUEUE, VIRTIO_BLK, VQS = 0x5000, 0x6000, 0x7000, 0x8000
VIRTIO_DEVICE, VRING = 0x9000, 0x10000
DESC, RING_AVAIL, RING_USED = 0x20000, 0x20800, 0x20940
STATES, REQUESTS, REQUEST_STEP = 0x30000, 0x40000, 0x1000
IRQ_DESC, ACTION, CALLBACK = 0x52000, 0x53000, 0x57000
BOOT_ID = bytes(range(16, 32))
COMMAND_LINE = "console=ttyAMA0 root=/dev/vda1"
HOST_UUID = "64a0c6a5-28d2-11e9-8d4a-b8599f1b2c3d"


class Heads(NamedTuple):
    """What is in flight."""

    heads: List[int]
    ages_ns: List[int]


IN_FLIGHT = Heads([0, 5, 6, 7], [3_000_000_000, 2_000_000_000, 1_500_000_000, 1_200_000_000])


class Parts(NamedTuple):
    """What a guest is put together from."""

    guest: Guest
    core: DriverCore
    irqs: Interrupts
    modern: bool


def machine(release: str = "6.1", byte_order: str = "little", pointer_size: int = 8, modern: bool = True,
            is_packed: bool = False, more: bool = False) -> Guest:
    """The guest, hung like the incident's: four completions that the driver has not consumed.

    `modern` is whether VERSION_1 is negotiated; `more` adds virtio devices of other kinds.
    """
    guest = Guest(release, byte_order, pointer_size)
    parts = Parts(guest, DriverCore(guest), Interrupts(guest), modern)
    _surroundings(guest)
    guest.symbols["virtblk_done"] = CALLBACK
    pci = parts.core.device("0000:00:07.0", guest.struct("device", "pci device"), "pci device", bus="pci")
    _disk(parts, pci, is_packed)
    _other_disk(parts)
    if more:
        _more(parts, pci)
    parts.core.finish()
    parts.irqs.finish()
    return guest


def _disk(parts: Parts, pci: Node, is_packed: bool) -> None:
    guest, core, irqs, modern = parts
    features = FEATURES | VERSION_1 * modern | RING_PACKED * is_packed
    common = Common("req.0", 0, CALLBACK, QUEUE_DMA)
    place = Place(VRING, DESC, RING_AVAIL, RING_USED, STATES)
    if is_packed:
        ring = Packed(SIZE, PACKED_LAST_USED, PACKED_NEXT_AVAIL, IN_FLIGHT.heads, _requests(guest))
        queue = packed(guest, common, ring, place)
    else:
        queue = split(guest, common, Split(SIZE, LAST_USED, AVAIL, AVAIL, IN_FLIGHT.heads, _requests(guest),
                                           used_event=LAST_USED, avail_event=AVAIL), modern, place)
    node = virtio_device(parts, pci, "virtio1", 2, "virtio_blk", features, [queue], [1], VIRTIO_DEVICE)
    irqs.action(27, "virtio1-req.0", queue, "vring_interrupt", at=ACTION, descriptor_at=IRQ_DESC)
    irqs.action(26, "virtio1-config", VIRTIO_DEVICE, CONFIG_CHANGE)
    irqs.action(100, "timer", 0)  # so that the tree of interrupts has two levels
    guest.struct("request_queue", "request_queue", QUEUE, queuedata=VIRTIO_BLK)
    guest.struct("virtio_blk", "virtio_blk", VIRTIO_BLK, num_vqs=1, vqs=VQS)
    guest.struct("virtio_blk_vq", "virtio_blk.vqs", VQS, vq=queue)
    gendisk(parts, "vdb", node, ["vdb1", "vdb2"], GENDISK, QUEUE)


def _requests(guest: Guest) -> List[int]:
    """The requests in flight; gives what the driver keeps of each, the part that follows the request."""
    old = guest.member("struct request", "start_time_ns") is None
    for number, age in enumerate(IN_FLIGHT.ages_ns):
        times = {"start_time": 4294900000} if old else {"start_time_ns": NOW_NS - age, "state": 1}
        guest.struct("request", f"request {number}", REQUESTS + REQUEST_STEP * number, q=QUEUE, cmd_flags=0x8801,
                     tag=20 + number, __data_len=4096, **times)
        guest.poke(REQUESTS + REQUEST_STEP * number + guest.offset("request", "__sector"), guest.encode(8 * number, 8))
    width = guest.types["struct request"][0]
    return [REQUESTS + REQUEST_STEP * number + width for number in range(len(IN_FLIGHT.heads))]


def virtio_device(parts: Parts, transport: Node, name: str, device_id: int, driver: str, features: int,
                  queues: Sequence[int] = (), vectors: Sequence[int] = (), at: Optional[int] = None) -> Node:
    """A device on the virtio bus; `vectors` are those of its queues, for one on PCI."""
    guest = parts.guest
    size = guest.types["struct virtio_pci_device"][0]
    at = guest.new(f"struct virtio_device of {name}", bytes(size), at)
    guest.set("virtio_device", at, id__device=device_id, features=features)
    node = parts.core.device(name, at + guest.offset("virtio_device", "dev"), name, transport, "virtio", driver=driver)
    inside = guest.offset("virtqueue", "list")
    # Newest first: a walker may not rely on the order of this list.
    guest.link(at + guest.offset("virtio_device", "vqs"), [one + inside for one in reversed(queues)])
    if vectors:
        infos = [guest.struct("virtio_pci_vq_info", f"vq_info of {name}", vq=queue, msix_vector=vector)
                 for queue, vector in zip(queues, vectors)]
        guest.set("virtio_pci_device", at, vqs=guest.new(f"vqs of {name}", b"".join(map(guest.pointer, infos))))
    return node


def gendisk(parts: Parts, name: str, parent: Node, partitions: Sequence[str], at: Optional[int] = None,
            queue: int = 0) -> None:
    """A disk in class block, with its partitions below it."""
    guest, core = parts.guest, parts.core
    disk = guest.struct("gendisk", f"gendisk {name}", at, disk_name=name.encode(), queue=queue)
    if guest.type_size("struct block_device"):
        whole = guest.struct("block_device", f"block_device {name}", bd_disk=disk)
        guest.set("gendisk", disk, part0=whole)
        device = whole + guest.offset("block_device", "bd_device")
    else:
        device = disk + guest.offset("gendisk", "part0.__dev")
    node = core.device(name, device, f"disk {name}", parent, kind="block")
    for one in partitions:
        core.device(one, guest.struct("device", f"partition {one}"), f"partition {one}", node, kind="block")


def _other_disk(parts: Parts) -> None:
    """sda, which is no virtio device."""
    port = parts.core.device("1:0:0:0", parts.guest.struct("device", "scsi device"), "scsi device", bus="scsi")
    gendisk(parts, "sda", port, [])


def _more(parts: Parts, pci: Node) -> None:
    """A disk of two queues, a network interface whose queues share a vector, one on INTx and one on virtio-mmio."""
    guest, core, irqs, modern = parts
    ring = Split(64, 10, 10, 10, event=False)
    two = [split(guest, Common(f"req.{index}", index, CALLBACK), ring, modern) for index in (0, 1)]
    node = virtio_device(parts, pci, "virtio3", 2, "virtio_blk", FEATURES | VERSION_1 * modern, two, [1, 2])
    gendisk(parts, "vdc", node, [])
    for index, queue in enumerate(two):
        irqs.action(40 + index, f"virtio3-req.{index}", queue, "vring_interrupt", State(total=index, hwirq=index))
    three = [split(guest, Common(name, index), ring, modern) for index, name in
             enumerate(("input.0", "output.0", "control"))]
    node = virtio_device(parts, pci, "virtio0", 1, "virtio_net", VERSION_1 * modern | 1 << 17, three)
    core.device("eth0", guest.struct("device", "net device"), "net device", node, kind="net")
    net = node.device - guest.offset("virtio_device", "dev")
    irqs.action(50, "virtio0-config", net, CONFIG_CHANGE)
    irqs.action(51, "virtio0-virtqueues", net, "vp_vring_interrupt", State(total=7))
    for number, handler, name in ((60, "vp_interrupt", "virtio4"), (61, "vm_interrupt", "virtio5")):
        bus, address = ("pci", "0001:02:03.1") if number == 60 else ("platform", "a000000.virtio_mmio")
        above = core.device(address, guest.struct("device", bus), bus, bus=bus)
        queue = split(guest, Common("input"), ring, modern)
        node = virtio_device(parts, above, name, 4, "virtio_rng", VERSION_1 * modern, [queue])
        irqs.action(number, "another device", 0x1234)
        irqs.action(number, name, node.device - guest.offset("virtio_device", "dev"), handler)


def _surroundings(guest: Guest) -> None:
    keeper = _timekeeper(guest)
    uts = guest.struct("uts_namespace", "init_uts_ns", name__release=b"4.18.0-made-up", name__machine=b"aarch64",
                       name__nodename=b"guest")
    guest.symbols.update(keeper, init_uts_ns=uts, sysctl_bootid=guest.new("sysctl_bootid", BOOT_ID),
                         __cpu_online_mask=guest.new("__cpu_online_mask", mask(guest, (0, 1, 2, 3))),
                         __cpu_possible_mask=guest.new("__cpu_possible_mask", mask(guest, (0, 1, 2, 3))),
                         __per_cpu_offset=guest.new("__per_cpu_offset", b"".join(
                             guest.pointer(cpu * AREA) for cpu in range(CPUS))),
                         nr_cpu_ids=guest.new("nr_cpu_ids", guest.encode(CPUS, 4)))
    line = guest.new("pointer to the command line", guest.pointer(guest.string(COMMAND_LINE)))
    # As enum dmi_field of 4.18 has them; the serial is that of a host, as OpenStack may set it.
    texts = ("0.0.0", "1/1/2014", "Made up", "Machine", "1.0", HOST_UUID, "4C4C4544-0042-3510-8051-C4C04F4E3132")
    table = [0, 0] + [guest.string(text) for text in texts] + [0] * 15
    guest.symbols.update(saved_command_line=line,
                         dmi_ident=guest.new("dmi_ident", b"".join(map(guest.pointer, table))))


def _timekeeper(guest: Guest) -> Dict[str, int]:
    """Where this kernel keeps its clocks."""
    half = 500_000_000
    values = {"xtime_sec": REALTIME, "offs_boot": SLEPT_NS}
    if guest.member("struct timekeeper", "tkr_mono.base") is None:  # up to Linux 3.16 there is no base
        values.update({"shift": 8, "xtime_nsec": half << 8, "wall_to_monotonic.tv_sec": NOW_NS // 10**9 - REALTIME - 1,
                       "wall_to_monotonic.tv_nsec": half})
    else:
        values.update({"tkr_mono.shift": 8, "tkr_mono.xtime_nsec": half << 8, "tkr_mono.base": NOW_NS - half})
    if guest.type_size("struct tk_data"):
        at = guest.struct("tk_data", "timekeeper", **{f"timekeeper.{path}": value for path, value in values.items()})
        return {"timekeeper_data": at}
    return {"shadow_timekeeper": guest.struct("timekeeper", "timekeeper", **values)}
