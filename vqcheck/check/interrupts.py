"""Lost interrupts: the device returned entries that the driver has not consumed, and owed a notification for them."""
from typing import List, Optional

from ..snapshot.transport_model import MsixVector
from ..virtio.event import distance
from . import wording
from .facts import Facts
from .pairing import Pair
from .stacks import Standing, asleep, unknown_thread, unproven
from .verdict import Cause, Event, Evidence, Finding

RULE = "lost-interrupt"

NO_VECTOR = 0xFFFF
"""VIRTIO_NO_VECTOR."""


def finding(pair: Pair, facts: Facts, lasts: str, thread: Optional[Standing]) -> Finding:
    """The finding, once it is established that the interrupt was due and that the state lasts."""
    what = lost(pair, facts)
    return Finding(
        rule=RULE,
        headline=f"{wording.entry(facts.returned)} completed by the device and never seen by the driver: the "
                 f"interrupt due for used entry {what.idx} was lost",
        blame=_held_back(pair) or _owed(facts),
        event=what,
        evidence=_evidence(pair, facts, lasts, thread),
        against=_unknown(pair, thread),
        confidence=_confidence(pair, thread),
        causes=[] if _held_back(pair) else _causes(facts),
        actions=_actions(pair, facts),
    )


def lost(pair: Pair, facts: Facts) -> Event:
    """The interrupt that was due: the used entry whose writing crossed used_event."""
    idx = facts.ring.used_event if facts.event_idx else facts.last_used_idx
    head = next((entry.id for entry in pair.guest.used or [] if entry.idx == idx), None)
    notify = pair.host.notify
    vector = f"MSI-X vector {notify.vector}" if notify and _msix(pair) and notify.vector != NO_VECTOR else None
    return Event("interrupt", idx, head, wording.request_of(pair.guest, head), vector)


def _msix(pair: Pair) -> Optional[MsixVector]:
    """The vector's MSI-X entry, where MSI-X is in use."""
    msix = pair.host.notify.msix if pair.host.notify else None
    return msix if msix is not None and msix.enabled else None


def _held_back(pair: Pair) -> Optional[str]:
    """Who holds the interrupt back by what both sides show; None where nobody is seen to."""
    irq, msix, notify = pair.guest.irq, _msix(pair), pair.host.notify
    if irq is not None and irq.depth:
        return f"guest: it has irq {irq.number} disabled (depth {irq.depth}), whatever the device sends"
    if irq is not None and irq.pending:
        return f"guest: irq {irq.number} has arrived (IRQS_PENDING) and was not handled"
    if notify is not None and notify.vector == NO_VECTOR:
        return "guest or state load: the queue has no vector (VIRTIO_NO_VECTOR), and QEMU sends nothing for it"
    if msix is not None and not msix.in_use:
        return "guest or state load: the queue's MSI-X vector is not marked in use, and QEMU drops what is sent to it"
    if msix is not None and (msix.masked or msix.function_masked):
        return "guest or notification path: the queue's MSI-X vector is masked, so nothing the device sends arrives"
    return None


def _owed(facts: Facts) -> str:
    asked = " by used_event" if facts.event_idx else ""
    return f"host or notification path: the guest's driver had asked for the interrupt{asked}, and the device owed it"


def _evidence(pair: Pair, facts: Facts, lasts: str, thread: Optional[Standing]) -> List[Evidence]:
    found = [Evidence(f"used->idx {facts.ring.used_idx}, last_used_idx {facts.last_used_idx}",
                      f"the driver has not consumed {wording.entry(facts.returned)}"),
             Evidence(f"last_avail_idx {facts.last_avail_idx}, used_idx {facts.used_idx}", _done(facts)),
             _due(facts)]
    if facts.callbacks_on:
        found.append(Evidence("avail_flags_shadow bit 0 clear", "the driver's callbacks are on"))
    found += [_suppression(facts), Evidence("persistence", lasts)]
    notifier = pair.host.notify.guest_notifier if pair.host.notify else None
    # With irqfd KVM takes the signal, and older host kernels leave the counter as it is.
    if notifier is not None and notifier.eventfd_count is not None and not notifier.irqfd:
        found.append(Evidence(f"eventfd_count of the guest notifier, fd {notifier.fd}, is {notifier.eventfd_count}",
                              "the interrupt was written there and nobody has read it" if notifier.eventfd_count else
                              "no interrupt waits there: it was read, or never written"))
    if thread is not None:
        found.append(asleep(thread))
    return found


def _done(facts: Facts) -> str:
    left = facts.posted + facts.popped
    if not left:
        return "the device has seen and completed everything that the driver posted"
    return f"the device has returned all but {wording.entry(left)}"


def _due(facts: Facts) -> Evidence:
    ring = facts.ring
    if not facts.event_idx:
        return Evidence(f"avail->flags {ring.avail_flags}", "NO_INTERRUPT is clear: every completion owes an interrupt")
    return Evidence(
        f"used_event {ring.used_event} (written by the driver behind the available ring)",
        f"it asks for an interrupt once entry {ring.used_event} is written, and lies in [{facts.last_used_idx}, "
        f"{ring.used_idx}): vring_need_event({ring.used_event}, {ring.used_idx}, {facts.last_used_idx}) is true, "
        "so an interrupt was due")


def _suppression(facts: Facts) -> Evidence:
    """What (signalled_used, signalled_used_valid) prove; QEMU hw/virtio/virtio.c, virtio_split_should_notify()."""
    if facts.signalled_used is None or facts.signalled_used_valid is None:
        return Evidence("signalled_used", "not known, so whether QEMU evaluated the need to notify can't be told")
    known = f"signalled_used {facts.signalled_used}, signalled_used_valid {str(facts.signalled_used_valid).lower()}"
    behind = distance(facts.used_idx, facts.signalled_used)
    if not facts.event_idx:
        says = "means nothing without EVENT_IDX: QEMU does not keep it then"
    elif _never_evaluated(facts):
        says = (f"the check whether to interrupt has never been completed for this queue in this QEMU process since "
                f"reset or load, although used_idx is {facts.used_idx}; the next completion is certain to notify")
    elif not facts.signalled_used_valid:
        says = ("the last evaluation was invalidated (vhost stopped, or 32768 completions without one); the next "
                "completion is certain to notify")
    elif not facts.evaluated:
        says = (f"QEMU has not evaluated the need to interrupt for the last {wording.entry(behind)} that it returned, "
                "the one due among them: the notification was lost inside QEMU, between virtqueue_push() and "
                "virtio_notify()")
    else:
        rest = f" (the last {wording.entry(behind)} came later and owed none)" if behind else ""
        says = (f"QEMU has evaluated the need to interrupt for the entry due{rest}: the interrupt was lost after that, "
                "on its way from the guest notifier to the guest's handler, or QEMU decided wrongly")
    return Evidence(known, says)


def _never_evaluated(facts: Facts) -> bool:
    return facts.event_idx and facts.signalled_used_valid is False and facts.signalled_used == 0


def _unknown(pair: Pair, thread: Optional[Standing]) -> List[str]:
    found = ["when the entries were completed is not known: requests that came back late from slow storage look like "
             "this for a moment. A second capture with the same indexes makes it certain"]
    if thread is None:
        found.append(unknown_thread("it may stand between virtqueue_push and the notification"))
    if pair.guest.irq is None:
        found.append("the guest's irq_desc is not known: the guest may hold the interrupt back itself")
    msix = pair.host.notify.msix if pair.host.notify else None
    if msix is None:
        found.append("the MSI-X entry of the queue's vector is not known: it may be masked")
    elif not msix.enabled:
        found.append("MSI-X is not enabled: the interrupt goes by INTx, whose line is not looked at yet")
    return found


def _confidence(pair: Pair, thread: Optional[Standing]) -> str:
    lacking = unproven(pair, thread)
    if lacking:
        return "fair: the arithmetic leaves no other reading, but " + " and ".join(lacking)
    return "good: both sides read the same ring, and the serving thread sleeps"


DOWNSTREAM = [
    Cause("the eventfd write was lost or is not consumed (irqfd not assigned, handler missing)",
          "eventfd_count of the guest notifier on a live QEMU: above 0 means that nobody reads it"),
    Cause("the eventfd write is still deferred (QEMU from 8.2: defer_call() in the serving thread)",
          "the thread's list of deferred calls; a second capture"),
    Cause("the MSI-X entry or the KVM route is stale",
          "the entry and irqfd message on the host against msi_desc and irq_desc in the guest"),
    Cause("the vCPU never took the interrupt",
          "`info lapic` of the target vCPU (IRR); affinity of the irq in the guest"),
    Cause("QEMU read a stale used_event and decided not to notify", "a barrier or cache fault; QEMU's version"),
]

HAND_OVER = Cause(
    "the notification was lost across a hand-over (live migration, save and restore, loadvm): the source completed the "
    "requests, and nothing signals again after a load",
    "-incoming on QEMU's command line, a process younger than the guest's boot; other queues of the same process that "
    "did I/O since show signalled_used valid")

FIRST = Cause("QEMU never came to its first notification of this queue: skipped, or its thread stopped before it",
              "stacks of all threads; a trace of virtio_notify on the next completion")


def _causes(facts: Facts) -> List[Cause]:
    if _never_evaluated(facts):
        likely = [FIRST, HAND_OVER] if facts.used_idx <= facts.size else [HAND_OVER, FIRST]
        return [
            *likely,
            Cause("notifications bypass virtio.c (vhost-user or vDPA backend that was disconnected)",
                  "vhost_started, a vhost-user device type; then all queues show signalled_used 0 and invalid"),
            Cause("fields of another queue, or debug information that does not match",
                  "ring addresses and size equal on both sides; QEMU's build id"),
        ]
    if facts.evaluated is False and facts.signalled_used_valid:
        return [
            Cause("QEMU skipped the notification, or its thread stopped between push and notify",
                  "stacks of all threads; a second capture: does the thread still stand there?"),
            Cause("a batched notification was never flushed",
                  "batch_notify_vqs and its bottom half (QEMU up to 8.1)"),
        ]
    return DOWNSTREAM


def _actions(pair: Pair, facts: Facts) -> List[str]:
    irq = pair.guest.irq
    if irq is not None and irq.depth:
        return [f"in the guest, find who disabled irq {irq.number} (dmesg: \"nobody cared\"; a suspend or reset)",
                "unbind and bind the device's driver, or reset the VM"]
    if _held_back(pair):
        number = irq.number if irq is not None else "N"
        return [f"in the guest, write the irq's affinity again: cat /proc/irq/{number}/smp_affinity, and echo it back "
                "(that masks and unmasks the vector, and sends what is pending)",
                "unbind and bind the device's driver, or reset the VM"]
    found = _one_more_request(pair, facts)
    notify = pair.host.notify
    notifier = notify.guest_notifier if notify else None
    if notifier and notifier.fd is not None and notifier.fd >= 0 and notifier.initialized is not False:
        found.append(f"on the host, write the number 1 (8 bytes) to the guest notifier, fd {notifier.fd} of QEMU: "
                     f"gdb -p PID -batch -ex 'call (int)eventfd_write({notifier.fd}, 1)'. A spurious interrupt is "
                     "harmless: drivers must tolerate it (virtio 1.2, 2.7.7.1)")
    if irq is not None:
        found.append(f"in the guest, if debugfs has it: echo trigger > /sys/kernel/debug/irq/irqs/{irq.number}")
    found.append("if the irq count then rises but last_used_idx does not move, the guest is to blame; if I/O resumes, "
                 "the loss of the notification is proven and no data is lost")
    found.append("last resort: reset the VM")
    return found


def _one_more_request(pair: Pair, facts: Facts) -> List[str]:
    """Whether one more request un-wedges the queue, and how to send it there."""
    if facts.next_completion_notifies is False:
        return ["more I/O from the guest will NOT help: with used_event where it is, the next completion is suppressed"]
    if not (facts.next_completion_notifies and facts.next_request_kicks and facts.room):
        return []
    disk, queue = pair.guest_device.name, pair.guest.queue_index
    where = ""
    if len(pair.guest_device.queues) > 1 or queue:
        where = f"taskset -c CPU, one of /sys/block/{disk}/mq/{queue}/cpu_list, so that it goes to this queue: "
    return [f"in the guest, issue one read that goes to the disk: {where}dd if=/dev/{disk} of=/dev/null bs=4k count=1 "
            "iflag=direct. Its completion is certain to be signalled, and the handler then consumes all that waits"]
