"""Who holds what the device has popped: B1, B2b, B3 to B7, B10, M2."""
from typing import List, Sequence

from ...snapshot.held_model import BlockState, HeldRequest
from ...virtio import devices
from .. import late as lateness
from .. import late_held, remedies, wording
from ..case import Case
from ..history import stood
from ..late import Late
from ..result import Evidence, Found, Outcome, listed
from ..rule import BACKEND, CRITICAL, HIGH, MEDIUM, Rule
from ..stacks import Standing, in_words
from ..unknown import Unknown
from .common import fields, of_held
from .held_up import DRAINS, behind, blocks, owned


def _with(case: Case, *holders: str) -> Sequence[HeldRequest]:
    """The requests that are with one of these.  Raises Unknown where nothing was found out."""
    if case.host_queue.held is None:
        case.get("held")
    return [one for one in owned(case) if one.holder in holders]


def _of(requests: Sequence[HeldRequest]) -> str:
    return f"head {listed([one.head for one in requests])}"


@of_held
def _outstanding(case: Case, late: Late) -> Outcome:
    held = case.host_queue.held
    requests = [one for one in owned(case) if one.holder == "block layer"]
    if not requests and (held is None or not held.complete):
        busy = [one for one in blocks(case) if one.in_flight]
        if not busy:
            raise Unknown(f"who has them is not known: "
                          f"{case.host_queue.absent.get('held', 'not all places were read')}")
        where = listed([one.node or "the disk" for one in busy])
        return behind(case, late, f"the storage below {where} does not answer", Evidence(
            "the block layer has requests in flight", None, where))
    if not requests:
        return "none of them is in the block layer"
    nodes = listed(sorted({one.node or "the disk" for one in requests}))
    details = listed(sorted({one.detail for one in requests if one.detail}))
    return behind(
        case, late, f"{wording.of_them(len(requests))} in the block layer at {nodes}" +
        (f", {details}" if details else ""), Evidence("QEMU has handed them on, and waits for an answer", None,
                                                      _of(requests)),
        of=requests, blame="backend: the storage below QEMU, or what QEMU's block layer waits for")


OUTSTANDING = Rule(
    id="B1", slug="storage-not-answering",
    title="The storage below QEMU does not answer",
    blame="backend: the host's storage",
    severity=HIGH, stage=BACKEND, test=_outstanding,
    holds_when="requests are held for more than five seconds, and QEMU's block layer has them: tracked by a node, in "
               "the hands of a worker thread, Linux AIO or io_uring",
    needs=("kind", "vhost", "popped"),
    not_when=("the storage's own bound for latency is not exceeded",),
    explanation="The request has left the device model and waits for its answer.  Nothing in virtio is wrong.",
    confirm=("/proc/PID/task/*/stack of worker threads in state D; the same I/O on the host itself",
             "a second capture of QEMU that shows the same requests (not `info blockstats`: it may hang QEMU with its "
             "storage)"),
    actions=("nothing to do in the guest: look at the storage on the host (dmesg, multipath -ll, "
             "/sys/block/*/inflight), and heal its path", DRAINS),
    references=("QEMU block/io.c, tracked_request_begin()", "kernel bug 199727 and its kind"),
    explains=("B0",),
)


@of_held
def _not_retried(case: Case, late: Late) -> Outcome:
    requests = owned(case)
    parked = [one for one in requests if one.holder == "retry"]
    if not parked and (requests or not any(one.parked for one in blocks(case))):
        return "no failed request is parked"
    doubts = list(late.doubts)
    if case.serving is None or not case.serving.at_rest:
        doubts.append("the serving thread is not known to be asleep: it may be about to take them up again")
    status = next((one.iostatus for one in blocks(case) if one.iostatus not in (None, "ok")), None)
    if status is not None:
        doubts.append(f"the disk's iostatus is {status}, which `cont` resets: the VM may be about to be stopped for "
                      "that error")
    return behind(
        case, late, "failed requests are parked for a retry, and nothing retries them while the VM runs", Evidence(
            "they wait for the VM to go on, and it runs already", None, _of(parked) if parked else "parked above 0"),
        of=parked, doubts=doubts, blame="host: QEMU's device model: nothing retries what it parked",
        actions=["QMP `stop` and then `cont`: going on after a stop retries what is parked"])


NOT_RETRIED = Rule(
    id="B2b", slug="retry-never-ran",
    title="Failed requests are parked although the VM runs",
    blame="host: QEMU's device model",
    severity=CRITICAL, stage=BACKEND, test=_not_retried,
    holds_when="requests are held, some of them parked after an error (VirtIOBlock.rq, a SCSI request's retry), and "
               "the VM runs",
    needs=("kind", "vhost", "popped"),
    not_when=("the VM was continued this very moment",
              "the VM is about to be stopped for the error: the disk's iostatus is not ok then"),
    explanation="When the VM goes on, QEMU schedules a bottom half that takes the parked requests up again.  If that "
                "did not run, or ran in the wrong event loop, they stay.",
    confirm=("run state running with VirtIOBlock.rq not empty in a second capture",),
    actions=(remedies.CORE,),
    references=("QEMU commits 49b44549ac (5.1), 680f200217 (4.0), 1a8c091c4e (4.1, virtio-scsi), 71ee0cdd14, "
                "f2eea93c6b (9.0), a937f8e857",),
    explains=("B0",),
)


@of_held
def _throttled(case: Case, late: Late) -> Outcome:
    requests = _with(case, "throttle") if case.host_queue.held else []
    states = [one for one in blocks(case) if one.throttled or any(
        (limit.reads_waiting or 0) + (limit.writes_waiting or 0) for limit in one.throttling or ())]
    if not requests and not states:
        if case.host_queue.held is None:
            case.get("host.block.throttled")
        return "none of them waits for an I/O limit"
    unarmed = [limit for one in states for limit in one.throttling or ()
               if (limit.reads_waiting and limit.read_timer is False) or
               (limit.writes_waiting and limit.write_timer is False)]
    groups = listed(sorted({limit.group or "-" for one in states for limit in one.throttling or () if limit.group}))
    limits = listed(sorted({limit.limits for one in states for limit in one.throttling or () if limit.limits}))
    number = len(requests) or sum(one.throttled or 0 for one in states)
    evidence = Evidence(f"I/O throttling holds {number}" + (f", limits {limits}" if limits else ""), None,
                        (f"throttle group {groups}" if groups else f"throttled {number}") +
                        (", no timer armed" if unarmed else ""))
    if unarmed:
        return behind(case, late, "they wait for an I/O limit, and no timer would let them go on", evidence,
                      of=requests, blame="host: QEMU's I/O throttling lost its timer",
                      actions=[RELEASE, remedies.CORE])
    return behind(case, late, "they wait for the configured I/O limit", evidence,
                  of=requests, blame="backend: the I/O limit that was configured for the disk, which is reached")


RELEASE = "QMP block_set_io_throttle with all limits 0 for this disk, if the limit is not meant"

THROTTLED = Rule(
    id="B4", slug="throttled",
    title="Requests wait for an I/O limit",
    blame="backend: the configured limits, or QEMU's throttling",
    severity=MEDIUM, stage=BACKEND, test=_throttled,
    holds_when="requests are held, and they wait in a throttle group",
    needs=("kind", "vhost", "popped"),
    not_when=("the limit is meant and the requests move, which two captures tell",),
    explanation="QEMU lets requests wait when a limit is reached, with a timer that lets the next one go on.  A "
                "group without an armed timer hangs for good.",
    confirm=("query-block (bps, iops); two captures: does the number of waiting requests move?",),
    actions=(RELEASE, DRAINS),
    references=("QEMU block/throttle-groups.c",
                "QEMU commits 6fccbb475b (3.0), 5d8e4ca035 and 25b8e4db7f (3.1), 341e0b5658, bc19a0a6e4; QEMU issue "
                "3144"),
    explains=("B0", "B1"),
)


def _drained(case: Case) -> Outcome:
    late = late_held.held(case)
    if not isinstance(late, Late):
        late = lateness.kick(case)
    if not isinstance(late, Late):
        return late if isinstance(late, str) else late.why
    drain = lateness.drain(case)
    queued = sum(one.queued or 0 for one in blocks(case))
    if drain is None and not queued:
        return "nothing behind the device is drained"
    waited = sum(one.in_flight or 0 for one in blocks(case) if _quiesced(one))
    if waited and case.popped:
        return "a drain has begun and waits for requests in flight: who has those is the matter"
    if late.persistence.young:
        return f"{late.what}; {late.persistence.doubt}"
    lasts = stood(case.history.host, lambda queue: queue.device and queue.device.last_avail_idx)
    doubts = [] if lasts is not None and lasts.seconds >= 1 or late.persistence.evidence else list(late.doubts)
    why = "the block layer is drained and was not released" if not waited else \
        f"the block layer is drained, and the drain waits for {wording.count(waited, 'request')} in flight"
    return Found(
        f"{late.what}: {why}", [
            Evidence(f"{drain or 'requests wait for the end of a drain'}", None, fields(queued=queued)),
            *([Evidence(f"it lasts: {late.persistence.evidence}")] if late.persistence.evidence else []),
            *[Evidence("a thread waits for the drain", None, in_words(one)) for one in _drainers(case)]], doubts,
        blame="backend: the block layer is drained (quiesced) and was not released" if not waited else
              "backend: whoever has the requests in flight that the drain waits for")


def _quiesced(state: BlockState) -> bool:
    return bool(state.quiesce_counter or any(one.quiesce_counter for one in state.nodes or []))


DRAINING = ("bdrv_do_drained_begin", "bdrv_drained_begin", "bdrv_drain_all_begin", "bdrv_drain_all", "blk_drain",
            "blk_drain_all", "bdrv_drain", "bdrv_do_drained_begin_quiesce", "bdrv_try_change_aio_context")


def _drainers(case: Case) -> List[Standing]:
    found = [case.threads.standing(number) for number in case.threads.by_id]
    return [one for one in found if one is not None and any(name in DRAINING for name in one.thread.functions or [])]


DRAINED = Rule(
    id="B5", slug="drained",
    title="The block layer is drained and was not released",
    blame="block layer or a block job",
    severity=HIGH, stage=BACKEND, test=_drained,
    holds_when="requests are held or entries wait to be popped, and a quiesce counter behind the device is above "
               "zero or requests wait for the end of a drain",
    needs=("kind", "vhost", "popped"),
    not_when=("a job or a snapshot is just changing the graph, which takes milliseconds",
              "the drain waits for requests of the queue that are in flight: whoever has those is to blame (B1)"),
    explanation="To change the graph of block nodes QEMU drains it: new requests wait, and from 8.1 on the device "
                "stops looking at its queues.  A drain that does not end stops the disk.",
    confirm=("query-block-jobs; the stack of the main thread (bdrv_drain, AIO_WAIT_WHILE)",),
    actions=("find the job or command that drains the disk (query-block-jobs), and end it", DRAINS),
    references=("QEMU block/io.c, bdrv_do_drained_begin()",
                "QEMU commits cf3129323f (4.2), 7f16476fab (5.0), ace5a161ea, 960d5fb3e8, 65181d6381, 4720cbeea1; "
                "1665d9326f (8.1)"),
    explains=("B0", "B1", "K1", "K2", "K3", "K7"),
)


@of_held
def _not_reaped(case: Case, late: Late) -> Outcome:
    requests = [one for one in _with(case, "completion", "block layer")
                if one.holder == "completion" or "completion not run" in (one.detail or "")]
    if not requests:
        return "none of them is done and not reported"
    doubts = list(late.doubts)
    if case.serving is None or not case.serving.at_rest:
        doubts.append("the serving thread is not known to be asleep: it may report them right now")
    return behind(case, late, f"{wording.of_them(len(requests))} done, and the device was not told",
                  Evidence("the answer is there, and the event loop has not run its completion", None, _of(requests)),
                  of=requests, doubts=doubts)


NOT_REAPED = Rule(
    id="B6", slug="completion-not-run",
    title="Requests are done, and their completion was not run",
    blame="host: QEMU's event loop",
    severity=CRITICAL, stage=BACKEND, test=_not_reaped,
    holds_when="requests are held that a worker thread has finished, or whose completion is due in an event loop "
               "that sleeps",
    needs=("kind", "vhost", "popped", "held"),
    not_when=("the event loop is about to run it",),
    explanation="The storage has answered.  QEMU's loop did not hear of it, or was not woken.",
    confirm=("a second capture", "any wake-up of the loop lets the requests complete"),
    actions=(remedies.WAKE, remedies.CORE),
    references=("QEMU commits b7a745dc33, ccb9dc1012, fe121b9d3c, 5e1b34a3fa (MAX_EVENTS), 9359c45988 (8.1)",),
    explains=("B0", "B1"),
)

LOCKS = ("bdrv_graph_wrlock", "bdrv_graph_co_rdlock", "bdrv_graph_rdlock_main_loop", "aio_context_acquire",
         "aio_context_release", "aio_wait_kick", "aio_wait_bh_oneshot")

WAITS_FOR_READERS = "bdrv_graph_wrlock"
"""It waits until no coroutine reads the graph, and coroutines do so for as long as their requests are in flight."""

IN_WORKER = "in the hands of a worker thread"
"""What the host's walker says of a request that a system call has."""


def _deadlocked(case: Case) -> Outcome:
    late = late_held.held(case)
    if not isinstance(late, Late):
        late = lateness.kick(case)
    if not isinstance(late, Late):
        return late if isinstance(late, str) else late.why
    if not case.threads.known:
        case.get("threads")
    found = [one for one in map(case.threads.standing, case.threads.by_id) if one is not None and
             (one.blocked and any(name in LOCKS for name in one.thread.functions or []))]
    if not found:
        return "no thread is blocked in a lock of the block layer"
    if late.persistence.young:
        return f"{late.what}; {late.persistence.doubt}"
    if all(WAITS_FOR_READERS in (one.thread.functions or []) for one in found) and \
            any(one.detail == IN_WORKER for one in owned(case)):
        return "a thread waits for requests in flight, of which worker threads have some: they are the matter"
    doubts = list(late.doubts)
    if not any(lateness.stays(case, one) for one in found):
        doubts.append("captures do not show that the thread stays there: capture QEMU again")
    return Found(f"{late.what}: a thread of QEMU is blocked in a lock of the block layer",
                 [Evidence("it waits for a lock", None, in_words(one)) for one in found], doubts)


DEADLOCKED = Rule(
    id="B7", slug="block-layer-deadlock",
    title="Threads of QEMU block each other in the block layer",
    blame="host: QEMU",
    severity=CRITICAL, stage=BACKEND, test=_deadlocked,
    holds_when="requests are held or entries wait to be popped, and a thread is blocked in a lock of the block graph "
               "or of an AioContext",
    needs=("kind", "vhost", "popped", "threads"),
    not_when=("the lock is held for a moment",
              "bdrv_graph_wrlock() while worker threads have requests: it waits for the storage (B1)"),
    explanation="Two threads that take the graph's lock, an AioContext and the big lock in different orders stop "
                "each other and all disks with them.",
    confirm=("gdb: thread apply all bt, twice",),
    actions=(remedies.CORE, "reset the VM"),
    references=("QEMU commits 6bc0bcc89f, 1dbc7d3442, 31b2ddfea3 (8.x)",),
    explains=("B0", "B1", "K1", "K5"),
)


def _peer_busy(case: Case) -> Outcome:
    if case.role != "tx" or case.guest_device.device_id != devices.NET:
        return "not a transmit queue of a network device"
    if case.vhost or not case.popped:
        return "the device holds no packet"
    pair = case.host_queue.queue_index // 2
    client = next((one for one in case.get("host.net") if one.pair == pair), None)
    lasts = stood(case.history.host, lambda queue: queue.device and queue.device.used_idx)
    late = late_held.held(case)
    seen = isinstance(late, Late) and late.persistence.evidence
    doubts = [] if seen or lasts is not None and lasts.seconds >= 1 else [
        "packets wait for their backend in every busy network: capture QEMU again, and see whether they move"]
    peer = client.peer if client else None
    return Found(f"{wording.count(case.popped, 'packet')} parked on a busy backend ({peer or 'not known'})", [
        Evidence("the device waits for the backend to take a packet", None, fields(
            inuse=case.peek("device.inuse"), peer_packets_waiting=client.peer_packets_waiting if client else None))],
                 doubts)


PEER_BUSY = Rule(
    id="B10", slug="tx-backend-busy",
    title="A packet waits for a busy network backend",
    blame="backend: tap, socket or bridge on the host",
    severity=MEDIUM, stage=BACKEND, test=_peer_busy,
    holds_when="a transmit queue has popped a packet and not returned it: the backend did not take it",
    needs=("kind", "vhost", "popped", "host.net"),
    not_when=("normal flow control, which passes in milliseconds",),
    explanation="A backend that is full makes the device keep the packet until it has room, with kicks switched off.",
    confirm=("a second capture; the tap's or socket's queue on the host (tc -s qdisc, ss)",),
    actions=("look at the backend on the host", remedies.RESET),
    references=("QEMU hw/net/virtio-net.c, virtio_net_flush_tx() (async_tx)", "QEMU commit df8d070817 (7.2)"),
    explains=("B0", "K1", "K2", "K14"),
)

RULES = (DRAINED, NOT_RETRIED, THROTTLED, NOT_REAPED, DEADLOCKED, OUTSTANDING, PEER_BUSY)
