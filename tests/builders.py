"""Synthetic snapshots for tests: made up, never captured.

`pair()` gives both sides of one healthy, idle virtio-blk queue with every field filled in.  Moving its four indexes
makes every scene: available entries run up to `avail`, the device popped up to `popped` and returned up to `used`,
the driver consumed up to `last_used`.
"""
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from vqcheck.snapshot.device_model import (
    AvailEntry,
    DeviceState,
    HostDevice,
    Notifier,
    Notify,
    ThreadState,
)
from vqcheck.snapshot.driver_model import DriverState, GuestDevice
from vqcheck.snapshot.held_model import BlockState, Held, HeldRequest, TrackedRequest
from vqcheck.snapshot.kernel_model import BlockQueue, HardwareQueue, Irq, Tags
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.loop_model import EventLoop, QemuState
from vqcheck.snapshot.model import (
    GUEST,
    HOST,
    SCHEMA_VERSION,
    Bus,
    Capture,
    Device,
    Features,
    PackedDescriptor,
    PackedEvent,
    PackedRing,
    Producer,
    Queue,
    Rings,
    RingState,
    Snapshot,
    TargetInfo,
)
from vqcheck.snapshot.request_model import Request, UsedEntry, WaitingRequest
from vqcheck.snapshot.transport_model import MsixVector
from vqcheck.virtio import packed
from vqcheck.virtio.event import distance
from vqcheck.virtio.features import EVENT_IDX, LEGACY_ONLY, feature_names
from vqcheck.virtio.packed import Position

NEGOTIATED = 0x130006E54
BLOCK_ID = 2
IOTHREAD = 4242
UUID = "5f0c3a52-8f4e-4f6c-9b0e-0d4d6f6f7a11"
IDLE_STACK = ["ppoll", "qemu_poll_ns", "fdmon_poll_wait", "aio_poll", "iothread_run", "qemu_thread_start"]
RINGS = Rings(desc=Hex(0x2109F0000), avail=Hex(0x2109F0800), used=Hex(0x2109F0940), space="physical")

Overrides = Optional[Dict[str, Any]]


class Scene(NamedTuple):
    """Where one queue stands; the four free-running indexes, oldest last."""

    num: int
    avail: int
    popped: int
    used: int
    last_used: int
    queue_index: int
    rings: Rings
    event_idx: bool
    age_ns: int

    def entries(self, newer: int, older: int) -> List[int]:
        """The free-running indexes in [older, newer)."""
        return [(older + step) & 0xFFFF for step in range(min(distance(newer, older), self.num))]

    def head(self, idx: int) -> int:
        """The head that entry `idx` of either ring holds: descriptors are handed out and come back in order."""
        return idx % self.num


def pair(num: int = 128, avail: int = 43936, popped: Optional[int] = None, used: Optional[int] = None,
         last_used: Optional[int] = None, *, event_idx: bool = True, age_ns: int = 30_000_000_000,
         rings: Rings = RINGS, queue_index: int = 0, ring: Overrides = None, guest_ring: Overrides = None,
         host_ring: Overrides = None, driver: Overrides = None, irq: Overrides = None, device: Overrides = None,
         notify: Overrides = None, guest_queue: Overrides = None, host_queue: Overrides = None,
         guest_device: Overrides = None, host_device: Overrides = None, guest_part: Overrides = None,
         host_part: Overrides = None, block: Overrides = None, guest: Overrides = None, host: Overrides = None,
         stack: Optional[List[str]] = None) -> Tuple[Snapshot, Snapshot]:
    """(guest, host): an idle queue unless indexes are given; an index left out equals the one before it.

    The dictionaries replace fields of a record: `guest_ring` and `host_ring` of the ring as one side reads it, `ring`
    of both; `guest_device` of Device, `guest_part` of GuestDevice, `host_part` of HostDevice, `guest` of Snapshot.
    """
    popped = avail if popped is None else popped
    used = popped if used is None else used
    last_used = used if last_used is None else last_used
    at = Scene(num, avail, popped, used, last_used, queue_index, rings, event_idx, age_ns)
    mask = NEGOTIATED if event_idx else NEGOTIATED & ~(1 << EVENT_IDX)
    shared = _ring(at)._replace(**ring or {})
    guest_side = _guest_queue(at, shared._replace(**guest_ring or {}), driver or {}, irq or {})
    host_side = _host_queue(at, shared._replace(**host_ring or {}), device or {}, notify or {})
    guest_side, host_side = guest_side._replace(**guest_queue or {}), host_side._replace(**host_queue or {})
    return (guest_snapshot([_guest_device(mask, [guest_side], guest_part or {})._replace(**guest_device or {})],
                           **guest or {}),
            host_snapshot([_host_device(mask, [host_side], at, host_part or {}, block or {})
                           ._replace(**host_device or {})], stack, **host or {}))


def incident() -> Tuple[Snapshot, Snapshot]:
    """The scene that the project exists for, in synthetic dress: four completions that the driver never noticed."""
    return pair(num=128, avail=43936, last_used=43932, device={"signalled_used": 0, "signalled_used_valid": False})


def fleet(devices: int, queues: int) -> Tuple[Snapshot, Snapshot]:
    """Both sides of many healthy disks with many queues."""
    one_guest, one_host = pair()
    guest_devices = [_many(one_guest.devices[0], number, queues, f"vd{number}") for number in range(devices)]
    host_devices = [_many(one_host.devices[0], number, queues, f"virtio-disk{number}") for number in range(devices)]
    return one_guest._replace(devices=guest_devices), one_host._replace(devices=host_devices)


def _many(device: Device, number: int, queues: int, name: str) -> Device:
    def moved(index: int) -> Queue:
        start = 0x100000000 + (number * queues + index) * 0x4000
        return device.queues[0]._replace(queue_index=index, rings=Rings(
            Hex(start), Hex(start + 0x800), Hex(start + 0x940), "physical"))

    bus = Bus("pci", f"0000:{number >> 5:02x}:{number & 31:02x}.0")
    return device._replace(name=name, bus=bus, queues=[moved(index) for index in range(queues)])


def guest_snapshot(devices: List[Device], **changes: Any) -> Snapshot:
    """A guest's snapshot around its devices."""
    return Snapshot(
        schema=SCHEMA_VERSION, side=GUEST, producer=Producer("vqcheck", "0.1.0", "crash 8.0.2"),
        target=TargetInfo("linux", "6.1.0-56-cloud-amd64", "x86_64", "guest1", UUID, "a" * 40,
                          absent={"pid": "not applicable"}),
        capture=Capture("dump", "2026-03-01T12:00:00+00:00", "the dump's header", "guest.kdump", 3_600_000_000_000),
        devices=devices, absent={"threads": "not applicable"})._replace(**changes)


def host_snapshot(devices: List[Device], stack: Optional[List[str]] = None, **changes: Any) -> Snapshot:
    """A host's snapshot around its devices; `stack` is the stack of the thread that serves the queues."""
    none = {"deferred_calls": "not applicable", "defer_depth": "not applicable"}
    main = ["ppoll", "qemu_poll_ns", "main_loop_wait", "qemu_main_loop"]
    threads = [ThreadState(4241, "qemu-system-x86", "main", main, absent=none),
               ThreadState(IOTHREAD, "IO iothread0", "iothread iothread0", list(IDLE_STACK) if stack is None else stack,
                           absent=none)]
    loops = [EventLoop("main", Hex(0x55D0C0DE1000), 4241, polling=False),
             EventLoop("iothread0", Hex(0x55D0C0DE2000), IOTHREAD, polling=False)]
    return Snapshot(
        schema=SCHEMA_VERSION, side=HOST, producer=Producer("vqcheck", "0.1.0", "gdb 13.1"),
        target=TargetInfo("qemu", "pc-q35-7.2", "x86_64", "guest1", UUID, "b" * 40, pid=4241),
        capture=Capture("core", "2026-03-01T12:00:00+00:00", "the core file's time", "qemu.core",
                        absent={"clock_ns": "only the guest has it"}),
        devices=devices, threads=threads,
        qemu=QemuState("running", "kvm", "none", 0, loops))._replace(**changes)


def _ring(at: Scene) -> RingState:
    return RingState(avail_flags=0, avail_idx=at.avail, used_event=at.last_used, used_flags=0, used_idx=at.used,
                     avail_event=at.popped)


def _guest_queue(at: Scene, ring: RingState, driver: Dict[str, Any], irq: Dict[str, Any]) -> Queue:
    outstanding = at.entries(at.avail, at.last_used)
    state = DriverState(
        Hex(0xFFFF888003C11000), num_free=at.num - len(outstanding), free_head=at.head(at.avail), num_added=0,
        last_used_idx=at.last_used, avail_idx_shadow=at.avail, avail_flags_shadow=0, broken=False, indirect=True,
        event=at.event_idx, event_triggered=False, callback="virtblk_done")
    line = Irq(27 + at.queue_index, f"virtio1-req.{at.queue_index}", shared=False, total=43000, depth=0, masked=False,
               in_progress=False, pending=False)
    requests = [Request(at.head(idx), tag=at.head(idx), operation="write", sector=8 * place, bytes=4096,
                        age_ns=at.age_ns - place * 1_000_000, state="in_flight")
                for place, idx in enumerate(outstanding)]
    return Queue(
        at.queue_index, f"req.{at.queue_index}", "request", "split", at.num, at.rings, ring,
        driver=state._replace(**driver), irq=line._replace(**irq),
        used=[UsedEntry(idx, at.head(idx), 1) for idx in at.entries(at.used, at.last_used)], in_flight=requests)


def _host_queue(at: Scene, ring: RingState, device: Dict[str, Any], notify: Dict[str, Any]) -> Queue:
    state = DeviceState(
        Hex(0x55D0C0DE0000), last_avail_idx=at.popped, shadow_avail_idx=at.avail, used_idx=at.used,
        signalled_used=at.used, signalled_used_valid=True, notification=True,
        inuse=distance(at.popped, at.used))
    return Queue(
        at.queue_index, None, "request", "split", at.num, at.rings, ring, device=state._replace(**device),
        notify=_notify(at.queue_index)._replace(**notify),
        available=[AvailEntry(idx, at.head(idx)) for idx in at.entries(at.avail, at.popped)],
        held=_held(at),
        absent={"name": "only the guest names its queues"})


def _held(at: Scene) -> Held:
    requests = [HeldRequest(at.head(idx), 1, "block layer", "in the hands of a worker thread", "write", 4096 * place,
                            4096, at.age_ns - place * 1_000_000, "disk1-format", Hex(0x55D0C0DEA000 + 0x100 * place),
                            Hex(0x55D0C0DEB000 + 0x100 * place),
                            ["thread_pool_submit_co", "raw_co_prw", "blk_aio_write_entry"])
                for place, idx in enumerate(at.entries(at.popped, at.used))]
    return Held(requests, True, ["requests parked for a retry", "tracked requests of every node"])


def _notify(queue_index: int) -> Notify:
    msix = MsixVector(enabled=True, function_masked=False, masked=False, pending=False, in_use=True,
                      address=Hex(0xFEE01000), data=Hex(0x4022))
    return Notify(
        vector=1 + queue_index, msix=msix,
        host_notifier=Notifier(51, initialized=True, enabled=True, eventfd_count=0, handler=True,
                               absent={"irqfd": "not applicable"}),
        guest_notifier=Notifier(49, initialized=True, eventfd_count=0, handler=False, irqfd=True,
                                absent={"enabled": "not applicable"}),
        context="iothread0", thread=IOTHREAD, polling=False)


def _guest_device(mask: int, queues: List[Queue], part: Dict[str, Any]) -> Device:
    side = GuestDevice("virtio1", "virtio_blk", Hex(0xFFFF888003C00000), ["vdb"], Hex(0xFFFF888003C22000),
                       Hex(0xFFFF888003C33000))
    return Device("vdb", "blk", BLOCK_ID, queues, Bus("pci", "0000:00:07.0"), 15,
                  Features(Hex(mask), feature_names(mask, BLOCK_ID)), guest=side._replace(**part),
                  absent={"features.offered": "known to the host only"})


def _host_device(mask: int, queues: List[Queue], at: Scene, part: Dict[str, Any], block: Dict[str, Any]) -> Device:
    waiting = at.entries(at.popped, at.used)
    backend = BlockState(
        "disk1-format", "raw", "/dev/dm-65", "ok", in_flight=len(waiting), quiesce_counter=0,
        node_in_flight=len(waiting), parked=0, throttled=0,
        tracked=[TrackedRequest("disk1-format", "write", 4096 * place, 4096) for place in range(len(waiting))])
    side = HostDevice(
        "virtio-disk1", "/machine/peripheral/virtio-disk1/virtio-backend", "virtio-blk-device",
        Hex(0x55D0C0DE8000), "running", vm_running=True, broken=False, disabled=False, started=True, isr=1,
        vhost_started=False, ioeventfd_started=True, block=backend._replace(**block))
    return Device("virtio-disk1", "blk", BLOCK_ID, queues, Bus("pci", "0000:00:07.0"), 15,
                  Features(Hex(mask), feature_names(mask, BLOCK_ID), Hex(mask | LEGACY_ONLY)),
                  host=side._replace(**part))


def only_queue(snapshot: Snapshot) -> Queue:
    """The queue of a snapshot that has one."""
    (device,) = snapshot.devices
    (queue,) = device.queues
    return queue


def with_queues(snapshot: Snapshot, *queues: Queue, device: Overrides = None, part: Overrides = None) -> Snapshot:
    """A guest's snapshot of one device, with other queues; `device` and `part` as in `pair`."""
    (one,) = snapshot.devices
    assert one.guest is not None
    changed = one._replace(queues=list(queues), guest=one.guest._replace(**part or {}))
    return snapshot._replace(devices=[changed._replace(**device or {})])


def packed_queue(chains: Tuple[int, ...] = (), returned: Tuple[int, ...] = (), *, num: int = 256,
                 start: Tuple[int, int] = (250, 1), driver: Overrides = None, **changes: Any) -> Queue:
    """The guest's view of a packed queue in which the driver stands at the position `start`.

    chains: how many descriptors each buffer in flight takes, oldest first; their ids count from 10.
    returned: places in `chains` of those that the device gave back, in its order.
    """
    ring: Dict[int, PackedDescriptor] = {}
    begin = at = Position(*start)
    for number, length in enumerate(chains):
        for step in range(length):
            flags = (packed.DESC_F_AVAIL if at.wrap else packed.DESC_F_USED) | (step < length - 1)
            ring[at.offset] = PackedDescriptor(at.offset, Hex(0x1000 * number), 512, 10 + number, Hex(flags))
            at = packed.advance(at, 1, num)
    end, at, used = at, begin, []
    for place in returned:
        both = (packed.DESC_F_AVAIL | packed.DESC_F_USED) if at.wrap else 0
        ring[at.offset] = PackedDescriptor(at.offset, Hex(0), 1, 10 + place, Hex(both | packed.DESC_F_WRITE))
        used.append(UsedEntry(at.offset, 10 + place, 1))
        at = packed.advance(at, chains[place], num)
    total = packed.distance(end, begin, num)
    wanted = PackedEvent(packed.encode_position(begin), packed.EVENT_DESC)
    order = [packed.advance(begin, step, num).offset for step in range(total)]
    state = DriverState(
        Hex(0xFFFF888003C11000), num_free=num - total, free_head=0, free_list=num - total, descriptors_in_use=total,
        num_added=0, last_used_idx=begin.offset, used_wrap_counter=bool(begin.wrap), next_avail_idx=end.offset,
        avail_wrap_counter=bool(end.wrap), event_flags_shadow=packed.EVENT_DESC, broken=False, event=True,
        event_triggered=False, callback="virtblk_done")
    queue = Queue(
        0, "req.0", "request", "packed", num, RINGS, None,
        PackedRing(wanted, PackedEvent(packed.encode_position(end), packed.EVENT_DESC), [ring[one] for one in order]),
        driver=state._replace(**driver or {}), irq=Irq(27, "virtio1-req.0", total=43000), used=used,
        in_flight=[Request(10 + number, kind="block", tag=number, operation="read", descriptors=length,
                           age_ns=2_000_000_000) for number, length in enumerate(chains)])
    return queue._replace(**changes)


def block_queue(waiting: int = 0, **changes: Any) -> BlockQueue:
    """The block layer above a disk: at rest, but for requests that wait in it."""
    tags = Tags(depth=128, reserved=0, in_use=waiting, started=0, waiters=0)
    found = [WaitingRequest(tag=number, internal_tag=-1, operation="write", sector=8 * number, bytes=4096,
                            age_ns=30_000_000_000 - number, state="idle") for number in range(waiting)]
    context = HardwareQueue(0, state=Hex(0), stopped=False, dispatch=0, nr_active=0, tags=tags)
    return BlockQueue("vdb", Hex(0xFFFF888003C44000), "none", Hex(0x1C4), quiesce_depth=0, freeze_depth=0, requeue=0,
                      hardware_queues=[context], waiting=found, waiting_count=waiting)._replace(**changes)


def notify(*, msix: Overrides = None, host: Overrides = None, guest: Overrides = None, **changes: Any) -> Dict[str,
                                                                                                               Any]:
    """What `pair` takes as `notify`: fields of the MSI-X entry, of the two notifiers, and of the record itself."""
    whole = _notify(0)
    assert whole.msix and whole.host_notifier and whole.guest_notifier
    return {"msix": whole.msix._replace(**msix or {}), "host_notifier": whole.host_notifier._replace(**host or {}),
            "guest_notifier": whole.guest_notifier._replace(**guest or {}), **changes}


def packed_pair(chains: Tuple[int, ...] = (), popped: Optional[int] = None, returned: int = 0, *, num: int = 256,
                start: Tuple[int, int] = (250, 1), age_ns: int = 30_000_000_000, driver: Overrides = None,
                device: Overrides = None, guest_queue: Overrides = None, host_queue: Overrides = None,
                stack: Optional[List[str]] = None, **changes: Any) -> Tuple[Snapshot, Snapshot]:
    """Both sides of a packed queue in which the driver stands at `start`.

    chains: descriptors of each buffer in flight, oldest first; the device popped the first `popped` of them (all
    unless given) and returned the first `returned`.  Other changes are those of `pair`.
    """
    popped = len(chains) if popped is None else popped
    mine = packed_queue(chains, tuple(range(returned)), num=num, start=start, driver=driver)
    begin = Position(*start)
    used = packed.advance(begin, sum(chains[:returned]), num)
    seen = packed.advance(begin, sum(chains[:popped]), num)
    wanted = PackedEvent(packed.encode_position(seen), packed.EVENT_DESC)
    shared = mine.packed._replace(device_event=wanted) if mine.packed else None
    requests = [one._replace(age_ns=age_ns) for one in mine.in_flight or []]
    mine = mine._replace(packed=shared, in_flight=requests, **guest_queue or {})
    ring = {one.position: one for one in (shared.descriptors or [] if shared else [])}
    between = packed.distance(packed.advance(begin, sum(chains), num), used, num)
    window = [ring[packed.advance(used, step, num).offset] for step in range(between)]
    guest, host = pair(num, 0, age_ns=age_ns, stack=stack, **changes)
    state = host.devices[0].queues[0].device
    assert state is not None
    state = state._replace(
        last_avail_idx=seen.offset, last_avail_wrap_counter=bool(seen.wrap), shadow_avail_idx=seen.offset,
        shadow_avail_wrap_counter=bool(seen.wrap), used_idx=used.offset, used_wrap_counter=bool(used.wrap),
        signalled_used=used.offset, inuse=sum(chains[returned:popped]))
    places = [sum(chains[:place]) for place in range(popped, len(chains))]
    yours = host.devices[0].queues[0]._replace(
        layout="packed", size=num, ring=None, packed=shared._replace(descriptors=window) if shared else None,
        device=state._replace(**device or {}),
        available=[AvailEntry(packed.advance(begin, one, num).offset, 10 + popped + place)
                   for place, one in enumerate(places)],
        held=Held([HeldRequest(10 + place, chains[place], "block layer", "in the hands of a worker thread", "read", 0,
                               4096, age_ns, "disk1-format", Hex(0x55D0C0DEA000)) for place in range(returned, popped)],
                  True, ["tracked requests of every node"]))._replace(**host_queue or {})
    return with_queues(guest, mine), host._replace(devices=[host.devices[0]._replace(queues=[yours])])
