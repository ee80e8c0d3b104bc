"""Lost interrupts: the device returned entries that the driver has not consumed, and owed a notification for them."""
from typing import List, Optional

from ..virtio.event import distance
from . import wording
from .facts import Facts
from .pairing import Pair
from .stacks import Standing, in_words
from .verdict import Cause, Event, Evidence, Finding

RULE = "lost-interrupt"


def lost(pair: Pair, facts: Facts) -> Event:
    """The interrupt that was due: the used entry whose writing crossed used_event."""
    idx = facts.ring.used_event if facts.event_idx else facts.last_used_idx
    head = next((entry.id for entry in pair.guest.used or [] if entry.idx == idx), None)
    notify = pair.host.notify
    vector = f"MSI-X vector {notify.vector}" if notify and notify.vector is not None and notify.msix else None
    return Event("interrupt", idx, head, wording.request_of(pair.guest, head), vector)


def finding(pair: Pair, facts: Facts, lasts: str, thread: Optional[Standing]) -> Finding:
    """The finding, once it is established that the interrupt was due and that the state lasts."""
    what = lost(pair, facts)
    return Finding(
        rule=RULE,
        headline=f"{wording.entry(facts.returned)} completed by the device and never seen by the driver: the "
                 f"interrupt due for used entry {what.idx} was lost",
        blame=_blame(pair, facts),
        event=what,
        evidence=_evidence(pair, facts, lasts, thread),
        against=_unknown(pair, thread),
        confidence=_confidence(pair, thread),
        causes=_causes(facts),
        actions=_actions(pair, facts),
    )


def _blame(pair: Pair, facts: Facts) -> str:
    irq, msix = pair.guest.irq, pair.host.notify.msix if pair.host.notify else None
    if irq is not None and irq.depth:
        return f"guest: it has irq {irq.number} disabled (depth {irq.depth}), whatever the device sends"
    if msix is not None and (msix.masked or msix.function_masked):
        return "guest or notification path: the queue's MSI-X vector is masked, so nothing the device sends arrives"
    asked = " by used_event" if facts.event_idx else ""
    return f"host or notification path: the guest's driver had asked for the interrupt{asked}, and the device owed it"


def _evidence(pair: Pair, facts: Facts, lasts: str, thread: Optional[Standing]) -> List[Evidence]:
    ring = facts.ring
    found = [
        Evidence(f"used->idx {ring.used_idx}, last_used_idx {facts.last_used_idx}",
                 f"the driver has not consumed {wording.entry(facts.returned)}"),
        Evidence(f"last_avail_idx {facts.last_avail_idx}, used_idx {facts.used_idx}",
                 "the device has seen and completed everything that the driver posted" if not facts.popped
                 and not facts.posted else f"the device has returned all but {facts.posted + facts.popped}"),
        _due(facts),
        _suppression(facts),
        Evidence("persistence", lasts),
    ]
    if facts.callbacks_on:
        found.insert(3, Evidence("avail_flags_shadow bit 0 clear", "the driver's callbacks are on"))
    notifier = pair.host.notify.guest_notifier if pair.host.notify else None
    if notifier and notifier.eventfd_count is not None:
        found.append(Evidence(f"eventfd_count of the guest notifier, fd {notifier.fd}, is {notifier.eventfd_count}",
                              "the interrupt was written there and nobody has read it" if notifier.eventfd_count else
                              "no interrupt waits there: it was read, or never written"))
    if thread is not None and thread.at_rest:
        found.append(Evidence("stack of the serving thread", in_words(thread) + ": it sleeps and notifies nothing"))
    return found


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
    known = f"signalled_used {facts.signalled_used}, signalled_used_valid {_bool(facts.signalled_used_valid)}"
    if facts.signalled_used is None or facts.signalled_used_valid is None:
        return Evidence("signalled_used", "not known, so whether QEMU evaluated the need to notify can't be told")
    if not facts.event_idx:
        return Evidence(known, "means nothing without EVENT_IDX: QEMU does not keep it then")
    if not facts.signalled_used_valid and facts.signalled_used == 0:
        return Evidence(known, "the check whether to interrupt has never been completed for this queue in this QEMU "
                               f"process since reset or load, although {facts.used_idx} entries have been returned; "
                               "the next completion is certain to notify")
    if not facts.signalled_used_valid:
        return Evidence(known, "the last evaluation was invalidated (vhost stopped, or 32768 completions without "
                               "one); the next completion is certain to notify")
    if facts.signalled_used == facts.used_idx:
        return Evidence(known, "QEMU evaluated the need to interrupt for all that it returned: the interrupt was lost "
                               "after that, on its way from the guest notifier to the guest's handler")
    return Evidence(known, f"QEMU has not evaluated the need to interrupt for the last "
                           f"{distance(facts.used_idx, facts.signalled_used)} entries that it returned: the "
                           "notification was lost inside QEMU, between virtqueue_push() and virtio_notify()")


def _bool(value: Optional[bool]) -> str:
    return "unknown" if value is None else str(value).lower()


def _unknown(pair: Pair, thread: Optional[Standing]) -> List[str]:
    found: List[str] = []
    if thread is None:
        found.append("the serving thread's stack is not known: it may stand between virtqueue_push and "
                     "the notification")
    elif not thread.at_rest:
        found.append(in_words(thread) + ", not asleep in its event loop")
    irq, msix = pair.guest.irq, pair.host.notify.msix if pair.host.notify else None
    if irq is None:
        found.append("the guest's irq_desc is not known: the guest may hold the interrupt back itself")
    elif irq.depth:
        found.append(f"irq {irq.number} is disabled in the guest (depth {irq.depth}): the guest holds it back itself")
    if msix is None:
        found.append("the MSI-X entry of the queue's vector is not known: it may be masked")
    elif msix.masked or msix.function_masked:
        found.append("the vector is masked" + (" with an interrupt pending" if msix.pending else ""))
    return found


def _confidence(pair: Pair, thread: Optional[Standing]) -> str:
    same = pair.guest.ring is not None and pair.host.ring is not None
    if same and thread is not None and thread.at_rest:
        return "high: both sides read the same ring, and the serving thread sleeps"
    lacking = [] if same else ["only one side's reading of the ring is there"]
    if thread is None or not thread.at_rest:
        lacking.append("the serving thread is not known to be asleep")
    return "good: the arithmetic leaves no other reading, but " + " and ".join(lacking)


DOWNSTREAM = [
    Cause("the eventfd write was lost or is not consumed (irqfd not assigned, handler missing)",
          "eventfd_count of the guest notifier on a live QEMU: above 0 means that nobody reads it"),
    Cause("the vector is masked, or its MSI-X entry or KVM route is stale",
          "MSI-X entry, pending bit and irqfd message on the host against msi_desc and irq_desc in the guest"),
    Cause("the vCPU never took the interrupt, or the guest has it disabled",
          "`info lapic` of the target vCPU (IRR); depth, pending and affinity of the irq in the guest"),
]


def _causes(facts: Facts) -> List[Cause]:
    never = facts.event_idx and facts.signalled_used_valid is False and facts.signalled_used == 0
    if never:
        return [
            Cause("the notification was lost across a hand-over (live migration, save and restore, loadvm): the source "
                  "completed the requests, and nothing signals again after a load",
                  "-incoming on QEMU's command line, a process younger than the guest's boot; other queues of the same "
                  "process that did I/O since show signalled_used valid"),
            Cause("notifications bypass virtio.c (vhost-user or vDPA backend that was disconnected)",
                  "vhost_started, a vhost-user device type; then all queues show signalled_used 0 and invalid"),
            Cause("fields of another queue, or debug information that does not match",
                  "ring addresses and size equal on both sides; QEMU's build id"),
            *DOWNSTREAM[1:],
        ]
    if facts.event_idx and facts.signalled_used_valid and facts.signalled_used != facts.used_idx:
        return [
            Cause("QEMU skipped the notification, or its thread stopped between push and notify",
                  "stacks of all threads; a second capture: does the thread still stand there?"),
            Cause("a batched or deferred notification was never flushed",
                  "batch_notify_vqs and its bottom half (QEMU up to 8.1), deferred calls of the thread (from 8.2)"),
        ]
    return DOWNSTREAM


def _actions(pair: Pair, facts: Facts) -> List[str]:
    disk = pair.guest_device.name
    found: List[str] = []
    again = facts.next_completion_notifies
    if again and facts.next_request_kicks:
        found.append(f"in the guest, issue one read that goes to the disk: dd if=/dev/{disk} of=/dev/null bs=4k "
                     "count=1 iflag=direct. Its completion is certain to notify, and the handler then consumes "
                     "all that waits")
    elif again is False:
        found.append("more I/O from the guest will NOT help: with used_event where it is, the next completion is "
                     "suppressed")
    notify = pair.host.notify
    notifier = notify.guest_notifier if notify else None
    if notifier and notifier.fd is not None and notifier.initialized is not False:
        found.append(f"on the host, write the number 1 (8 bytes) to the guest notifier, fd {notifier.fd} of QEMU: "
                     f"gdb -p PID -batch -ex 'call (int)eventfd_write({notifier.fd}, 1)'. A spurious interrupt is "
                     "harmless: drivers must tolerate it (virtio 1.2, 2.7.7.1)")
    irq = pair.guest.irq
    if irq is not None:
        found.append(f"in the guest, if debugfs has it: echo trigger > /sys/kernel/debug/irq/irqs/{irq.number}")
    found.append("if the irq count then rises but last_used_idx does not move, the guest is to blame; if I/O resumes, "
                 "the loss of the notification is proven and no data is lost")
    found.append("last resort: reset the VM")
    return found
