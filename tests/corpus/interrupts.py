"""Synthetic pairs about interrupts: each fault, and what differs from it in one fact and is none."""
from functools import partial
from typing import Any, Tuple

from tests.builders import notify, pair
from vqcheck.check.records import NO_VECTOR
from vqcheck.snapshot.device_model import ThreadState
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.model import Bus, Snapshot
from vqcheck.snapshot.transport_model import Indicator, Intx, MsiMessage, VhostQueue

from .cases import Entry, fault, healthy, unsure

MS = 1_000_000
FOUR = {"avail": 43936, "last_used": 43932}
NEVER = {"signalled_used": 0, "signalled_used_valid": False}
BEHIND = {"signalled_used": 43932}
NOTIFYING = ["virtio_notify_irqfd", "virtio_blk_data_plane_notify", "virtio_blk_req_complete", "aio_poll",
             "iothread_run"]
AT_EVENTFD = ["event_notifier_set", "virtio_notify_irqfd", "virtio_blk_req_complete", "aio_poll", "iothread_run"]
ENTRY = MsiMessage(Hex(0xFEE01000), Hex(0x4022))
OTHER = MsiMessage(Hex(0xFEE02000), Hex(0x4031))


DEAD = pair()[0].capture._replace(method="core", panicked=True)


def made(**changes: Any) -> Any:
    """A pair with four entries that the driver has not consumed."""
    return partial(pair, **{**FOUR, **changes})


def several(first: Any, second: Any, *, seconds: float = 4.0, host_stack: Any = None) -> Any:
    """Two captures of each side, some seconds apart."""
    def snapshots() -> Tuple[Snapshot, ...]:
        early, late = first(), second()
        return (*early, *(_later(one, seconds) for one in late))
    return snapshots


def _later(snapshot: Snapshot, seconds: float) -> Snapshot:
    capture = snapshot.capture
    moment = f"2026-03-01T12:00:{int(seconds) + 1:02d}+00:00"
    clock = None if capture.clock_ns is None else capture.clock_ns + int(seconds * 1e9)
    return snapshot._replace(capture=capture._replace(clock_ns=clock, time=moment))


def intx(isr: int, level: bool, **changes: Any) -> Any:
    """A device that interrupts by its line."""
    return made(notify={**notify(msix={"enabled": False}), **changes},
                host_part={"isr": isr, "intx": Intx(level, disabled=False, pin=1)})


def line(isr: int, level: bool, bus: str = "pci", disabled: bool = False, **changes: Any) -> Any:
    """The same as the walkers give it: the device's queues have no vectors, and no entries of a table."""
    place = {"bus": Bus(bus, "0000:00:07.0")}
    return made(notify={**notify(), "vector": NO_VECTOR, "msix": None}, guest_device=place, host_device=place,
                host_part={"isr": isr, "intx": Intx(level, disabled, 1) if bus == "pci" else Intx(level)}, **changes)


def ccw(is_set: bool, summary: bool, host_bit: int = 1, **changes: Any) -> Any:
    """A channel device: a bit in the guest's memory in the place of a vector."""
    bus, seen = {"bus": Bus("ccw", "0.0.0001")}, Indicator(True, Hex(0x23F6000), 1, is_set, summary)
    return made(guest_device=bus, host_device=bus, notify={"vector": 0, "msix": None},
                guest_queue={"irq": None, "indicator": seen}, host_queue={"indicator": seen._replace(bit=host_bit)},
                **changes)


MAIN_DRAINS = ["ppoll", "qemu_poll_ns", "aio_poll", "bdrv_drain_all_begin", "qmp_transaction", "main_loop_wait"]


def main_elsewhere(stack: Any) -> Any:
    """An interrupt that QEMU's main loop is to read, as without KVM, and where its thread stands."""
    def snapshots() -> Any:
        guest, host = pair(**FOUR, notify=notify(guest={"eventfd_count": 1, "irqfd": False, "handler": True}))
        main, *others = host.threads or []
        return guest, host._replace(threads=[main._replace(functions=stack), *others])
    return snapshots


STUCK = ["__lll_lock_wait", "bql_lock_impl", "virtio_notify", "virtio_scsi_complete_req", "aio_poll", "iothread_run"]


def beside(stack: Any) -> Any:
    """The same, and a thread that serves another device."""
    def snapshots() -> Any:
        guest, host = pair(**FOUR)
        other = ThreadState(4243, "IO iothread1", "iothread iothread1", stack)
        return guest, host._replace(threads=[*(host.threads or []), other])
    return snapshots


def spurious(**changes: Any) -> Any:
    """Two captures between which the irq's count rises or stays."""
    return several(made(irq={"total": 100}), made(irq={"total": 117, **changes}))


LOST = (
    fault("incident, in synthetic dress", "I0", made(device=NEVER)),
    fault("evaluated, and the eventfd's write dropped", "I0", made()),
    fault("without EVENT_IDX", "I0", made(event_idx=False, device=NEVER)),
    fault("index wrapped between", "I0", partial(pair, avail=2, last_used=65534)),
    fault("one entry at the end of the circle", "I0", partial(pair, avail=0, last_used=65535)),
    fault("full ring", "I0", partial(pair, avail=128, last_used=0)),
    fault("young by the guest's clock, but unmoved in several captures", "I0",
          several(made(age_ns=3 * MS), made(age_ns=3 * MS))),
    healthy("interrupted at the notification", made(age_ns=2 * MS, stack=NOTIFYING, device=BEHIND)),
    healthy("interrupted at the eventfd", made(age_ns=2 * MS, stack=AT_EVENTFD)),
    healthy("the guest's CPU is in the handler", made(age_ns=2 * MS, irq={"in_progress": True})),
    healthy("in the guest notifier, and the main loop about to read it", made(age_ns=2 * MS, notify=notify(
        guest={"eventfd_count": 1, "irqfd": False, "handler": True}))),
    unsure("young, and nobody is seen to carry it", "I0", made(age_ns=2 * MS)),
    unsure("old request that came back just now", "I0", made(stack=NOTIFYING)),
    unsure("ages not known", "I0", made(guest_queue={"in_flight": None})),
    unsure("the guest's kernel has panicked meanwhile", "G12", made(guest={"capture": DEAD})),
    fault("the guest's kernel wrote its dump itself, panicked", "I0", made(guest={"capture": DEAD._replace(
        method="dump")})),
    healthy("used_event further ahead, young", made(age_ns=2 * MS, ring={"used_event": 43960})),
)

NOT_SENT = (
    fault("QEMU did not go on to notify", "I1", made(device=BEHIND)),
    fault("a thread stuck between push and notify", "I1", several(made(stack=NOTIFYING, device=BEHIND),
                                                                 made(stack=NOTIFYING, device=BEHIND))),
    unsure("another thread is stuck with another queue's interrupt", "I0", several(beside(STUCK), beside(STUCK))),
    unsure("between push and notify, seen once", "I0", made(stack=NOTIFYING, device=BEHIND)),
    fault("gathered and not flushed", "I3", made(event_idx=False, notify={"batched": True})),
    fault("decided against", "I4", made(host_part={"isr": 0})),
    fault("lost across a migration", "M1", made(device=NEVER,
                                                host={"qemu": pair()[1].qemu._replace(incoming="completed")})),
    fault("lost across a restore: this process completed nothing", "M1", made(device=NEVER, block={"completed": 0})),
)

NOT_DELIVERED = (
    fault("in the eventfd, no irqfd, no handler", "I2", made(notify=notify(
        guest={"eventfd_count": 1, "irqfd": False, "handler": False}))),
    fault("nobody reads the guest notifier, in a core", "I2", made(notify=notify(
        guest={"eventfd_count": None, "irqfd": False, "handler": False}))),
    fault("masked, with the interrupt pending", "I5", made(irq={"masked": True}, notify=notify(
        msix={"masked": True, "pending": True}))),
    fault("masked in QEMU only", "I5", made(notify=notify(msix={"masked": True}))),
    fault("function masked", "I5", made(irq={"masked": True}, notify=notify(msix={"function_masked": True}))),
    fault("pending although unmasked", "I6", made(notify=notify(msix={"pending": True}))),
    fault("no vector", "I7", made(notify={"vector": NO_VECTOR, "msix": None}, irq={"vector": 1})),
    fault("no vector, and the line disabled as with MSI-X", "I7", line(1, False, disabled=True, irq={"vector": 1})),
    fault("vector not marked in use", "I7", made(notify=notify(msix={"in_use": False}))),
    fault("KVM's route is stale", "I8", made(irq={"msi": ENTRY}, notify=notify(irqfd_message=ENTRY, route=OTHER))),
    fault("the guest's message is another", "I8", made(irq={"msi": OTHER}, notify=notify(irqfd_message=ENTRY))),
    fault("route of a vCPU above 255: not stale", "I0", made(notify=notify(
        msix={"address": Hex(ENTRY.address | 0xE0)}, irqfd_message=ENTRY._replace(address=Hex(ENTRY.address | 0xE0)),
        route=ENTRY._replace(address=Hex(ENTRY.address | 0xE0 << 35))))),
    fault("route behind an SMMU: not stale", "I0", made(
        guest={"target": pair()[0].target._replace(machine="aarch64")},
        notify=notify(irqfd_message=ENTRY, route=ENTRY._replace(address=Hex(0x8090040))))),
    fault("in the eventfd, and the main loop is stuck elsewhere", "I2", several(
        main_elsewhere(MAIN_DRAINS), main_elsewhere(MAIN_DRAINS))),
    unsure("in the eventfd, and the main loop is elsewhere", "I2", main_elsewhere(MAIN_DRAINS)),
    fault("line low with ISR set", "I12", intx(1, False)),
    fault("line low with ISR clear", "I12", intx(0, False)),
    fault("line high: the guest's business", "I0", intx(1, True)),
    fault("no vectors but a line: low with ISR clear", "I12", line(0, False, irq={"vector": NO_VECTOR})),
    fault("no vectors but a line: QEMU did not go on to notify", "I1", line(
        0, False, irq={"vector": NO_VECTOR}, device=BEHIND)),
    fault("no vectors but a line: lost across a migration", "M1", line(
        0, False, irq={"vector": NO_VECTOR}, device=NEVER, host={"qemu": pair()[1].qemu._replace(
            incoming="completed")})),
    fault("no vectors but a line: high", "I0", line(1, True, irq={"vector": NO_VECTOR})),
    fault("no vectors but a line that is disabled", "I12", line(1, False, disabled=True, irq={"vector": NO_VECTOR})),
    fault("virtio-mmio, whose ISR the guest clears", "I12", line(0, False, "mmio")),
    fault("vhost behind the mask", "I18", made(host_part={"vhost_started": True}, notify=notify(
        vhost=VhostQueue(masked_notifier=60, masked_count=1)))),
    fault("vhost did not signal", "I0", made(host_part={"vhost_started": True}, device=NEVER)),
    healthy("masked for a moment", made(age_ns=2 * MS, irq={"masked": True, "in_progress": True}, notify=notify(
        msix={"masked": True}))),
)

NOT_TAKEN = (
    fault("irq disabled in the guest", "I11", made(irq={"depth": 1, "pending": True, "masked": True}, notify=notify(
        msix={"masked": True}))),
    fault("nobody cared", "I11", made(irq={"depth": 1, "spurious_disabled": True})),
    fault("to an offline CPU", "I9", made(irq={"effective_online": False, "effective_affinity": "3"})),
    fault("callbacks off for ever", "I13", made(driver={"avail_flags_shadow": 1})),
    fault("used_event never moved on", "I13", made(ring={"used_event": 43960})),
    fault("event_triggered for ever", "I14", made(driver={"event_triggered": True})),
    fault("interrupts come and are not used", "I17", spurious()),
    fault("no interrupt came between two captures", "I0", spurious(total=100)),
    fault("interrupts of a line that is shared", "I0", several(
        line(1, True, irq={"vector": NO_VECTOR, "shared": True, "total": 100}),
        line(1, True, irq={"vector": NO_VECTOR, "shared": True, "total": 117}))),
    healthy("callbacks off, young", made(age_ns=2 * MS, driver={"avail_flags_shadow": 1})),
    unsure("callbacks off, a CPU in the handler for long", "I13",
           made(driver={"avail_flags_shadow": 1}, irq={"in_progress": True})),
    unsure("callbacks off, irq_desc not known", "I13",
           made(driver={"avail_flags_shadow": 1}, guest_queue={"irq": None})),
)

ON_CCW = (
    fault("indicators set, adapter interrupt lost", "I21", ccw(True, True)),
    fault("indicator left behind", "I21", ccw(True, False)),
    fault("QEMU sets another indicator", "I21", ccw(False, False, host_bit=3)),
    fault("indicator clear: lost before", "I0", ccw(False, False)),
    fault("indicator clear, and QEMU did not go on to notify", "I1", ccw(False, False, device=BEHIND)),
    healthy("indicator set a moment ago", ccw(True, True, age_ns=2 * MS)),
    unsure("indicator clear, young", "I0", ccw(False, False, age_ns=2 * MS)),
)

ENTRIES: Tuple[Entry, ...] = (*LOST, *NOT_SENT, *NOT_DELIVERED, *NOT_TAKEN, *ON_CCW)
