"""Interrupts that QEMU owed and has not sent: I1, I3, I4, M1."""
from typing import List, Optional

from .. import late as lateness
from .. import remedies
from ..case import Case
from ..late import Late
from ..result import Evidence, Outcome
from ..rule import CRITICAL, INTERRUPTS, Rule
from ..stacks import Standing, in_words
from .causes_of_interrupts import NO_MIGRATION
from .common import fields, of_late_interrupt, thread
from .lost_interrupt import behind, by_hand

NOT_VHOST = "vhost serves the queue: QEMU sends no interrupt for it"


@of_late_interrupt
def _between(case: Case, late: Late) -> Outcome:
    if case.vhost:
        return NOT_VHOST
    stuck = _stuck(case)
    if stuck is not None:
        return behind(case, late, "the thread that owes the interrupt is stuck before it sends it", Evidence(
            "the thread has not moved on", None, in_words(stuck)))._replace(doubts=(), actions=(
                f"find what thread {stuck.thread.id} waits for, from the stacks of all threads (gdb: thread apply all "
                "bt), and cure that",))
    if case.evaluated is not False or case.never_evaluated:
        return "signalled_used does not say that the evaluation for the entry due was left out"
    sleeping, lacking = thread(case)
    if not sleeping:
        return "; ".join(lacking) or "the serving thread is busy, and may still come to it"
    return behind(case, late, "QEMU returned them and did not go on to notify", *sleeping, **by_hand(case))


def _stuck(case: Case) -> Optional[Standing]:
    """The thread that carries the interrupt, where several captures show it in one place."""
    mover = case.interrupt_mover
    return mover if mover is not None and _is_its_own(case, mover) and lateness.stays(case, mover) else None


def _is_its_own(case: Case, mover: Standing) -> bool:
    """Whether what a thread carries is of this queue: another may be stuck with another queue's interrupt."""
    if case.serving is None or mover.thread.id == case.serving.thread.id:
        return True
    notifier, main = case.peek("notify.guest_notifier"), case.threads.main
    return bool(notifier and notifier.handler and main and mover.thread.id == main.thread.id)


NOT_NOTIFIED = Rule(
    id="I1", slug="not-notified",
    title="QEMU returned entries and did not notify",
    blame="host: QEMU's own code or the thread that runs it",
    severity=CRITICAL, stage=INTERRUPTS, test=_between,
    holds_when="signalled_used is valid and does not cover the entry that used_event asks for, while the serving "
               "thread sleeps; or a thread stands between virtqueue_push() and the notification in several captures",
    needs=("kind", "returned", "vhost", "evaluated"),
    not_when=("the thread is on its way: a single capture may catch it between push and notify",
              "EVENT_IDX is not negotiated, or the ring is packed: signalled_used then tells nothing of the kind"),
    explanation="QEMU sets signalled_used to used_idx when it evaluates whether to interrupt, right after it has "
                "returned an entry.  If it lags behind the entry due while nobody is at work, that evaluation was "
                "left out: the completion path returned early, or its thread is stuck before it.",
    confirm=("gdb: thread apply all bt, twice", "a trace of virtio_notify and virtio_notify_irqfd"),
    actions=(remedies.CORE, remedies.RESET),
    references=("QEMU hw/virtio/virtio.c, virtio_split_should_notify(), virtio_notify_irqfd()",),
    explains=("I0",),
)


@of_late_interrupt
def _gathered(case: Case, late: Late) -> Outcome:
    if case.vhost:
        return NOT_VHOST
    if case.peek("notify.batched"):
        evidence = Evidence("the queue is marked in batch_notify_vqs: its interrupt waits for a bottom half", None,
                            "batched true")
    else:
        serving = case.serving
        calls = serving.thread.deferred_calls if serving else case.get("notify.batched")
        if not calls or serving is None:
            return "nothing is gathered, and no call is put off"
        if not serving.at_rest:
            return "the serving thread is busy, and may be inside a section that puts calls off"
        evidence = Evidence("the serving thread sleeps with calls put off", None, fields(
            deferred_calls=calls, defer_depth=serving.thread.defer_depth))
    return behind(case, late, "the interrupt was gathered with others and never sent", evidence, **by_hand(case))


GATHERED = Rule(
    id="I3", slug="notification-not-flushed",
    title="A gathered interrupt was never sent",
    blame="host: QEMU's device model",
    severity=CRITICAL, stage=INTERRUPTS, test=_gathered,
    holds_when="an interrupt is late, and the queue is marked in batch_notify_vqs (QEMU until 8.1), or the serving "
               "thread sleeps with deferred calls (QEMU from 8.2)",
    needs=("kind", "returned", "vhost"),
    not_when=("the thread is between defer_call_begin() and defer_call_end()",),
    explanation="To save interrupts QEMU gathers them while it works through a batch: until 8.1 in a bitmap that a "
                "bottom half flushes, only without EVENT_IDX; from 8.2 on as deferred calls of the thread.  With the "
                "latter signalled_used says that all is well although the eventfd was not written.",
    confirm=("a second capture that shows the same",),
    actions=(remedies.CORE, remedies.RESET),
    references=("QEMU util/defer-call.c (from 8.2)",
                "QEMU hw/block/dataplane/virtio-blk.c, notify_guest_bh() (until 8.1)",
                "QEMU commits 84d61e5f36 (8.2, deferred calls), 725fe5d10d (5.0, more than 64 queues), ebb6ff25cd "
                "(4.2, cancelled at stop), 12c1c7d7ce (2.12, gathers only without EVENT_IDX)"),
    explains=("I0",),
)


@of_late_interrupt
def _refused(case: Case, late: Late) -> Outcome:
    if case.vhost:
        return NOT_VHOST
    if not case.evaluated:
        return "QEMU has not evaluated the need to interrupt for the entry due"
    if case.by_vector is False and case.bus != "ccw":
        return "the guest clears isr when it takes an interrupt by the device's line, so it proves nothing"
    if case.get("host.isr") & 1:
        return "isr says that the device has raised an interrupt since its reset"
    return behind(case, late, "QEMU evaluated the need to interrupt and decided against it", Evidence(
        "the device has raised no interrupt since its reset", None, "isr 0"), **by_hand(case))


REFUSED = Rule(
    id="I4", slug="decided-not-to-notify",
    title="QEMU decided against an interrupt that was due",
    blame="host: QEMU's device model",
    severity=CRITICAL, stage=INTERRUPTS, test=_refused,
    holds_when="an interrupt is late, signalled_used is valid and covers the entry due, and bit 0 of isr is clear: "
               "the device has raised no interrupt since its reset",
    needs=("kind", "returned", "vhost", "evaluated", "host.isr"),
    not_when=("isr is 1: it stays so with MSI-X, over migrations too, and then proves nothing",
              "INTx or virtio-mmio: the guest's handler clears isr"),
    explanation="The decision is vring_need_event(used_event, used_idx, signalled_used).  It goes wrong when "
                "signalled_used is stale (after a stop of vhost or a reload of the driver) or used_event is read "
                "before the driver's write is visible.",
    confirm=("a trace of virtio_notify_irqfd on the next completion: it is not there",),
    actions=(remedies.CORE, remedies.RESET),
    references=("QEMU hw/virtio/virtio.c, virtio_split_should_notify()",
                "QEMU commits 6793dfd1b6 (1.6, stale after dataplane's stop), 750539c4c4 (7.0, packed)",
                "DPDK commits 2f706027c8 (stale after live migration), 159793ac86 (missing barrier); SPDK issue "
                "3178"),
    explains=("I0",),
)


@of_late_interrupt
def _handed_over(case: Case, late: Late) -> Outcome:
    if case.vhost:
        return NOT_VHOST
    if not case.never_evaluated:
        return "signalled_used is not that of a queue that was loaded and not used since"
    if case.posted or case.popped:
        return "the queue has been used since: entries are posted or popped"
    signs = _signs_of_load(case)
    if not signs:
        return ("signalled_used is that of a queue that was loaded and not used since, but nothing else says that this "
                "process loaded its state")
    return behind(case, late, "the interrupt was lost across a migration or restore, before this QEMU took over",
                  *signs, **by_hand(case))


def _signs_of_load(case: Case) -> List[Evidence]:
    found = []
    incoming, completed = case.peek("qemu.incoming"), case.peek("host.block.completed")
    if incoming not in (None, NO_MIGRATION):
        found.append(Evidence("this process is the destination of a migration", None, f"incoming {incoming}"))
    if completed == 0:
        found.append(Evidence("this process has completed no request of the disk, although used_idx is not 0: another "
                              "one did", None, f"completed 0, used_idx {case.device_used}"))
    return found


HANDED_OVER = Rule(
    id="M1", slug="lost-across-hand-over",
    title="An interrupt was lost across a migration or restore",
    blame="host: state transfer between two QEMUs, or out of a file",
    severity=CRITICAL, stage=INTERRUPTS, test=_handed_over,
    holds_when="an interrupt is late, EVENT_IDX is negotiated, nothing is posted or popped, signalled_used is 0 and "
               "invalid although used_idx is not 0, and the process is a migration's destination or has completed "
               "nothing itself",
    needs=("kind", "returned", "vhost", "posted", "popped", "never_evaluated"),
    not_when=("EVENT_IDX is off", "vhost serves the queue, which leaves the same signalled_used behind"),
    explanation="virtio_load() takes used_idx from the ring and leaves signalled_used invalid.  Starting the device "
                "again replays kicks, by writing to every host notifier, but nothing replays interrupts: what the "
                "source completed last, and did not get through to the guest, stays unseen until the next "
                "completion.",
    confirm=("-incoming on QEMU's command line, libvirt's log of a migration or restore near the hang",
             "other queues of the same process: those used since the load have signalled_used valid and equal to "
             "used_idx, the others 0 and invalid"),
    actions=(remedies.RESET,),
    references=("QEMU hw/virtio/virtio.c, virtio_load()",
                "the same in other VMMs: cloud-hypervisor PR 7851, \"Trigger interrupts in guest on resume\", "
                "issues 8004, 8626; Firecracker PR 5568; SPDK issue 2410; DPDK commit 2f706027c8"),
    explains=("I0",),
)

RULES = (NOT_NOTIFIED, GATHERED, REFUSED, HANDED_OVER)
