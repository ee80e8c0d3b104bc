"""What waits in the guest above the ring: G1 to G4, G7 to G9, G11."""
from typing import List, Optional

from ...snapshot.kernel_model import BlockQueue
from ...snapshot.request_model import WaitingRequest
from ...virtio import devices
from .. import late as lateness
from .. import wording
from ..case import Case
from ..history import NS, stood
from ..persistence import is_stuck
from ..places import on_ring
from ..result import Evidence, Found, Outcome, listed
from ..rule import GUEST, HIGH, MEDIUM, Rule
from .common import fields

DUMP = "keep a dump of the guest for its kernel's developers"


def _disks(case: Case) -> List[BlockQueue]:
    """The block layers above the device; asked once a device, of its first request queue."""
    first = next((one.queue_index for one in case.guest_device.queues if one.role == "request"), None)
    if case.guest_queue.queue_index != first:
        return []
    part = case.guest_device.guest
    return list((part.block if part else None) or [])


NOT_HERE = "no block layer above this queue, or told of at the device's first request queue"


def _old(disk: BlockQueue, *states: str) -> List[WaitingRequest]:
    """Requests that have waited there for long, in one of these states; in any where none is given."""
    return [one for one in disk.waiting or [] if is_stuck(one.age_ns)
            and (not states or one.state in states)]


def _waits(disk: BlockQueue, requests: List[WaitingRequest]) -> Evidence:
    oldest = max(one.age_ns or 0 for one in requests) / NS
    return Evidence(f"{wording.count(len(requests), 'request')} above the ring of {disk.disk}, the oldest "
                    f"{oldest:.1f} s old",
                    f"tag {listed([one.tag for one in requests])}")


def _idle(case: Case) -> Optional[str]:
    """Why what waits above may only wait for the rings; None where nothing is on any that the block layer uses."""
    number = case.outstanding + sum(on_ring(one) for one in case.guest_device.queues
                                    if one.role == "request" and one is not case.guest_queue)
    return None if number == 0 else f"{wording.count(number, 'request')} on the device's rings are in the way"


def _not_ended(case: Case) -> Outcome:
    for disk in _disks(case):
        done = _old(disk, "complete") + _old(disk, "in_flight")
        if done:
            return Found(
                f"{wording.count(len(done), 'request')} of {disk.disk} came back from the device and did not end",
                [_waits(disk, done), Evidence("the driver has handed them back, and the block layer did not finish "
                                              "them",
                                              f"state {listed(sorted({one.state or '-' for one in done}))}")],
                _with_error_handler(case))
    return NOT_HERE if not _disks(case) else "no request is started and off the ring"


def _with_error_handler(case: Case) -> List[str]:
    """That the SCSI error handler may have what came back: it keeps aborted commands until all others are done."""
    host = case.peek("guest.scsi")
    if host is None or not host.failed and not host.eh_active:
        return []
    return [f"{host.failed} commands failed or timed out, and the SCSI error handler may have them: see G7"]


NOT_ENDED = Rule(
    id="G1", slug="completed-not-ended",
    title="Requests came back and were not ended",
    blame="guest: the block layer, its softirqs, or a CPU",
    severity=HIGH, stage=GUEST, test=_not_ended,
    holds_when="a request of the disk is in flight or complete by its state, is on no ring, and is more than five "
               "seconds old",
    needs=("guest.block",),
    not_when=("the request was not queued to the ring yet: its state is idle",
              "the SCSI error handler has it (G7)"),
    explanation="The driver completes a request on the CPU that issued it, by an interrupt between CPUs and a "
                "softirq.  Where one of these does not run, the request stays.",
    confirm=("stacks of ksoftirqd; is the CPU that issued it online?",),
    actions=(DUMP, "reset the VM"),
    references=("Linux block/blk-mq.c, blk_mq_complete_request()",),
    explains=("G11",),
)


def _not_restarted(case: Case) -> Outcome:
    for disk in _disks(case):
        stopped = [one for one in disk.hardware_queues or [] if one.stopped and one.dispatch]
        if stopped:
            busy = _idle(case)
            if busy is not None:
                return f"a hardware context is stopped, and {busy}: their completion starts it again"
            return Found(
                f"hardware context {stopped[0].queue_num} of {disk.disk} was stopped and not started again", [Evidence(
                    "it takes no request, and nothing is on the ring whose completion would start it again", fields(
                        stopped=True, dispatch=stopped[0].dispatch, num_free=case.peek("driver.num_free")))],
                _unless_old(disk))
    return NOT_HERE if not _disks(case) else "no hardware context is stopped with requests to dispatch"


def _unless_old(disk: BlockQueue) -> List[str]:
    return [] if _old(disk) else ["how long requests have waited there is not known, or not long: capture the guest "
                                  "again"]


NOT_RESTARTED = Rule(
    id="G2", slug="queue-not-restarted",
    title="The block layer stopped the queue and did not start it again",
    blame="guest: the driver or the block layer",
    severity=HIGH, stage=GUEST, test=_not_restarted,
    holds_when="a hardware context is stopped with requests on its dispatch list, and nothing is on the ring",
    needs=("guest.block", "outstanding"),
    not_when=("requests are on the ring: a completion starts the context again",),
    explanation="virtio-blk stops the context when the ring is full, and starts it when something completes.  If the "
                "completion came just before the stop, nobody starts it.",
    confirm=("/sys/kernel/debug/block/DISK/hctx*/state shows STOPPED",),
    actions=("in the guest, if debugfs has it: echo start > /sys/kernel/debug/block/DISK/state", DUMP, "reset the VM"),
    references=("Linux commits 9ba52e5812e5, \"don't lose requests if a stopped queue restarts\"; 96a9fe64bfd4, "
                "6bda857bcbb8, 2003ee8a9aa1",),
    explains=("G11",),
)


def _held_off(case: Case) -> Outcome:
    for disk in _disks(case):
        quiesced, frozen = disk.quiesce_depth or 0, disk.freeze_depth or 0
        if (quiesced > 0 or frozen > 0) and (disk.waiting_count or disk.requeue or case.seen):
            busy = _idle(case)
            if busy is not None:
                return f"the queue is frozen or quiesced, and {busy}: whoever froze it waits for them"
            return Found(
                f"the block layer of {disk.disk} is {'quiesced' if quiesced else 'frozen'}: it dispatches nothing", [
                    Evidence("a suspend, a change of the elevator or the removal of the disk does that", fields(
                        quiesce_depth=quiesced, freeze_depth=frozen, waiting=disk.waiting_count))], _unless_old(disk))
    return NOT_HERE if not _disks(case) else "the block layer is neither frozen nor quiesced"


HELD_OFF = Rule(
    id="G3", slug="queue-frozen",
    title="The guest's block layer is frozen or quiesced",
    blame="guest: whoever froze it",
    severity=HIGH, stage=GUEST, test=_held_off,
    holds_when="the request queue is quiesced or frozen, requests wait in it or a person saw the I/O hang, and nothing "
               "is on the ring",
    needs=("guest.block", "outstanding"),
    not_when=("whoever froze it waits for requests on the ring: then those are the matter",),
    explanation="To change a disk the kernel keeps requests out and waits for those inside.",
    confirm=("the stack of the task in blk_mq_freeze_queue_wait() or blk_mq_quiesce_queue()",),
    actions=("find the task that froze the queue: its stack says what it waits for", DUMP),
    references=("Linux block/blk-mq.c, blk_freeze_queue_start(), blk_mq_quiesce_queue()",),
    explains=("G11",),
)


def _tag_wait(case: Case) -> Outcome:
    for disk in _disks(case):
        for context in disk.hardware_queues or []:
            for name, tags in (("driver", context.tags), ("scheduler", context.sched_tags)):
                if tags is None or not tags.waiters or tags.in_use is None or tags.depth is None:
                    continue
                if tags.in_use == 0 and _idle(case) is None:
                    return Found(
                        f"{wording.count(tags.waiters, 'task')} waiting for a tag of {disk.disk}, and all are free", [
                            Evidence(f"the wake-up of who waits for a {name} tag was lost", fields(
                                waiters=tags.waiters, in_use=0, depth=tags.depth))],
                        ["one capture does not show that it lasts: capture the guest again"]
                        if len(case.history.guest) < 2 else [])
    return NOT_HERE if not _disks(case) else "nobody waits for a tag while tags are free"


TAG_WAIT = Rule(
    id="G4", slug="tag-wakeup-lost",
    title="Tasks wait for a tag although all are free",
    blame="guest: the block layer (sbitmap)",
    severity=HIGH, stage=GUEST, test=_tag_wait,
    holds_when="tasks or hardware contexts wait for a tag, no tag is in use, and nothing is on the ring",
    needs=("guest.block", "outstanding"),
    not_when=("a tag was freed this moment, and the waiter is waking up",),
    explanation="Who waits for a tag is woken when tags come free, in batches.  A wake-up that is lost leaves it "
                "waiting for requests that nobody has.",
    confirm=("stacks of tasks in blk_mq_get_tag() or io_schedule()",),
    actions=("any request that completes on the disk may wake it: dd if=/dev/DISK of=/dev/null bs=4k count=1 "
             "iflag=direct",
             DUMP),
    references=("Linux commits 040b83fcecfb, \"sbitmap: fix possible io hung due to lost wakeup\"; 5266caaf5660",),
    explains=("G11",),
)


def _error_handler(case: Case) -> Outcome:
    if case.guest_device.device_id != devices.SCSI or case.guest_queue.role != "request":
        return "not a request queue of a SCSI host"
    host = case.get("guest.scsi")
    first = next((one.queue_index for one in case.guest_device.queues if one.role == "request"), None)
    if case.guest_queue.queue_index != first:
        return "told of at the device's first request queue"
    if not host.failed and not host.eh_active:
        return "the SCSI error handler is at rest"
    return Found(
        f"SCSI error handling on {host.name}: {wording.count(host.failed, 'command')} failed or timed out", [Evidence(
            "the host takes no new commands until its error handler is done", fields(
                state=host.state, failed=host.failed, eh_active=host.eh_active))],
        ["error handling may be getting on: capture the guest again"] if len(case.history.guest) < 2 else [])


ERROR_HANDLER = Rule(
    id="G7", slug="scsi-error-handling",
    title="The SCSI error handler is at work",
    blame="whoever does not answer the command; the handler only says so",
    severity=MEDIUM, stage=GUEST, test=_error_handler,
    holds_when="commands of the SCSI host failed or timed out, or its error handler is active",
    needs=("guest.scsi",),
    not_when=("a reset that takes its time",),
    explanation="virtio-scsi answers a timeout by waiting on, so a command whose notification was lost is never "
                "aborted.  The commands on the ring say more than the handler.",
    confirm=("dmesg of the guest: abort, reset",),
    actions=("look at the findings of the request queues first",),
    references=("Linux drivers/scsi/virtio_scsi.c, virtscsi_eh_timed_out()",
                "D. Zhang, \"scsi: virtio_scsi: to poll and kick the virtqueue in timeout handler\", May 2021"),
)


def _not_woken(case: Case) -> Outcome:
    if case.role != "tx" or case.guest_device.device_id != devices.NET:
        return "not a transmit queue of a network device"
    queue = case.get("tx_queue")
    if not queue.stopped:
        return "the driver has not stopped the queue"
    if not case.room or (case.peek("driver.num_free") or 0) < ROOM:
        return "the ring is full, and the queue is rightly stopped"
    if lateness.link_down(case):
        return "the link is down, and the driver has stopped its transmit queues for that"
    if case.interrupt_due:
        return "an interrupt is due: see I0"
    lasts = stood(case.history.guest, lambda one: (one.driver and one.driver.last_used_idx, bool(
        one.tx_queue and one.tx_queue.stopped)))
    return Found("the transmit queue is stopped although its ring has room", [Evidence(
        "the driver stops the queue when the ring is full, and nobody woke it", fields(
            stopped=True, num_free=case.peek("driver.num_free")))],
        [] if lasts is not None and lasts.seconds >= 1 else ["it may be waking up: capture the guest again"])


ROOM = 2 + 17
"""virtio_net wakes a queue with room for a packet of the most fragments: 2 + MAX_SKB_FRAGS."""

NOT_WOKEN = Rule(
    id="G8", slug="tx-queue-not-woken",
    title="A transmit queue is stopped although its ring has room",
    blame="guest: the driver, or the device that did not interrupt",
    severity=HIGH, stage=GUEST, test=_not_woken,
    holds_when="the driver has stopped the transmit queue, the ring has room for the largest packet, and no "
               "interrupt is due",
    needs=("tx_queue.stopped", "outstanding", "interrupt_due"),
    not_when=("the ring is full", "the link is down: the driver stops its transmit queues then, or the interface is"),
    explanation="A full ring stops the queue; the driver wakes it when it has reclaimed enough.",
    confirm=("dmesg of the guest: NETDEV WATCHDOG, transmit queue timed out",),
    actions=(DUMP, "in the guest, take the interface down and up"),
    references=("Linux drivers/net/virtio_net.c, check_sq_full_and_disable(), virtnet_poll_tx(), "
                "virtnet_config_changed_work()",
                "Firecracker issue 1436, cloud-hypervisor issue 1202 (the device never interrupted)"),
)


def _no_buffers(case: Case) -> Outcome:
    if case.role != "rx" or case.guest_device.device_id != devices.NET:
        return "not a receive queue of a network device"
    if case.outstanding:
        return "receive buffers are posted"
    if case.guest_queue.queue_index and case.driver_avail == case.driver_used == 0:
        return "no buffer was ever posted, as on a pair of queues that is not in use (ethtool -l)"
    if case.peek("guest.net.up") is False or case.peek("napi.enabled") is False:
        return "the interface is down, or NAPI does not serve this queue"
    lasts = stood(case.history.guest, lambda one: one.driver and one.driver.avail_idx_shadow)
    return Found("no receive buffer is posted: the guest can't be sent anything", [Evidence(
        "the driver has not refilled the queue", fields(
            avail_idx_shadow=case.axis.words(case.driver_avail), outstanding=0))],
        [] if lasts is not None and lasts.seconds >= 1 else [
            "a burst of packets empties the ring for a moment: capture the guest again"])


NO_BUFFERS = Rule(
    id="G9", slug="rx-not-refilled",
    title="No receive buffer is posted",
    blame="guest: the driver, or memory that ran out",
    severity=HIGH, stage=GUEST, test=_no_buffers,
    holds_when="a receive queue of an interface that is up has nothing posted",
    needs=("outstanding",),
    not_when=("the interface is down", "a burst has emptied the ring this moment",
              "a pair of queues that is not in use: the driver fills only as many as `ethtool -l` says"),
    explanation="The driver refills the queue while it takes packets.  If memory was short then, a delayed work "
                "tries again; where that is not queued, the queue stays empty.",
    confirm=("ip -s link: rx dropped; dmesg: page allocation failure",),
    actions=("in the guest, take the interface down and up",),
    references=("Linux drivers/net/virtio_net.c, virtnet_open() (curr_queue_pairs), try_fill_recv(), refill_work()",),
)


def _above(case: Case) -> Outcome:
    for disk in _disks(case):
        old = _old(disk)
        if old and _idle(case) is None:
            return Found(
                f"{wording.count(len(old), 'request')} of {disk.disk} in the guest's block layer, and nothing is on "
                "the ring",
                [_waits(disk, old), Evidence("the driver is not given them", fields(
                    scheduler=disk.scheduler, requeue=disk.requeue, quiesce_depth=disk.quiesce_depth))],
                ["why they are not dispatched is not seen: capture the guest again"])
    if case.seen is not None and case.seen.stuck and case.outstanding == 0:
        return Found(
            f"seen: {case.seen.note}; but nothing is outstanding on this queue", [Evidence(
                "what waits, waits above it: blk-mq, device mapper, the file system, or another queue", fields(
                    avail_idx_shadow=case.axis.words(case.driver_avail),
                    last_used_idx=case.axis.words(case.driver_used)))],
            ["no snapshot shows what waits there"])
    return "nothing is seen to wait above the ring"


ABOVE = Rule(
    id="G11", slug="waits-above-the-ring",
    title="What hangs, hangs above the virtqueue",
    blame="guest: device mapper, multipath, file system, or another device",
    severity=MEDIUM, stage=GUEST, test=_above,
    holds_when="nothing is on the ring, and old requests wait in the block layer, or a person saw the I/O hang",
    needs=("outstanding",),
    not_when=("requests are on the ring",),
    explanation="A request that the driver never got is not a matter of virtio: a multipath device queues while it "
                "has no path, a file system waits for a lock.",
    confirm=("stacks of the tasks that hang (echo w > /proc/sysrq-trigger)",
             "dmsetup status, multipath -ll in the guest"),
    actions=("look at the stacks of the tasks that hang",),
    references=(),
)

RULES = (NOT_ENDED, NOT_RESTARTED, HELD_OFF, TAG_WAIT, ERROR_HANDLER, NOT_WOKEN, NO_BUFFERS, ABOVE)
