"""Interrupts that arrived, or would, and that the guest does not take: I9, I11, I13, I14, I17."""
from typing import Optional

from ...virtio import devices
from .. import late as lateness
from ..case import Case
from ..history import seconds_between
from ..late import Late
from ..places import on_ring
from ..remedies import REBIND
from ..result import Evidence, Excused, Found, Outcome
from ..rule import CRITICAL, HIGH, INTERRUPTS, Rule
from ..unknown import Unknown
from .common import Gate, fields, lasting, of_late_interrupt
from .lost_interrupt import behind


@of_late_interrupt
def _offline(case: Case, late: Late) -> Outcome:
    online, who = case.get("irq.effective_online"), case.peek("irq.effective_affinity")
    if online:
        return "the CPU that takes the interrupt is online"
    return behind(case, late, "the interrupt goes to a CPU that is offline", Evidence(
        f"none of the CPUs that take irq {case.get('irq.number')} is online", fields(
            effective_affinity=who, cpus_online=case.guest_snapshot.capture.cpus_online)))


OFFLINE = Rule(
    id="I9", slug="interrupt-to-offline-cpu",
    title="The interrupt goes to a CPU that is offline",
    blame="guest: its code that moves interrupts",
    severity=CRITICAL, stage=INTERRUPTS, test=_offline,
    holds_when="an interrupt is late, and none of the CPUs in the irq's effective affinity is online",
    needs=("kind", "returned", "irq.effective_online"),
    explanation="When a CPU goes offline the kernel moves its interrupts away.  One that stayed behind is lost.",
    confirm=("dmesg of the guest: \"No irq handler for vector\", CPU hot-unplug near the hang",),
    actions=("in the guest, set the irq's affinity to a CPU that is online", REBIND),
    references=("Linux kernel/irq/cpuhotplug.c",
                "Linux commit 6f1a4891a592, \"x86/apic/msi: Plug non-maskable MSI affinity race\""),
    explains=("I0", "M1"),
)


@of_late_interrupt
def _disabled(case: Case, late: Late) -> Outcome:
    irq = case.get("irq")
    depth = case.get("irq.depth")
    if not depth and not irq.spurious_disabled and not irq.pending:
        return f"irq {irq.number} is enabled in the guest, and none of it waits"
    evidence = Evidence(
        "the kernel turned it off because nobody handled it" if irq.spurious_disabled else
        "the irq is disabled" if depth else "an interrupt came and was not handled (IRQS_PENDING)",
        fields(irq=irq.number, depth=depth, pending=irq.pending, spurious_disabled=irq.spurious_disabled))
    why = (f"the guest has irq {irq.number} disabled" if depth else
           f"irq {irq.number} has arrived in the guest and was not handled")
    return behind(case, late, why, evidence, blame=f"guest: {why.replace('the guest has', 'it has')} (depth {depth}), "
                  "whatever the device sends", actions=(
                      f"in the guest, find who disabled irq {irq.number} (dmesg: \"nobody cared\"; a suspend or "
                      "reset)",))


DISABLED = Rule(
    id="I11", slug="irq-disabled",
    title="The guest has the interrupt disabled",
    blame="guest: its interrupt core or a driver",
    severity=CRITICAL, stage=INTERRUPTS, test=_disabled,
    holds_when="an interrupt is late, and irq_desc.depth is above zero, or the irq is disabled as spurious, or an "
               "interrupt is pending in it",
    needs=("kind", "returned", "irq.depth"),
    not_when=("a suspend or shutdown is under way", "the driver has not set DRIVER_OK yet"),
    explanation="A disabled irq is not handled.  On the next interrupt the kernel marks it pending and masks the "
                "vector, which is why MSI-X may show masked with nothing pending.",
    confirm=("dmesg: \"irq N: nobody cared\"", "/sys/kernel/debug/irq/irqs/N, where debugfs has it"),
    actions=(REBIND,),
    references=("Linux kernel/irq/spurious.c, kernel/irq/chip.c",
                "Linux commit fe200ae48ef5, \"genirq: Mark polled irqs and defer the real handler\""),
    explains=("I0", "I2", "I5", "I6", "M1"),
)


def _unasked(case: Case) -> Gate:
    """Entries that were returned, and for which the driver has not asked to be interrupted."""
    late = lateness.interrupt(case)
    if isinstance(late, Late) and late.excuse is None:
        return "the driver has asked for the interrupt"
    return late.why if isinstance(late, Excused) else late


def _nobody_looks(case: Case, late: Late) -> Outcome:
    if late.persistence.young:
        return Excused(f"{late.what}: {late.excuse}")
    doubts = list(late.doubts)
    owner = _owner(case)
    if owner is not None and not doubts:
        doubts.append(f"{late.persistence.evidence}; but {owner}. Capture again: if it stays, a CPU of the guest is "
                      "stuck there")
    return Found(
        f"{late.what}, and nobody is seen to look at the ring: {late.excuse}",
        [Evidence("the driver does not ask for an interrupt", fields(
            avail_flags_shadow=case.peek("driver.avail_flags_shadow"),
            event_flags_shadow=case.peek("driver.event_flags_shadow"),
            event_triggered=case.peek("driver.event_triggered"), last_used_idx=case.axis.words(case.driver_used))),
         *lasting(late)],
        doubts, lacking=[] if case.guest_queue.irq is not None or case.bus == "ccw" else
        ["the guest's irq_desc is not known"])


def _owner(case: Case) -> Optional[str]:
    """Who may be looking at the ring at this moment."""
    irq, napi = case.guest_queue.irq, case.guest_queue.napi
    if irq is not None and irq.in_progress:
        return f"a CPU of the guest is inside the handler of irq {irq.number}"
    if napi is not None and (napi.scheduled or napi.polling):
        return "its NAPI poll is due or running"
    if case.guest_device.device_id == devices.VSOCK and case.role == "rx" and _replies_wait(case):
        return "its driver takes no more while its replies wait for the transmit queue"
    if irq is None or irq.in_progress is None:
        return "whether a CPU of the guest is inside the interrupt's handler is not known"
    return None


def _replies_wait(case: Case) -> bool:
    """Whether anything waits on a transmit queue of the device, or that is not known."""
    try:
        return any(on_ring(one) for one in case.guest_device.queues if one.role == "tx")
    except Unknown:
        return True


def _asked_for_later(case: Case) -> bool:
    """used_event is that of an entry which is under way (virtqueue_enable_cb_delayed()): its return will interrupt."""
    if not case.callbacks_on or case.used_event is None or case.interrupt_due:
        return False
    under_way = case.axis.distance(case.driver_avail, case.ring_used)
    return case.axis.distance(case.used_event, case.ring_used) < under_way


def _callbacks_off(case: Case) -> Outcome:
    late = _unasked(case)
    if not isinstance(late, Late):
        return late if isinstance(late, str) else late.why
    if lateness.took_one(case):
        return "the driver has taken an interrupt (I14)"
    if _asked_for_later(case):
        return "the driver has asked for an interrupt once more of what it posted comes back (used_event is ahead)"
    return _nobody_looks(case, late)


CALLBACKS_OFF = Rule(
    id="I13", slug="callbacks-off",
    title="The driver has stopped asking for interrupts, and nobody looks at the ring",
    blame="guest: the driver",
    severity=CRITICAL, stage=INTERRUPTS, test=_callbacks_off,
    holds_when="entries are returned and not consumed for more than a second, the driver's callbacks are off or "
               "used_event is not where it would bring an interrupt, no CPU is inside the handler, and no NAPI poll "
               "is due or running",
    needs=("kind", "returned", "callbacks_on"),
    not_when=("a CPU of the guest is in the handler or in the NAPI poll, which turns callbacks off while it works",
              "a poll queue",
              "the receive queue of a vsock whose transmit queue is stuck: it takes no more until its replies are out",
              "virtqueue_enable_cb_delayed() has set used_event ahead, as network transmit queues do"),
    explanation="While a handler works through the ring it switches callbacks off, and on again before it leaves, "
                "looking once more at the ring.  A handler that leaves without that never hears of the rest.",
    confirm=("a second capture of the guest that shows the same last_used_idx with callbacks off",),
    actions=("keep a dump of the guest for its kernel's developers", REBIND),
    references=("Linux drivers/virtio/virtio_ring.c, virtqueue_disable_cb(), virtqueue_enable_cb()",
                "Linux net/vmw_vsock/virtio_transport.c, virtio_transport_rx_work()",
                "Linux commits 8d622d21d248, \"virtio: fix up virtio_disable_cb\", 6c0b057cec5e, 0c077be4da36, "
                "bb8111086c12"),
)


def _triggered(case: Case) -> Outcome:
    late = _unasked(case)
    if not isinstance(late, Late):
        return late if isinstance(late, str) else late.why
    if not lateness.took_one(case):
        return "the driver has taken no interrupt since it last asked for one"
    return _nobody_looks(case, late)


TRIGGERED = Rule(
    id="I14", slug="event-triggered-stuck",
    title="The driver thinks that it has been interrupted, and asks no more",
    blame="guest: the driver",
    severity=CRITICAL, stage=INTERRUPTS, test=_triggered,
    holds_when="entries are returned and not consumed for more than a second, event_triggered is set with callbacks "
               "on, and no CPU is inside the handler",
    needs=("kind", "returned", "callbacks_on", "driver.event_triggered"),
    not_when=("a CPU of the guest is inside the handler, or has just left the interrupt for a poll",
              "a driver that never enables callbacks again, as those of 9p, balloon, input and rng: there it is set "
              "for good, and says nothing"),
    explanation="Newer drivers note that an interrupt came (event_triggered), and virtqueue_disable_cb() does "
                "nothing from then on until callbacks are enabled again.  If that is left out, used_event stays "
                "behind, and no further interrupt is asked for.",
    confirm=("a second capture of the guest that shows the same",),
    actions=("keep a dump of the guest for its kernel's developers", REBIND),
    references=("Linux commits 8d622d21d248, \"virtio: fix up virtio_disable_cb\", and 6c0b057cec5e",
                "thread \"9p regression (Was: virtio_ring: don't update event idx on get_buf)\""),
)


@of_late_interrupt
def _no_work_seen(case: Case, late: Late) -> Outcome:
    total = case.get("irq.total")
    if case.by_vector is False and case.bus == "pci":
        return "other devices may share the interrupt line, and interrupts that came may be theirs"
    earlier = [one for one in case.history.guest[:-1] if one.queue.irq is not None and one.queue.irq.total is not None]
    if not earlier:
        return "there is no earlier capture of the guest to compare the irq's count with"
    first = earlier[0]
    irq, driver, seconds = first.queue.irq, first.queue.driver, seconds_between(first.snapshot, case.guest_snapshot)
    stays = driver is not None and driver.last_used_idx == case.get("driver.last_used_idx")
    if irq is None or driver is None or not stays or not first.queue.used:
        return "the driver has moved between the captures"
    if total == irq.total:
        return "no interrupt came between the captures"
    return behind(case, late, "interrupts come, and the driver does not see the entries", Evidence(
        f"{(total - irq.total) & 0xFFFFFFFF} interrupts" + (f" in {seconds:.1f} s" if seconds else "") +
        ", with entries to consume all the while", fields(total=total, last_used_idx=driver.last_used_idx)))


NO_WORK_SEEN = Rule(
    id="I17", slug="interrupt-without-effect",
    title="Interrupts come, and the driver sees no work",
    blame="guest: a stale read of used->idx, or a shared handler that does not reach the queue",
    severity=HIGH, stage=INTERRUPTS, test=_no_work_seen,
    holds_when="between two captures of the guest the irq's count rises while last_used_idx stays, with entries "
               "returned and not consumed",
    needs=("kind", "returned", "irq.total"),
    not_when=("INTx: devices share the line, and the interrupts may be another's; queues of one device that share a "
              "vector are all looked at",),
    explanation="vring_interrupt() returns IRQ_NONE when it finds used->idx equal to last_used_idx.  If it reads a "
                "stale value, as without the barriers that real DMA needs (ORDER_PLATFORM), the interrupt is wasted.",
    confirm=("/proc/interrupts rises; /proc/irq/N/spurious counts unhandled ones",),
    actions=("keep a dump of the guest", REBIND),
    references=("virtio 1.2, 6 Reserved Feature Bits, VIRTIO_F_ORDER_PLATFORM",
                "DPDK commit 159793ac86 (the same on the device's side)"),
    explains=("I0",),
)

RULES = (DISABLED, OFFLINE, CALLBACKS_OFF, TRIGGERED, NO_WORK_SEEN)
