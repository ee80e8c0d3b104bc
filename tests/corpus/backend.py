"""Synthetic pairs about requests that the device holds, and about what waits in the guest above the ring."""
from functools import partial
from typing import Any, List, Optional, Tuple

from tests.builders import block_queue, pair
from vqcheck.snapshot.held_model import Held, HeldRequest, Throttling
from vqcheck.snapshot.kernel_model import HardwareQueue, Napi, NetDevice, ScsiHost, Tags, TxQueue
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.model import Observation
from vqcheck.snapshot.transport_model import NetClient
from vqcheck.virtio.devices import CONSOLE, CRYPTO, FS, GPU, NET, P9, SCSI, SOUND, VSOCK

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
WRLOCK = ["ppoll", "qemu_poll_ns", "aio_poll", "bdrv_graph_wrlock", "bdrv_replace_node", "aio_bh_poll"]
LOCKED = ["__lll_lock_wait", "pthread_mutex_lock", "qemu_mutex_lock_impl", "aio_context_acquire", "aio_bh_poll",
          "aio_poll", "iothread_run"]
RETRYING = ["blk_aio_prwv", "virtio_blk_submit_multireq", "virtio_blk_dma_restart_bh", "aio_bh_poll"]
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
    fault("failed just now, and the VM is not stopped yet", "B0",
          held("retry", block={"parked": 1, "in_flight": 0, "iostatus": "failed"})),
    fault("the VM was continued just now, and the bottom half that retries runs", "B0",
          held("retry", block={"parked": 1, "in_flight": 0}, stack=RETRYING)),
    fault("nobody has it", "B3", held(None, block={"in_flight": 0, "tracked": []})),
    fault("nobody has it after a migration", "M2", held(None, host=MIGRATED)),
    fault("limit reached", "B4", held("throttle", block=limits(True))),
    fault("limit, and no timer", "B4", held("throttle", block=limits(False))),
    fault("drained", "B5", held("quiesced", block={"quiesce_counter": 1, "queued": 1, "in_flight": 0})),
    fault("a drain waits for a request that the storage does not answer", "B1",
          made(block={"quiesce_counter": 1})),
    fault("a drain waits for it, and others wait for the drain", "B1", made(
        avail=105, popped=105, block={"quiesce_counter": 1, "queued": 1, "in_flight": 1}, host_queue={"held": Held(
            [carried(103, None, 30_000 * MS), carried(104, None, 30_000 * MS, "quiesced")], True, ["everywhere"])})),
    fault("a change of the graph waits for a request that a worker thread has", "B1", several(
        made(stack=WRLOCK), made(stack=WRLOCK))),
    fault("a lock for a moment in the last capture, and the storage does not answer", "B1", several(
        made(), made(stack=LOCKED))),
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

def second_queue(above_it: Any, busy: Any) -> Any:
    """The same disk with another queue, on which requests are."""
    def snapshots() -> Any:
        (guest, host), (more, less) = above_it(), busy()
        mine, yours = more.devices[0].queues[0], less.devices[0].queues[0]
        rings = mine.rings._replace(desc=Hex(0x900000000))
        return tuple(side._replace(devices=[side.devices[0]._replace(queues=[
            *side.devices[0].queues, queue._replace(rings=rings)])]) for side, queue in ((guest, mine), (host, yours)))
    return snapshots


BUSY_QUEUE = partial(pair, avail=104, popped=104, used=103, age_ns=2_000 * MS, queue_index=1)

ABOVE = (
    fault("came back and did not end", "G1", above(waiting("complete"))),
    fault("stopped and not started", "G2", above(waiting("idle", hardware_queues=[STOPPED]))),
    fault("quiesced", "G3", above(waiting("idle", quiesce_depth=1))),
    fault("tags free, tasks wait", "G4", several(above(block_queue(0, hardware_queues=[WAITERS])),
                                                above(block_queue(0, hardware_queues=[WAITERS])))),
    healthy("nothing waits", above(block_queue())),
    healthy("stopped, and requests are on the ring", above(
        waiting("idle", hardware_queues=[STOPPED]), avail=104, popped=104, used=103, age_ns=2 * MS)),
    healthy("stopped, and requests are on the ring of another queue", second_queue(above(
        waiting("idle", hardware_queues=[STOPPED])), BUSY_QUEUE)),
    healthy("quiesced, and whoever does it waits for another queue", second_queue(above(
        waiting("idle", quiesce_depth=1)), BUSY_QUEUE)),
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
PARKED = Held([HeldRequest(103, 1, "device", "waits for the network backend to take it")], True, ["async_tx"])
VHOST_TX: Any = net("tx", 1, avail=228, popped=100, guest_queue={"tx_queue": tx_queue(True)}, host_part={
    "vhost_started": True})


def seen(snapshots: Any) -> Any:
    """The snapshots, and a person who saw that nothing moves."""
    guest, host = snapshots()
    observed = guest.capture._replace(observation=Observation(True, "ping stands still"))
    return guest._replace(capture=observed), host


TX_BH = ["virtqueue_pop", "virtio_net_flush_tx", "virtio_net_tx_bh", "aio_bh_poll", "aio_poll"]
DELAYED: Any = net("tx", 1, avail=228, popped=200, last_used=100, ring={"used_event": 220}, guest_queue={
    "tx_queue": tx_queue(True)})
LINK_DOWN: Any = net("tx", 1, guest_queue={"tx_queue": tx_queue(True)}, guest_part={
    "net": NetDevice("eth0", up=True, carrier=False)})


def down(up: bool = False, **changes: Any) -> Any:
    """A receive queue whose driver does not take what came in, and a packet that finds too few buffers."""
    napi = Napi(enabled=up, scheduled=False, polling=False)
    return net("rx", 0, HUNGRY, avail=104, popped=100, last_used=98, ring={"avail_event": 50, "used_event": 98},
               guest_queue={"napi": napi}, guest_part={"net": NetDevice("eth0", up=up)}, age_ns=MS, **changes)


DOWN, UP = down(), down(up=True)

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
    fault("backend busy for long, as a person saw", "B10", partial(seen, net(
        "tx", 1, BUSY, avail=108, popped=104, used=103, device=OFF, ring={"avail_event": 50}, guest_queue={
            "tx_queue": tx_queue(False)}, host_queue={"held": PARKED}))),
    unsure("the bottom half of a transmit queue runs, as a person saw nothing move", "K14", partial(seen, net(
        "tx", 1, avail=104, popped=100, device=OFF, ring={"avail_event": 50}, guest_queue={
            "tx_queue": tx_queue(False), "in_flight": None}, stack=TX_BH))),
    fault("the driver wants an interrupt for what the device does not finish", "K1", several(DELAYED, DELAYED)),
    healthy("link down: the transmit queue is stopped, and its ring has room", several(LINK_DOWN, LINK_DOWN)),
    healthy("link down: the transmit queue is stopped, and not reclaimed", several(*[
        partial(LINK_DOWN, avail=120, last_used=110, driver={"avail_flags_shadow": 1})] * 2)),
    fault("no receive buffers", "G9", several(net("rx", 0), net("rx", 0))),
    healthy("a pair of queues that is not in use", several(net("rx", 2, avail=0), net("rx", 2, avail=0))),
    healthy("interface down: what came in is not taken", several(DOWN, DOWN)),
    healthy("interface down: what came in is not taken, and the interrupt is noted", several(
        down(driver={"event_triggered": True}), down(driver={"event_triggered": True}))),
    fault("interface up: what came in is not taken", "I0", several(UP, UP)),
    fault("interface up, and nobody enabled its NAPI", "I0", several(*[partial(UP, guest_queue={
        "napi": Napi(enabled=False, scheduled=False, polling=False), "role": "rx"})] * 2)),
    fault("transmit queue of vhost stuck", "V0", several(VHOST_TX, VHOST_TX, seconds=8)),
    unsure("no receive buffers, seen once", "G9", net("rx", 0)),
)


PORT = {"type": "console", "device_id": CONSOLE}


def port(role: str, **changes: Any) -> Any:
    """A queue of a serial port."""
    return partial(pair, guest_device=PORT, host_device=PORT, guest_queue={"role": role}, host_queue={"role": role},
                   host_part={"type": "virtio-serial-device", "block": None}, **changes)


UNREAD = {"avail": 100, "popped": 44, "used": 44, "last_used": 40}
VHOST_FS: Any = partial(
    pair, avail=104, popped=100, guest_device={"type": "fs", "device_id": FS}, host_device={"type": "fs",
                                                                                            "device_id": FS},
    host_part={"type": "vhost-user-fs-device", "vhost_started": True, "block": None}, guest_queue={
        "queue_index": 1}, host_queue={"queue_index": 1})

GPU_COMMAND: Any = partial(
    pair, avail=104, popped=104, used=103, age_ns=MS, guest_device={"type": "gpu", "device_id": GPU},
    host_device={"type": "gpu", "device_id": GPU}, guest_queue={"role": "control"}, host_queue={
        "role": "control", "held": Held([HeldRequest(103, 1, "device", "waits for a fence")], True, ["fenceq"])},
    host_part={"type": "virtio-gpu-device", "block": None})


def shared_fs(noted: Any, **changes: Any) -> Any:
    """A share whose daemon has returned a request, and whose driver leaves it to a task to consume that."""
    return partial(VHOST_FS, avail=104, popped=104, last_used=103, driver={"event_triggered": noted}, **changes)


VSOCK_RX: Any = partial(
    pair, avail=104, popped=100, last_used=98, driver={"avail_flags_shadow": 1}, guest_device={
        "type": "vsock", "device_id": VSOCK}, host_device={"type": "vsock", "device_id": VSOCK},
    host_part={"type": "vhost-vsock-device", "vhost_started": True, "block": None}, guest_queue={"role": "rx"},
    host_queue={"role": "rx"})
VSOCK_TX: Any = partial(pair, avail=104, popped=100, queue_index=1, guest_queue={"role": "tx"}, host_queue={
    "role": "tx"})

NINE_P: Any = partial(pair, avail=104, last_used=100, driver={"event_triggered": True}, guest_device={
    "type": "9p", "device_id": P9}, host_device={"type": "9p", "device_id": P9}, host_part={
        "type": "virtio-9p-device", "block": None})

def crypto(**changes: Any) -> Any:
    """The control queue of a crypto device, on which something is returned."""
    device = {"type": "crypto", "device_id": CRYPTO}
    return partial(pair, avail=104, last_used=103, guest_device=device, host_device=device, guest_queue={
        "role": "control", **changes.pop("guest_queue", {})}, host_queue={"role": "control"}, host_part={
            "type": "virtio-crypto-device", "block": None}, **changes)


SOUND_TX: Any = partial(
    VHOST_FS, guest_device={"type": "sound", "device_id": SOUND}, host_device={"type": "sound", "device_id": SOUND},
    guest_queue={"role": "tx"}, host_queue={"role": "tx"})

PORTS = (
    healthy("sound: a stream that is paused keeps its frames", several(SOUND_TX, SOUND_TX, seconds=8)),
    fault("crypto: control queue whose interrupt was lost", "I0", crypto(driver={
        "callback": "virtcrypto_ctrlq_callback"})),
    healthy("crypto: control queue that is polled", crypto(driver={"callback": None}, guest_queue={
        "irq": None, "absent": {"irq": "not applicable: the queue has no callback"}})),
    fault("9p: interrupt lost, and one of long ago is noted for good", "I0", NINE_P),
    unsure("virtiofs: the interrupt may have come, and not the task that consumes", "I0", shared_fs(None)),
    fault("virtiofs: the interrupt did not come", "I0", shared_fs(False)),
    fault("vsock: takes no more until its replies are out", "V0", second_queue(VSOCK_RX, VSOCK_TX)),
    fault("vsock: takes no more, and nothing waits to be sent", "I13", second_queue(VSOCK_RX, partial(
        pair, queue_index=1, guest_queue={"role": "tx"}, host_queue={"role": "tx"}))),
    unsure("graphics: a command waits for a fence, for long", "B0", several(GPU_COMMAND, GPU_COMMAND, seconds=8)),
    healthy("graphics: a command waits for a fence", GPU_COMMAND),
    healthy("port that nobody reads", several(port("rx", **UNREAD), port("rx", **UNREAD))),
    healthy("port that nobody reads, and the interrupt is noted", several(
        port("rx", driver={"event_triggered": True}, **UNREAD), port("rx", driver={"event_triggered": True},
                                                                      **UNREAD))),
    healthy("port whose driver reclaims lazily", port("tx", avail=44, last_used=43)),
    unsure("virtiofs: requests stay with the daemon", "V0", several(VHOST_FS, VHOST_FS, seconds=8)),
    healthy("virtiofs: requests are with the daemon, seen once", partial(VHOST_FS, age_ns=MS)),
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
    unsure("SCSI: came back, and the error handler has it", "G1", scsi(guest_part={
        "scsi": ScsiHost("host2", Hex(1), "recovery", 1, True), "block": [waiting("in_flight")]})),
    fault("SCSI: came back and did not end", "G1", scsi(guest_part={
        "scsi": ScsiHost("host2", Hex(1), "running", 0, False), "block": [waiting("in_flight")]})),
    fault("SCSI: error handler for long", "G7", several(
        scsi(guest_part={"scsi": ScsiHost("host2", Hex(1), "recovery", 1, True)}),
        scsi(guest_part={"scsi": ScsiHost("host2", Hex(1), "recovery", 1, True)}))),
    Entry("several devices miss their interrupts", two_disks(LOST, LOST), "fault", ("G10", "I0", "I0")),
    Entry("one of two disks", two_disks(LOST, pair), "fault", ("I0",)),
    healthy("two disks", two_disks(pair, pair)),
)

ENTRIES: Tuple[Entry, ...] = (*HELD, *ABOVE, *NETWORK, *PORTS, *OTHERS)

