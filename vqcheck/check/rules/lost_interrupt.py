"""I0: an interrupt was due and never took effect, whatever is behind it."""
from typing import Any, Dict, List, Optional

from ...virtio import devices
from .. import remedies
from ..case import Case
from ..late import Late, entries
from ..result import Evidence, Found, Outcome
from ..rule import CRITICAL, INTERRUPTS, Rule
from ..unknown import Unknown
from .causes_of_interrupts import causes
from .common import due_interrupt, fields, lasting, lost_interrupt, one_reading, thread


def test(case: Case) -> Outcome:
    """Whether an interrupt is late."""
    late = due_interrupt(case)
    if not isinstance(late, Late):
        return late
    event = lost_interrupt(case)
    sleeping, lacking = thread(case)
    return Found(
        headline=f"{entries(case, late.number)} completed by the device and never seen by the driver: the interrupt "
                 f"due for used entry {event.place} was lost",
        evidence=[*base(case, late), *sleeping],
        doubts=[*late.doubts, *_left_to_a_task(case)],
        against=_against(case),
        lacking=one_reading(case) + lacking,
        event=event,
        blame=_blame(case),
        causes=causes(case),
        actions=remedies.inject(case),
        one_more=remedies.one_more(case),
    )


def _left_to_a_task(case: Case) -> List[str]:
    """That the interrupt may have come, and that it's the task which consumes that has not."""
    kind = case.guest_device.device_id
    noted = kind not in devices.NEVER_REARMED and case.peek("driver.event_triggered") is not None
    if kind not in devices.BY_TASK or noted:
        return []
    return ["this driver leaves what came back to a task of its own, and nothing notes that the interrupt came "
            "(event_triggered, in newer kernels): the task may be what is stuck. Look at its stack in the guest"]


def behind(case: Case, late: Late, why: str, *more: Evidence, **rest: Any) -> Found:
    """The finding of a rule that knows what is behind a late interrupt."""
    return Found(headline=f"{entries(case, late.number)} completed and never seen by the driver: {why}",
                 evidence=[*base(case, late), *more], doubts=late.doubts, lacking=one_reading(case),
                 event=lost_interrupt(case), **rest)


def by_hand(case: Case) -> Dict[str, Any]:
    """What moves such a queue, where the way of its interrupts is not blocked."""
    return {"actions": remedies.inject(case), "one_more": remedies.one_more(case)}


def base(case: Case, late: Late) -> List[Evidence]:
    """What shows that an interrupt was due, and lost: what all the rules of this family rest on."""
    words = case.axis.words
    found = [Evidence(f"the driver has not consumed {entries(case, late.number)}",
                      fields(last_used_idx=words(case.driver_used)), _used(case))]
    if not case.vhost:
        found.append(Evidence(_done(case), None, fields(last_avail_idx=words(case.device_avail),
                                                        used_idx=words(case.device_used))))
    found.append(_due(case))
    if case.callbacks_on:
        found.append(Evidence("the driver's callbacks are on", "event_flags_shadow not 1" if case.packed else
                              "avail_flags_shadow bit 0 clear"))
    return [*found, *_suppression(case), *lasting(late), *_counter(case), *_indicator(case)]


def _used(case: Case) -> str:
    return fields(used_idx=case.axis.words(case.ring_used)) if case.packed else fields(used__idx=case.ring_used)


def _blame(case: Case) -> Optional[str]:
    asked = " by used_event" if case.used_event is not None else ""
    return f"host or notification path: the guest's driver had asked for the interrupt{asked}, and the device owed it"


def _done(case: Case) -> str:
    left = case.posted + case.popped
    if not left:
        return "the device has seen and completed everything that the driver posted"
    return f"the device has returned all but {entries(case, left)}"


def _due(case: Case) -> Evidence:
    if case.used_event is None:
        flags = "driver event flags 0 (always)" if case.packed else f"avail->flags {case.ring.avail_flags}"
        return Evidence("every completion owes an interrupt: NO_INTERRUPT is clear", flags)
    words = case.axis.words
    asks, first, end = words(case.used_event), words(case.driver_used), words(case.ring_used)
    return Evidence(
        f"an interrupt was due: used_event asks for one once entry {asks} is written, and lies in [{first}, {end}), so "
        f"vring_need_event({asks}, {end}, {first}) is true",
        f"used_event {asks}, written by the driver" + ("" if case.packed else " behind the available ring"))


def _suppression(case: Case) -> List[Evidence]:
    """What (signalled_used, signalled_used_valid) prove; QEMU hw/virtio/virtio.c, virtio_split_should_notify()."""
    if case.vhost:
        return []
    signalled, valid = case.peek("device.signalled_used"), case.peek("device.signalled_used_valid")
    values = fields(signalled_used=signalled, signalled_used_valid=valid)
    if signalled is None or valid is None:
        return [Evidence("whether QEMU evaluated the need to notify can't be told", None, values)]
    return [Evidence(_signalled(case, signalled, valid), None, values)]


def _signalled(case: Case, signalled: int, valid: bool) -> str:
    behind = case.axis.distance(case.device_used, signalled)
    if not case.event_idx:
        return "signalled_used means nothing without EVENT_IDX: QEMU does not keep it then"
    if case.packed:
        return ("signalled_used tells little of a packed ring: QEMU invalidates it on each lap" if not valid else
                f"QEMU has evaluated the need to interrupt up to position {signalled}")
    if case.never_evaluated:
        return ("the check whether to interrupt has never been completed for this queue in this QEMU process since "
                f"reset or load, although used_idx is {case.device_used}; the next completion is certain to notify")
    if not valid:
        return ("the last evaluation was invalidated (vhost stopped, or 32768 completions without one); the next "
                "completion is certain to notify")
    if not case.evaluated:
        return (f"QEMU has not evaluated the need to interrupt for the last {entries(case, behind)} that it returned, "
                "the one due among them: the notification was lost inside QEMU, between virtqueue_push() and "
                "virtio_notify()")
    rest = f" (the last {entries(case, behind)} came later and owed none)" if behind else ""
    return (f"QEMU has evaluated the need to interrupt for the entry due{rest}: the interrupt was lost after that, on "
            "its way from the guest notifier to the guest's handler, or QEMU decided wrongly")


def _counter(case: Case) -> List[Evidence]:
    notifier = case.peek("notify.guest_notifier")
    # With irqfd KVM takes the signal, and older host kernels leave the counter as it is.
    if notifier is None or notifier.eventfd_count is None or notifier.irqfd:
        return []
    says = "the interrupt was written to the guest notifier and nobody has read it" if notifier.eventfd_count else \
        "no interrupt waits in the guest notifier: it was read, or never written"
    return [Evidence(says, None, f"fd {notifier.fd}, eventfd_count {notifier.eventfd_count}")]


def _indicator(case: Case) -> List[Evidence]:
    """That a channel device's bit does not wait for the handler; where it does, that is a finding of its own (I21)."""
    mine, yours = case.peek("indicator.set"), case.peek("host_queue.indicator.set")
    if mine is not False or remedies.indicators_differ(case):
        return []
    return [Evidence("no interrupt waits in the queue's indicator bit: the guest's handler has cleared it, or it was "
                     "never set", fields(bit=case.get("indicator.bit"), set=mine),
                     None if yours is None else fields(bit=case.get("host_queue.indicator.bit"), set=yours))]


def _against(case: Case) -> List[str]:
    found = []
    if len(case.history.guest) < 2:
        found.append("when the entries were completed is not known: requests that came back late from slow storage "
                     "look like this for a moment. A second capture with the same indexes makes it certain")
    if case.serving is None and not case.vhost:
        found.append("the serving thread's stack is not known: it may stand between virtqueue_push and the "
                     "notification")
    return found + _on_its_way(case)


def _on_its_way(case: Case) -> List[str]:
    """What is not known of what lies between QEMU's decision and the guest's handler."""
    if case.bus == "ccw":
        return _unknown(case, "indicator.set", "the queue's indicator bit is not known, it may be set")
    found = []
    if case.guest_queue.irq is None:
        found.append("the guest's irq_desc is not known: the guest may hold the interrupt back itself")
    if case.bus == "mmio":
        return [*found, "the interrupt goes by the device's line, which virtio-mmio has in the place of MSI-X"]
    if case.peek("notify.msix.enabled") is False:
        return [*found, "MSI-X is not enabled: the interrupt goes by INTx"]
    return found + _unknown(case, "notify.msix.enabled",
                            "the MSI-X entry of the queue's vector is not known, it may be masked")


def _unknown(case: Case, field: str, what: str) -> List[str]:
    try:
        case.get(field)
    except Unknown as problem:
        return [f"{what}: {problem}"]
    return []


RULE = Rule(
    id="I0", slug="lost-interrupt",
    title="An interrupt that was due never took effect",
    blame="host or notification path",
    severity=CRITICAL, stage=INTERRUPTS, test=test, essential=True,
    holds_when="entries are returned and not consumed, the driver's callbacks are on, used_event lies in "
               "[last_used_idx, used->idx) (without EVENT_IDX: NO_INTERRUPT is clear), no CPU of the guest is inside "
               "the handler, no thread of QEMU is between push and notify, and this lasts for more than a second",
    needs=("kind", "returned", "callbacks_on", "interrupt_due"),
    not_when=("the driver polls the queue, or its NAPI poll is due or running",
              "the driver has set used_event further ahead (virtqueue_enable_cb_delayed)",
              "a CPU of the guest is inside the interrupt's handler",
              "a thread of QEMU is on its way from virtqueue_push() to the guest notifier",
              "the transmit queue of a network device that is not stopped: it is reclaimed lazily",
              "the guest's kernel had panicked before the host's side was captured (G12)",
              "a task of the driver's consumes (balloon, fs, gpu, mem, vsock), in kernels that do not note the "
              "interrupt",
              "the driver has gone on since a capture of the last ten seconds, and no ages say otherwise"),
    explanation="The driver writes used_event = last_used_idx, then a full barrier, then reads used->idx again.  The "
                "device writes used->idx, then a full barrier, then reads used_event.  One of the two sees the "
                "other, so a device that wrote entry used_event was obliged to notify.  With EVENT_IDX one lost "
                "interrupt is permanent as long as signalled_used is valid: the next completion is no longer the one "
                "asked for.  What signalled_used says tells where on the way it was lost.",
    confirm=("a second capture a few seconds later that shows the same last_used_idx",
             "the irq's count in /proc/interrupts does not rise while requests wait",
             "I/O resumes once an interrupt is sent by hand"),
    actions=(remedies.RESET,),
    references=("virtio 1.2, 2.7.7 Used Buffer Notification Suppression; 2.8.10 for packed rings",
                "QEMU hw/virtio/virtio.c, virtio_split_should_notify(), virtqueue_split_flush()",
                "Linux drivers/virtio/virtio_ring.c, vring_interrupt(), virtqueue_enable_cb_prepare_split()",
                "D. Zhang, \"Add debug interface to kick/call on purpose\", qemu-devel, March 2021"),
)
