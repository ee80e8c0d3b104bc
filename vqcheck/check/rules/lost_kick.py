"""K1: a kick was due and the device never looked, whatever is behind it."""
from typing import Any, List

from .. import late as lateness
from .. import remedies
from ..case import Case
from ..late import Late, entries
from ..result import LIKELY, POSSIBLE, UNLIKELY, Cause, Event, Evidence, Excused, Found, Outcome
from ..rule import CRITICAL, KICKS, Rule
from .common import fields, lasting, lost_kick, one_reading, thread


def test(case: Case) -> Outcome:
    """Whether a kick is late."""
    late = lateness.kick(case)
    if not isinstance(late, Late):
        return late
    if late.excuse is not None:
        return _excused(case, late)
    event = lost_kick(case)
    sleeping, lacking = thread(case)
    if case.peek("driver.num_added") is None:
        lacking.append("num_added is not known")
    return Found(
        headline=f"{entries(case, late.number)} posted by the driver and never popped by the device: the kick due for "
                 f"available entry {event.place} was lost",
        evidence=[*base(case, late), *sleeping],
        doubts=[*late.doubts, *_just_posted(case, late)],
        against=_against(case),
        lacking=one_reading(case) + lacking,
        event=event,
        blame="notification path or host: the driver is past its decision whether to kick, and the device never looked"
              if case.peek("driver.num_added") == 0 else
              "driver, notification path or host: whether the driver came to its decision to kick is not known",
        causes=_causes(case),
        actions=remedies.kick_by_hand(case),
        one_more=remedies.one_more_kick(case),
    )


def _excused(case: Case, late: Late) -> Outcome:
    """No kick was due; that the entries wait all the same is good only while it is young."""
    if late.persistence.young:
        return Excused(f"{late.what}: {late.excuse}")
    return Found(
        f"{late.what}: {late.excuse}", base(case, late),
        [f"{late.excuse}; but {late.persistence.evidence or late.persistence.doubt}. Capture again: if it stays, the "
         "device has forgotten its queue"])


def behind(case: Case, late: Late, why: str, *more: Evidence, **rest: Any) -> Found:
    """The finding of a rule that knows what is behind a late kick."""
    given = {"doubts": [*late.doubts, *_just_posted(case, late)], "lacking": one_reading(case),
             "event": event(case), **rest}
    return Found(f"{entries(case, late.number)} posted by the driver and never popped by the device: {why}",
                 [*base(case, late), *more], **given)


def event(case: Case) -> "Event | None":
    """The kick that was due; None where none was."""
    return lost_kick(case) if case.kick_due else None


def by_hand(case: Case) -> "dict[str, Any]":
    """What moves such a queue."""
    return {"actions": remedies.kick_by_hand(case), "one_more": remedies.one_more_kick(case)}


def _just_posted(case: Case, late: Late) -> List[str]:
    """A request's age counts from its allocation: it may have waited in the I/O scheduler and been posted just now."""
    if len(case.history.host) > 1 and late.persistence.evidence and "captures" in late.persistence.evidence:
        return []
    if not (case.popped or case.returned) or any(one.issued_ns is not None for one in late.requests or []):
        return []
    part = case.guest_device.guest
    schedulers = {one.scheduler for one in (part.block if part else None) or []}
    if not late.requests or schedulers == {"none"}:
        return []
    return ["the queue is at work on other requests, and those that were posted may have waited in the guest's I/O "
            "scheduler until just now. Capture again after a second"]


def base(case: Case, late: Late) -> List[Evidence]:
    """What shows that entries wait for the device: what all the rules of this family rest on."""
    words, ring = case.axis.words, case.ring_avail
    posted = fields(next_avail_idx=words(ring)) if case.packed else fields(avail__idx=ring)
    return [Evidence(f"the device has not popped {entries(case, late.number)}", posted,
                     fields(last_avail_idx=words(case.device_avail))),
            *_due(case), *lasting(late), *_counter(case)]


def _due(case: Case) -> List[Evidence]:
    if not case.kick_due:
        return []
    if case.avail_event is None:
        flags = "device event flags 0 (always)" if case.packed else f"used->flags {case.ring.used_flags}"
        return [Evidence("every entry that is posted owes a kick: NO_NOTIFY is clear", None, flags)]
    words = case.axis.words
    asks, first, end = words(case.avail_event), words(case.device_avail), words(case.ring_avail)
    return [Evidence(
        f"a kick was due: avail_event asks for one once entry {asks} is there, and lies in [{first}, {end}), so "
        f"vring_need_event({asks}, {end}, {first}) is true", None,
        f"avail_event {asks}, written by the device" + ("" if case.packed else " behind the used ring"))]


def _counter(case: Case) -> List[Evidence]:
    notifier = case.peek("notify.host_notifier")
    if notifier is None or notifier.eventfd_count is None:
        return []
    says = "the kick has arrived in the host notifier, and nobody has read it" if notifier.eventfd_count else \
        "no kick waits in the host notifier: it was read, or never arrived"
    return [Evidence(says, None, f"fd {notifier.fd}, eventfd_count {notifier.eventfd_count}")]


def _against(case: Case) -> List[str]:
    found = []
    if case.serving is None:
        found.append("the serving thread's stack is not known: it may be about to run the queue's handler")
    if case.peek("driver.num_added") is None:
        found.append("num_added is not known: the driver may still be adding requests, and kick later")
    if case.peek("notify.polling") is None:
        found.append("whether the event loop is busy polling is not known: it needs no kicks then")
    if lateness.may_be_drained(case):
        found.append("whether the block layer is drained is not known: the device takes no requests then, and comes to "
                     "them when the drain ends")
    if case.peek("notify.host_notifier.eventfd_count") is None:
        found.append("the host notifier's eventfd counter is not known (it is not in a core): above 0 the kick has "
                     "arrived, and the thread does not serve it")
    return found


def _causes(case: Case) -> List[Cause]:
    count = case.peek("notify.host_notifier.eventfd_count")
    unread = "the counter of the host notifier is 0"
    arrived = Cause(LIKELY if count else POSSIBLE if count is None else UNLIKELY,
                    "the kick arrived and the event loop does not serve it (thread blocked, event lost)",
                    "" if count is None else f"eventfd_count {count}",
                    "eventfd_count of the host notifier above 0; stacks of all threads", ["K5", "K6"])
    if count:
        return [arrived]
    found = [
        Cause(POSSIBLE, "the kick was read and its handler was not run, or returned without looking at the ring",
              "" if count is None else unread, "a trace of virtio_queue_notify on a live QEMU", ["K1"]),
        Cause(POSSIBLE, "the kick never reached QEMU: ioeventfd not assigned in KVM, or the guest did not write it",
              "" if count is None else unread, "host_notifier_enabled; ioeventfd_nb of the notify region, in gdb; a "
              "trace of kvm_fast_mmio; virtqueue_notify in the guest", ["K7"]),
    ]
    if case.avail_event is not None:
        found.append(Cause(
            POSSIBLE, "the device asked for kicks only after the driver had decided against one, and did not look at "
            "the ring again", "", "QEMU's version; block jobs and drains in its log", ["K3"]))
    return found + [arrived] if count == 0 else [found[0], arrived, *found[1:]]


RULE = Rule(
    id="K1", slug="lost-kick",
    title="A kick that was due never made the device look",
    blame="notification path or host",
    severity=CRITICAL, stage=KICKS, test=test, essential=True,
    holds_when="entries are posted and not popped, the driver is past its decision whether to kick (num_added 0), "
               "avail_event lies in [last_avail_idx, avail->idx) (without EVENT_IDX: NO_NOTIFY is clear), the device "
               "takes requests, the serving thread sleeps, and this lasts for more than a second",
    needs=("kind", "vhost", "posted", "popped", "kick_due"),
    not_when=("the event loop is busy polling: it has kicks switched off",
              "the serving thread is about to run the queue's handler, or is inside it",
              "a queue that is full of buffers when idle: receive and event queues",
              "the device is drained, or not running",
              "the device has gone on since a capture of the last ten seconds, and no ages say otherwise"),
    explanation="The device writes avail_event = last_avail_idx, then a full barrier, then reads avail->idx again.  "
                "The driver writes avail->idx, then a full barrier, then reads avail_event.  One of the two sees the "
                "other: if avail_event lies among the posted entries, the driver kicked, and the kick had no effect.",
    confirm=("the counter of the host notifier in /proc/PID/fdinfo/FD: 0 means that the kick never arrived or was "
             "read, above 0 that it was not read",
             "a second capture with the same last_avail_idx",
             "I/O resumes once a kick is sent by hand"),
    actions=(remedies.RESET,),
    references=("virtio 1.2, 2.7.10 Available Buffer Notification Suppression; 2.8.10 for packed rings",
                "QEMU hw/virtio/virtio.c, virtio_queue_set_notification(), virtio_queue_host_notifier_read()",
                "D. Zhang, \"Add debug interface to kick/call on purpose\", qemu-devel, March 2021: a crash dump "
                "with 30 kicks in the eventfd of a vhost-scsi queue"),
)
