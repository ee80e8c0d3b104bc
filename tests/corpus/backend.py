"""Synthetic pairs about requests that the device holds, and about what waits in the guest above the ring."""
from functools import partial
from typing import Any, List, Optional, Tuple

from tests.builders import block_queue, pair
from vqcheck.snapshot.held_model import Held, HeldRequest, Throttling
from vqcheck.snapshot.kernel_model import HardwareQueue, ScsiHost, Tags, TxQueue
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.transport_model import NetClient
from vqcheck.virtio.devices import NET, SCSI

from .cases import Entry, fault, healthy, unsure
from .interrupts import several

MS = 1_000_000
ONE = {"avail": 104, "popped": 104, "used": 103}
MIGRATED = {"qemu": pair()[1].qemu._replace(incoming="completed")}


def made(**changes: Any) -> Any:
    """A pair with one request in the device's hands."""
    return partial(pair, **{**ONE, **changes})


FLUSHING = ["virtqueue_flush", "virtqueue_push", "virtio_blk_req_complete", "virtio_blk_rw_complete",
            "blk_aio_complete", "aio_bh_poll", "aio_poll", "iothread_run"]
NOT_RUN = "done by a worker thread, its completion not run"


def carried(head: int, detail: Optional[str], age_ns: int, holder: str = "block layer") -> HeldRequest:
    """One request among several."""
    return HeldRequest(head, 1, holder, detail, "write", 0, 4096, age_ns, "disk1-format", Hex(0x1000))


def held(holder: Optional[str], detail: Optional[str] = None, **changes: Any) -> Any:
    """The same, with who has it; None for nobody."""
    found: List[HeldRequest] = [] if holder is None else [HeldRequest(
        103, 1, holder, detail, "write", 0, 4096, 30_000 * MS, "disk1-format", Hex(0x1000))]
    return made(host_queue={"held": Held(found, True, ["everywhere"])}, **changes)


def limits(timer: bool) -> Any:
    """What a throttle group says."""
    return {"throttled": 1, "throttling": [Throttling(None, "group0", 0, 1, False, timer, "iops-total 100")]}


HELD = (
    fault("storage does not answer", "B1", made()),
    fault("storage does not answer, who has it is not known", "B1", made(host_queue={"held": None})),
    fault("held, and nothing is known of the block layer", "B0",
          made(host_queue={"held": None}, host_part={"block": None})),
    fault("ring wrapped", "B1", partial(pair, avail=1, popped=1, used=65535)),
    fault("retry never ran", "B2b", held("retry", block={"parked": 1, "in_flight": 0})),
    fault("nobody has it", "B3", held(None, block={"in_flight": 0, "tracked": []})),
    fault("nobody has it after a migration", "M2", held(None, host=MIGRATED)),
    fault("limit reached", "B4", held("throttle", block=limits(True))),
    fault("limit, and no timer", "B4", held("throttle", block=limits(False))),
    fault("drained", "B5", held("quiesced", block={"quiesce_counter": 1, "queued": 1, "in_flight": 0})),
    fault("done by a worker thread, and not reported", "B6",
          held("block layer", NOT_RUN)),
    fault("completion due in a loop that sleeps", "B6", held("completion")),
    fault("IN_ORDER: done, and not flushed", "C14", held("unflushed", block={"in_flight": 0, "tracked": []})),
    fault("IN_ORDER: done, behind one that nobody has", "B3", made(
        avail=105, popped=105, block={"in_flight": 0, "tracked": []}, host_queue={"held": Held(
            [carried(104, None, 30_000 * MS, "in order")], True, ["everywhere"])})),
    fault("IN_ORDER: done, behind one that is with the storage", "B1", made(
        avail=105, popped=105, host_queue={"held": Held(
            [carried(103, None, 30_000 * MS), carried(104, None, 30_000 * MS, "in order")], True, ["everywhere"])})),
    fault("IN_ORDER: old, done, and a flush may be under way", "B0", held(
        "unflushed", block={"in_flight": 0, "tracked": []}, stack=FLUSHING)),
    fault("one hangs, and another one is done just now", "B1", made(avail=105, popped=105, host_queue={"held": Held(
        [carried(103, None, 30_000 * MS), carried(104, NOT_RUN, MS)], True, ["everywhere"])})),
    fault("one hangs, and another one waits for a limit since just now", "B1", made(
        avail=105, popped=105, block=limits(True), host_queue={"held": Held(
            [carried(103, None, 30_000 * MS), carried(104, None, MS, "throttle")], True, ["everywhere"])})),
    fault("one waits for a limit, and another one is with the storage since just now", "B4", made(
        avail=105, popped=105, block=limits(True), host_queue={"held": Held(
            [carried(103, None, 30_000 * MS, "throttle"), carried(104, None, MS)], True, ["everywhere"])})),
    fault("unmoved in several captures", "B1", several(made(age_ns=3 * MS), made(age_ns=3 * MS), seconds=8)),
    healthy("young", made(age_ns=2_000 * MS)),
    unsure("ages not known", "B1", made(guest_queue={"in_flight": None}, host_queue={"held": None})),
    fault("whether somebody has it is not known", "B1", made(host_queue={"held": Held([], False, [], {
        "complete": "a place could not be read"})})),
)


def above(disk: Any, **changes: Any) -> Any:
    """An idle queue, and a block layer above it."""
    return partial(pair, guest_part={"block": [disk]}, **changes)


def waiting(state: str, **changes: Any) -> Any:
    """A block layer in which requests wait."""
    disk = block_queue(2, **changes)
    return disk._replace(waiting=[one._replace(state=state) for one in disk.waiting or []])


STOPPED = HardwareQueue(0, state=Hex(1), stopped=True, dispatch=2, nr_active=0, tags=Tags(128, 0, 2, 0, 0))
WAITERS = HardwareQueue(0, state=Hex(0), stopped=False, dispatch=0, nr_active=0, tags=Tags(128, 0, 0, 0, 3))

ABOVE = (
    fault("came back and did not end", "G1", above(waiting("complete"))),
    fault("stopped and not started", "G2", above(waiting("idle", hardware_queues=[STOPPED]))),
    fault("quiesced", "G3", above(waiting("idle", quiesce_depth=1))),
    fault("tags free, tasks wait", "G4", several(above(block_queue(0, hardware_queues=[WAITERS])),
                                                above(block_queue(0, hardware_queues=[WAITERS])))),
    healthy("nothing waits", above(block_queue())),
    healthy("stopped, and requests are on the ring", above(
        waiting("idle", hardware_queues=[STOPPED]), avail=104, popped=104, used=103, age_ns=2 * MS)),
    unsure("tags free, tasks wait, seen once", "G4", above(block_queue(0, hardware_queues=[WAITERS]))),
    unsure("waits in the block layer for no reason that is seen", "G11", above(waiting("idle"))),
)


def net(role: str, index: int, client: Optional[NetClient] = None, **changes: Any) -> Any:
    """A queue of a network device."""
    given = {key: dict(changes.pop(key, {})) for key in ("guest_queue", "host_queue", "guest_device", "host_device",
                                                         "host_part")}
    for key in ("guest_queue", "host_queue"):
        given[key] = {"role": role, **given[key]}
    for key in ("guest_device", "host_device"):
        given[key] = {"type": "net", "device_id": NET, **given[key]}
    given["host_part"] = {"type": "virtio-net-device", "block": None,
                          "net": [client or NetClient(0, False, "net0", 0, 0)],
                          **given["host_part"]}
    return partial(pair, queue_index=index, **given, **changes)


def tx_queue(stopped: bool) -> Any:
    """The network stack's side of a transmit queue."""
    return TxQueue(Hex(1 if stopped else 0), stopped, False, 1000)


BUSY = NetClient(0, False, "net0", 0, 3)
HUNGRY = NetClient(0, False, "net0", 5, 0)
OFF = {"notification": False, "tx_waiting": False}

NETWORK = (
    healthy("receive queue full of buffers", net("rx", 0, avail=300, popped=44, num=256,
                                                 device={"notification": False})),
    healthy("transmit queue reclaimed lazily", net("tx", 1, avail=120, last_used=100, guest_queue={
        "tx_queue": tx_queue(False)}, driver={"avail_flags_shadow": 1})),
    healthy("control queue polled", net("control", 2, avail=101, last_used=100, guest_queue={
        "absent": {"irq": "not applicable: the queue has no callback"}, "irq": None}, driver={"callback": None})),
    fault("transmit queue not re-armed", "K14", several(
        net("tx", 1, avail=104, popped=100, device=OFF, ring={"avail_event": 50},
            guest_queue={"tx_queue": tx_queue(False)}),
        net("tx", 1, avail=104, popped=100, device=OFF, ring={"avail_event": 50}, guest_queue={
            "tx_queue": tx_queue(False)}))),
    healthy("transmit queue that the device will look at", net(
        "tx", 1, avail=104, popped=100, age_ns=2 * MS, device={"notification": False, "tx_waiting": True},
        ring={"avail_event": 50})),
    fault("packets and buffers wait for each other", "K13", several(
        net("rx", 0, HUNGRY, avail=104, popped=100, ring={"avail_event": 50}),
        net("rx", 0, HUNGRY, avail=104, popped=100, ring={"avail_event": 50}))),
    fault("backend busy for long", "B10", several(
        net("tx", 1, BUSY, avail=104, popped=104, used=103, host_queue={"held": None}),
        net("tx", 1, BUSY, avail=104, popped=104, used=103, host_queue={"held": None}), seconds=4)),
    fault("transmit queue stopped and not woken", "G8", several(
        net("tx", 1, guest_queue={"tx_queue": tx_queue(True)}),
        net("tx", 1, guest_queue={"tx_queue": tx_queue(True)}))),
    fault("transmit queue stopped, interrupt lost", "I0", net(
        "tx", 1, avail=228, last_used=100, guest_queue={"tx_queue": tx_queue(True)})),
    fault("no receive buffers", "G9", several(net("rx", 0), net("rx", 0))),
    unsure("no receive buffers, seen once", "G9", net("rx", 0)),
)


def scsi(**changes: Any) -> Any:
    """A request queue of a SCSI host."""
    device = {"type": "scsi", "device_id": SCSI}
    return partial(pair, guest_device=device, host_device=device, **changes)


def two_disks(first: Any, second: Any) -> Any:
    """Two disks of one VM."""
    def snapshots() -> Any:
        (guest, host), (more, less) = first(), second()
        move = {"name": "vdc", "bus": guest.devices[0].bus._replace(address="0000:00:08.0")}
        rings = guest.devices[0].queues[0].rings._replace(desc=Hex(0x900000000))
        mine, yours = (one.devices[0]._replace(queues=[one.devices[0].queues[0]._replace(rings=rings)], **{
            **move, "name": name}) for one, name in ((more, "vdc"), (less, "virtio-disk2")))
        return guest._replace(devices=[*guest.devices, mine]), host._replace(devices=[*host.devices, yours])
    return snapshots


LOST = partial(pair, avail=43936, last_used=43932)

OTHERS = (
    fault("SCSI: interrupt lost", "I0", scsi(avail=43936, last_used=43932)),
    fault("SCSI: error handler for long", "G7", several(
        scsi(guest_part={"scsi": ScsiHost("host2", Hex(1), "recovery", 1, True)}),
        scsi(guest_part={"scsi": ScsiHost("host2", Hex(1), "recovery", 1, True)}))),
    Entry("several devices miss their interrupts", two_disks(LOST, LOST), "fault", ("G10", "I0", "I0")),
    Entry("one of two disks", two_disks(LOST, pair), "fault", ("I0",)),
    healthy("two disks", two_disks(pair, pair)),
)

ENTRIES: Tuple[Entry, ...] = (*HELD, *ABOVE, *NETWORK, *OTHERS)

