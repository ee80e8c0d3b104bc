"""What is behind a late kick, or behind entries that nobody kicked for: K2 to K7, K13, K14."""
from typing import Optional

from ...virtio import devices
from .. import late as lateness
from .. import remedies
from ..case import Case
from ..history import stood
from ..late import Late
from ..result import Evidence, Excused, Found, Outcome
from ..rule import CRITICAL, HIGH, KICKS, Rule
from ..stacks import in_words
from .common import fields, of_late_kick, thread
from .lost_kick import behind, by_hand


def _unkicked(case: Case) -> "Late | str":
    """Entries that are posted and not popped, for which no kick was due."""
    late = lateness.kick(case)
    if isinstance(late, Late) and late.excuse is None:
        return "a kick was due"
    return late.why if isinstance(late, Excused) else late


def _asleep(case: Case) -> Optional[str]:
    """Why the serving thread is not known to sleep; None where it is."""
    serving = case.serving
    if serving is None:
        return "the serving thread is not known to be asleep"
    return None if serving.at_rest else f"{in_words(serving)}: it may look at the queue before it sleeps"


def _switched_off(case: Case) -> Outcome:
    late = _unkicked(case)
    if not isinstance(late, Late):
        return late
    if case.get("device.notification"):
        return "the device has kicks switched on"
    if case.get("notify.polling"):
        return "the event loop is busy polling: kicks are switched off by design"
    if lateness.drain(case) is not None or late.persistence.young or case.popped >= case.size:
        return "the device takes no requests for another reason, or the entries are young"
    if late.excuse and "num_added" in late.excuse:
        return late.excuse
    if case.role == "tx" and case.popped:
        return "a packet is parked at its backend, and kicks are off until that takes it (B10)"
    busy = _asleep(case)
    if busy is not None and case.serving is not None:
        return busy
    return behind(case, late, "the device has kicks switched off and does not poll", Evidence(
        "nothing makes the device look at the ring: no kick is asked for, and its loop does not poll", None, fields(
            notification=False, polling=False)), *thread(case)[0],
        doubts=[*late.doubts, *([busy] if busy else [])], **by_hand(case))


SWITCHED_OFF = Rule(
    id="K2", slug="kicks-left-off",
    title="The device has switched kicks off and forgotten to switch them on",
    blame="host: QEMU's device model",
    severity=CRITICAL, stage=KICKS, test=_switched_off,
    holds_when="entries are posted and not popped for more than a second, VirtQueue.notification is false, the event "
               "loop does not poll, and nothing is drained",
    needs=("kind", "vhost", "posted", "device.notification", "notify.polling"),
    not_when=("the event loop is busy polling",
              "receive queues of network devices, where it is the normal state",
              "transmit queues with tx_waiting: the device has promised itself to look again",
              "transmit queues with a packet parked at the backend (B10)"),
    explanation="While it polls, QEMU switches kicks off, and on again when it stops.  In 8.1 and 8.2 a drain could "
                "take the poll handler away in between, and leave kicks off for ever.  With EVENT_IDX avail_event is "
                "frozen then, so the driver does not kick either.",
    confirm=("QEMU's version; a block job, a drain or a change of iothreads near the hang",),
    actions=(remedies.CORE, remedies.RESET),
    references=("QEMU commit 5bdbaebcce18, \"virtio: Re-enable notifications after drain\" (9.0, stable 8.2; "
                "RHEL-3934); the fault came with 1665d9326f and 03d7162a21 (8.1)",),
    explains=("K1",),
)


def _stale(case: Case) -> Outcome:
    late = _unkicked(case)
    if not isinstance(late, Late):
        return late
    if case.kick_due or not late.excuse or "has not asked to be kicked" not in late.excuse:
        return f"another reason: {late.excuse}"
    if late.persistence.young:
        return Excused(f"{late.what}: {late.excuse}")
    busy = _asleep(case)
    if busy is not None and case.serving is not None:
        return busy
    if case.avail_event is None:
        evidence = Evidence("the device has NO_NOTIFY set, so the driver does not kick", None, "used->flags 1")
    else:
        words = case.axis.words
        evidence = Evidence(
            f"avail_event {words(case.avail_event)} is outside of [{words(case.device_avail)}, "
            f"{words(case.ring_avail)}): by the rules the driver must not kick", None,
            fields(avail_event=words(case.avail_event), notification=case.peek("device.notification")))
    return behind(case, late, "the device asks for no kick and does not look", evidence, *thread(case)[0],
                  doubts=[*late.doubts, *([busy] if busy else [])], **by_hand(case))


STALE = Rule(
    id="K3", slug="stale-avail-event",
    title="avail_event is stale, and the driver rightly does not kick",
    blame="host: QEMU's device model, or a restored state",
    severity=CRITICAL, stage=KICKS, test=_stale,
    holds_when="entries are posted and not popped for more than a second, the driver is past its decision, "
               "avail_event lies outside of [last_avail_idx, avail->idx) or NO_NOTIFY is set, and the device sleeps",
    needs=("kind", "vhost", "posted", "kick_due"),
    not_when=("the event loop is busy polling", "the device is in the queue's handler"),
    explanation="The driver kicks only when avail_event is crossed.  A device that wrote it once and does not look "
                "again has lost the queue: new requests do not kick either, until the index has come round.",
    confirm=("avail_event equals last_avail_idx of before a restore or reset",),
    actions=(remedies.CORE, remedies.RESET),
    references=("virtio 1.2, 2.7.10", "Firecracker issues 5958 and 5969", "cloud-hypervisor issue 8004"),
    explains=("K1",),
)


def _undecided(case: Case) -> Outcome:
    late = _unkicked(case)
    if not isinstance(late, Late):
        return late
    added = case.get("driver.num_added")
    if not added:
        return "the driver has decided whether to kick (num_added 0)"
    if late.persistence.young:
        return Excused(f"{late.what}: {late.excuse}")
    return behind(case, late, "the driver added them and never came to its decision whether to kick", Evidence(
        "virtqueue_kick_prepare() was not called after the last virtqueue_add()", fields(num_added=added)),
        event=None, one_more=remedies.one_more_kick(case))


UNDECIDED = Rule(
    id="K4", slug="driver-did-not-kick",
    title="The driver added requests and never decided whether to kick",
    blame="guest: the driver or the block layer above it",
    severity=HIGH, stage=KICKS, test=_undecided,
    holds_when="entries are posted and not popped for more than a second, and vring_virtqueue.num_added is above zero",
    needs=("kind", "vhost", "posted", "driver.num_added"),
    not_when=("a CPU of the guest is inside queue_rq, or holds a plug",),
    explanation="A driver adds a batch and kicks after its last request.  If the last one is not queued, "
                "commit_rqs() has to kick instead; where that is left out the batch waits for the next request.",
    confirm=("a second capture with the same num_added", "requests on hctx->dispatch"),
    actions=("keep a dump of the guest for its kernel's developers", remedies.RESET),
    references=("virtio 1.2, 2.7.13.4", "Linux include/linux/blk-mq.h, blk_mq_ops.commit_rqs"),
    explains=("K1",),
)


def _not_served(case: Case) -> Outcome:
    late = lateness.kick(case)
    if not isinstance(late, Late):
        return late.why if isinstance(late, Excused) else late
    count = case.peek("notify.host_notifier.eventfd_count")
    serving = case.serving or case.kick_mover or case.standing
    if serving.at_rest:
        return "the serving thread sleeps in its loop"
    if lateness.drain(case) is not None or case.popped >= case.size or late.persistence.young:
        return "the device takes no requests for another reason, or the entries are young"
    certain = late.persistence.evidence and (
        lateness.stays(case, serving) or lateness.posted_for_long(case, late.requests))
    if not certain and not count:
        return "no kick is seen to wait, and the thread may have work to do"
    doubts = [] if certain else late.doubts or [
        "the thread may be about to come to it: capture QEMU again, and see whether it moves"]
    if case.serving is None and OWN_LOOP.intersection(serving.thread.functions or []):
        doubts = [*doubts, "which thread serves the queue is not known, and this one is in a loop of other queues"]
    where = "inside the queue's handler" if "virtio_queue_notify_vq" in serving.busy_in else \
        "blocked elsewhere" if serving.blocked else "busy elsewhere"
    return behind(
        case, late, "the thread that serves the queue does not come to them", Evidence(
            f"the thread is {where}", None, in_words(serving)), doubts=doubts,
        blame="host: the thread that runs the queue's event loop is stuck",
        actions=(f"find what thread {serving.thread.id} waits for, from the stacks of all threads (gdb: thread apply "
                 "all bt), and cure that",))


OWN_LOOP = frozenset(("aio_poll", "aio_dispatch", "iothread_run", "main_loop_wait"))
"""Who has these on its stack runs an event loop; without a host notifier the vCPU that kicks serves the queue."""

NOT_SERVED = Rule(
    id="K5", slug="kick-not-served",
    title="The thread that serves the queue does not come to its entries",
    blame="host: QEMU's process",
    severity=HIGH, stage=KICKS, test=_not_served,
    holds_when="entries wait to be popped, and the thread that serves the queue is not asleep in its loop: for more "
               "than five seconds, or several captures show the thread in one place, or the host notifier's counter is "
               "above zero",
    needs=("kind", "vhost", "posted", "popped", "kick_due"),
    not_when=("the thread works and gets on",),
    explanation="All queues of an event loop wait for one thread.  If it is blocked in a lock, in a system call or "
                "in a nested loop that waits for a drain, kicks pile up in their eventfds.",
    confirm=("gdb: thread apply all bt, twice; /proc/PID/task/TID/stack and wchan on the host",),
    actions=(remedies.CORE,),
    references=("QEMU commits 9b92fbcf45 (4.2, iothread against the big lock), 6910f04aa6 (10.2, virtio-scsi task "
               "management), 9a4b6a63ae (7.1)",),
    explains=("K1", "K2", "K3"),
)


@of_late_kick
def _event_lost(case: Case, late: Late) -> Outcome:
    count = case.get("notify.host_notifier.eventfd_count")
    if not count:
        return "no kick waits in the host notifier"
    if _asleep(case) is not None:
        return str(_asleep(case))
    return behind(case, late, "the kick has arrived, and the event loop sleeps over it", Evidence(
        "the thread sleeps although the eventfd that it waits for is readable", None, fields(
            eventfd_count=count, handler=case.peek("notify.host_notifier.handler"))), *thread(case)[0],
        blame="host: its event loop has the kick in its eventfd and does not run the queue's handler",
        actions=(f"{remedies.WAKE}; if it is, that is strong evidence", *remedies.kick_by_hand(case)),
        one_more=remedies.one_more_kick(case))


EVENT_LOST = Rule(
    id="K6", slug="event-loop-asleep",
    title="The event loop sleeps with the kick in its eventfd",
    blame="host: QEMU's event loop",
    severity=CRITICAL, stage=KICKS, test=_event_lost,
    holds_when="a kick is late, the host notifier's counter is above zero, and the serving thread sleeps in its loop",
    needs=("kind", "vhost", "posted", "popped", "kick_due", "notify.host_notifier.eventfd_count"),
    not_when=("the counter was raised within the last scheduler tick",),
    explanation="A loop that polls a file descriptor cannot sleep while it is readable; so the descriptor is not "
                "among those that it polls, or the wake-up was lost.",
    confirm=("/proc/PID/fdinfo of the loop's epoll descriptor does not list the host notifier (tfd)",),
    actions=(remedies.CORE,),
    references=("QEMU commits e62da98527 (8.0, upgrade to epoll), b37548fcd1 (3.1, stolen aio_notify, BZ 1562750), "
               "5710a3e09f9b (5.0, barriers on aarch64), 6d740fb01b (8.1), c31a445749 (10.2, io_uring)",),
    explains=("K1",),
)


def _no_notifier(case: Case) -> Outcome:
    late = lateness.kick(case)
    if not isinstance(late, Late):
        return late.why if isinstance(late, Excused) else late
    notifier = case.get("notify.host_notifier")
    if notifier.enabled is False and case.get("host.ioeventfd_started"):
        evidence = Evidence("the device waits for kicks by eventfd, and the queue's is not enabled", None,
                            "ioeventfd_started true, host_notifier_enabled false")
    elif notifier.enabled and notifier.handler is False and lateness.drain(case) is None:
        evidence = Evidence("no event loop watches the queue's host notifier", None, fields(
            fd=notifier.fd, enabled=True, handler=False))
    else:
        return "the host notifier is as it should be"
    if late.persistence.young:
        return f"{late.what}; {late.persistence.doubt}"
    return behind(case, late, "kicks do not reach the device's handler", evidence, **by_hand(case))


NO_NOTIFIER = Rule(
    id="K7", slug="host-notifier-off",
    title="Nobody listens to the queue's host notifier",
    blame="host: QEMU's set-up of ioeventfd",
    severity=CRITICAL, stage=KICKS, test=_no_notifier,
    holds_when="entries are posted and not popped for more than a second, and the host notifier is not enabled "
               "although the device uses ioeventfd, or no handler watches it although nothing is drained",
    needs=("kind", "vhost", "posted", "notify.host_notifier"),
    not_when=("ioeventfd is off by choice: then the vCPU that kicks runs the handler itself",
              "a drain is under way, which takes the handler away from QEMU 8.1 on",
              "the VM was stopped for the capture"),
    explanation="KVM turns the guest's write into a count of the eventfd only where it was told to, and QEMU hears "
                "of it only where a loop watches it.",
    confirm=("ioeventfd_nb of the device's notify region, in gdb; `info mtree` does not show it",),
    actions=(remedies.CORE, remedies.RESET),
    references=("QEMU hw/virtio/virtio-bus.c, virtio_bus_set_host_notifier()",
                "QEMU commits 78378f450a and cf39b82860 (9.1, notification data), fcccb271e0 (4.2)"),
    explains=("K1", "K2", "K3"),
)


def _starved(case: Case) -> Outcome:
    if case.role != "rx" or case.guest_device.device_id != devices.NET:
        return "not a receive queue of a network device"
    if case.vhost:
        return "vhost serves the queue"
    pair = case.host_queue.queue_index // 2
    client = next((one for one in case.get("host.net") if one.pair == pair), None)
    if client is None or not client.packets_waiting:
        return "no packet waits for receive buffers"
    if not case.posted:
        return "packets wait, and the driver has posted no buffer for them: see G9"
    if case.returned or case.peek("guest.net.up") is False:
        return "the driver has not taken the packets that it was given, and may lack buffers for that reason"
    if not case.get("device.notification") or case.kick_due:
        return "the device does not wait for a kick, or one was due"
    lasts = stood(case.history.host, lambda queue: queue.device and queue.device.last_avail_idx)
    doubts = [] if lasts is not None and lasts.seconds >= 1 else ["nothing shows that this lasts: capture QEMU again"]
    return Found(
        f"{client.packets_waiting} packets wait although {case.posted} receive buffers are posted", [
            Evidence("packets wait for buffers, buffers wait for packets", fields(avail__idx=case.ring_avail), fields(
                packets_waiting=client.packets_waiting, last_avail_idx=case.device_avail, notification=True))], doubts,
        actions=remedies.kick_by_hand(case))


STARVED = Rule(
    id="K13", slug="rx-starved",
    title="Packets wait although receive buffers are posted",
    blame="host: QEMU's network device",
    severity=HIGH, stage=KICKS, test=_starved,
    holds_when="the backend has packets queued for a receive queue with posted buffers, the device has kicks "
               "switched on, and the driver owes none",
    needs=("kind", "vhost", "posted", "host.net", "device.notification", "kick_due"),
    not_when=("the ring is full of buffers and no packet is pending",
              "packets that were given to the guest are not taken, as while the interface is down: the buffers that "
              "are left may be too few for the next"),
    explanation="A device that found too few buffers asks for a kick and looks once more.  If it looked before it "
                "asked, or asked for the wrong entry, packets and buffers wait for each other.",
    confirm=("a second capture",),
    actions=("in the guest, take the interface down and up", remedies.RESET),
    references=("QEMU commits f937309fbd (9.1), 06b1297017 (0.13)",),
)


def _not_rearmed(case: Case) -> Outcome:
    if case.role != "tx" or case.guest_device.device_id != devices.NET:
        return "not a transmit queue of a network device"
    late = _unkicked(case)
    if not isinstance(late, Late):
        return late
    if case.get("device.tx_waiting") or case.popped:
        return "the device has promised itself to look again, or waits for its backend"
    if case.get("device.notification"):
        return "the device has kicks switched on"
    busy = _asleep(case)
    return behind(case, late, "the device has kicks switched off and no bottom half or timer that would look again",
                  Evidence("nothing will look at the queue", None, fields(notification=False, tx_waiting=False)),
                  doubts=[*late.doubts, *([busy] if busy else [])], **by_hand(case))


NOT_REARMED = Rule(
    id="K14", slug="tx-not-rearmed",
    title="A transmit queue was left with kicks off and nothing to look at it again",
    blame="host: QEMU's network device",
    severity=CRITICAL, stage=KICKS, test=_not_rearmed,
    holds_when="packets are posted and not popped on a transmit queue, VirtQueue.notification and tx_waiting are "
               "false, and no packet is parked at the backend",
    needs=("kind", "vhost", "posted", "popped", "device.notification", "device.tx_waiting"),
    not_when=("tx_waiting: a bottom half or timer will look", "a packet is parked at the backend (B10)",
              "the bottom half runs: it clears tx_waiting first, and switches kicks on last"),
    explanation="While a bottom half works on the queue, kicks are off.  It has to switch them on, or come again.",
    confirm=("a second capture",),
    actions=("in the guest, take the interface down and up", remedies.RESET),
    references=("QEMU commits df8d070817 (7.2), 283e2c2adc (link set down)",),
    explains=("K1", "K2"),
)

RULES = (NO_NOTIFIER, SWITCHED_OFF, STALE, UNDECIDED, NOT_SERVED, EVENT_LOST, NOT_REARMED, STARVED)
