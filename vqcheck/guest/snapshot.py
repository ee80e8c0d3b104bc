"""The guest's side of its virtio disks as a snapshot."""
import datetime
from typing import List, Optional

from .. import __version__
from ..snapshot.driver_model import GuestDevice
from ..snapshot.kinds import Hex, hex_or_none
from ..snapshot.model import GUEST, SCHEMA_VERSION, Bus, Capture, Device, Features, Producer, Queue, Snapshot
from ..target.absence import Absences
from ..target.errors import Corrupt
from ..target.target import Target
from ..target.view import View, container_of
from ..virtio import devices
from ..virtio.features import feature_names
from . import clock, system, virtqueue
from .disks import Disk, device_bus, device_name, find_disks
from .irqs import Irqs
from .lists import list_entries

MAX_QUEUES = 4096


def take(target: Target, disk: Optional[str] = None) -> Snapshot:
    """The snapshot of one disk (`vdb`), or of all virtio disks.  Raises UnknownDisk and other TargetErrors."""
    absent = Absences()
    found = find_disks(target, disk)
    now = absent.take("clock_ns", clock.clock, target)
    clock_ns = now and now.monotonic_ns
    irqs = Irqs(target)
    identity = target.identity()
    return Snapshot(
        schema=SCHEMA_VERSION,
        side=GUEST,
        producer=Producer("vqcheck", __version__, identity.debugger),
        target=system.system(target),
        capture=Capture(
            method=identity.method,
            time=now and _iso(now.realtime),
            time_source="the guest's clock at its last tick" if now else None,
            source=identity.source,
            clock_ns=clock_ns,
            absent={**absent, **({"time": absent["clock_ns"]} if "clock_ns" in absent else {})},
        ),
        devices=[_device(target, one, clock_ns, irqs) for one in found],
    )


def _iso(seconds: float) -> str:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _device(target: Target, disk: Disk, clock_ns: Optional[int], irqs: Irqs) -> Device:
    virtio = View(target, "struct virtio_device",
                  container_of(target, disk.parent, "struct virtio_device", "dev"))
    absent = Absences(status="the driver keeps no copy of it")
    device_id = virtio.uint("id.device")
    mask = absent.take("features", virtio.uint, "features")
    context = virtqueue.DeviceContext(device_id, virtio.address, mask, disk.gendisk.pointer("queue"), clock_ns, irqs)
    guest = _guest(target, disk, virtio)
    by_list = _by_list(target, virtio)
    if guest.virtio_blk:
        _must_agree(disk, by_list, _by_disk(target, guest.virtio_blk))
    return Device(
        name=disk.name,
        type=devices.type_name(device_id),
        device_id=device_id,
        queues=sorted((virtqueue.read_queue(target, one, context) for one in by_list), key=_by_index),
        bus=absent.take("bus", _bus, target, virtio),
        features=Features(Hex(mask), feature_names(mask, device_id)) if mask is not None else None,
        guest=guest,
        absent=dict(absent),
    )


def _by_index(queue: Queue) -> int:
    return queue.queue_index


def _guest(target: Target, disk: Disk, virtio: View) -> GuestDevice:
    absent = Absences()
    return GuestDevice(
        virtio_device=absent.take("virtio_device", device_name, target, disk.parent),
        driver=absent.take("driver", _driver_name, target, disk.parent),
        address=Hex(virtio.address),
        disk=Hex(disk.gendisk.address),
        virtio_blk=hex_or_none(absent.take("virtio_blk", _virtio_blk, target, disk)),
        absent=dict(absent),
    )


def _driver_name(target: Target, device: int) -> Optional[str]:
    return View(target, "struct device", device).follow("struct device_driver", "driver").string("name")


def _bus(target: Target, virtio: View) -> Optional[Bus]:
    """The transport's bus: virtio_device.dev hangs on a pci, platform (mmio) or ccw device."""
    parent = virtio.pointer("dev.parent")
    bus = device_bus(target, parent)
    if bus is None:
        return None
    return Bus({"platform": "mmio"}.get(bus, bus), device_name(target, parent))


def _virtio_blk(target: Target, disk: Disk) -> int:
    """gendisk → queue → queuedata: the way of the driver itself."""
    target.size_of("struct virtio_blk")
    return disk.gendisk.follow("struct request_queue", "queue").pointer("queuedata")


def _by_disk(target: Target, virtio_blk: int) -> List[int]:
    """The virtqueues in virtio_blk.vqs[]."""
    block = View(target, "struct virtio_blk", virtio_blk)
    count = block.uint("num_vqs")
    if not 1 <= count <= MAX_QUEUES:
        raise Corrupt(f"struct virtio_blk claims {count} queues")
    size = target.size_of("struct virtio_blk_vq")
    raw = target.read(block.pointer("vqs"), size * count)
    return target.decode_pointers(raw, size, target.member_of("struct virtio_blk_vq", "vq").offset)


def _by_list(target: Target, virtio: View) -> List[int]:
    """The virtqueues on virtio_device.vqs: works for every device."""
    inside = target.member_of("struct virtqueue", "list").offset
    return [node - inside for node in list_entries(target, virtio.address_of("vqs"))]


def _must_agree(disk: Disk, by_list: List[int], by_disk: List[int]) -> None:
    if sorted(by_list) != sorted(by_disk):
        raise Corrupt(f"{disk.name}: virtio_device.vqs and virtio_blk.vqs name different queues "
                      f"({len(by_list)} and {len(by_disk)})")

