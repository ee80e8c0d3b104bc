"""The device holds requests: popped and not returned.  No event was lost; the question is who sits on them."""
from typing import List, Optional

from ..snapshot.held_model import BlockState
from . import wording
from .facts import Facts
from .gates import IO_ERROR
from .pairing import Pair
from .verdict import Cause, Evidence, Finding

STUCK = "backend-stuck"
PARKED = "storage-error"


def finding(pair: Pair, facts: Facts, lasts: str) -> Finding:
    """The finding, once it is established that the device holds requests for too long."""
    block = _block(pair)
    return Finding(
        rule=STUCK,
        headline=f"{wording.count(facts.popped, 'request')} seen by the device and not completed: QEMU or the storage "
                 "below it is stuck or slow, and no event was lost",
        blame="backend: " + _holder(block, facts.popped),
        event=None,
        evidence=[
            Evidence(f"last_avail_idx {facts.last_avail_idx}, used_idx {facts.used_idx}, inuse {facts.inuse}",
                     f"{wording.count(facts.popped, 'request')} popped and not returned"),
            *_block_evidence(block, facts.popped),
            Evidence("persistence", lasts),
        ],
        against=[] if block else ["the block layer behind the disk is not known"],
        confidence="high: both sides agree that the device holds the requests" if block else
                   "good: both sides agree that the device holds the requests; what it does with them is not known",
        causes=_causes(block),
        actions=_actions(block),
    )


def parked(pair: Pair) -> Optional[Finding]:
    """The finding that the VM was stopped by a storage error, or None: QEMU says so itself, whatever the ages are."""
    host, block, device = pair.host_device.host, _block(pair), pair.host.device
    if host is None or host.run_state != IO_ERROR or block is None or not block.parked:
        return None
    if device is None or not device.inuse:
        return None  # what is parked is of another queue; this one is stopped with the VM
    return Finding(
        rule=PARKED,
        headline="the VM was stopped by a storage error, and failed requests are parked for a retry: no event was lost",
        blame="backend: the storage returned an error, and QEMU's policy (werror, rerror) is to wait for the operator",
        event=None,
        evidence=[Evidence(f"run state {host.run_state}, VirtIOBlock.rq holds {block.parked} (of all queues), inuse "
                           f"{device.inuse}", "the device keeps the failed requests and will retry them")],
        against=["events on the rings are not judged: the VM stands still"],
        confidence="high: QEMU says so itself",
        causes=[Cause("an error of the storage: no space, a dead path",
                      f"iostatus ({block.iostatus}); BLOCK_IO_ERROR in QEMU's log and libvirt's events")],
        actions=["mend the storage (space, path), then QMP `cont`: the requests are retried"],
    )


def _block(pair: Pair) -> Optional[BlockState]:
    """The block layer behind the pair's disk, where anything of it is known."""
    block = pair.host_device.host.block if pair.host_device.host else None
    return block if block is not None and block.in_flight is not None else None


def _holder(block: Optional[BlockState], held: int) -> str:
    """Who has the requests, as far as the counters of the block layer tell; they are of the whole disk."""
    if block is None:
        return "who holds the requests is not known"
    if block.quiesce_counter:
        return "the block layer is drained (quiesced) and was not released"
    found = []
    if block.throttled:
        found.append(f"I/O throttling holds {block.throttled}")
    if block.parked:
        found.append(f"{block.parked} failed and were parked, and nothing retries them while the VM runs")
    if block.in_flight:
        found.append(f"block node {block.node} ({block.format}) has {block.in_flight} in flight")
    if not found:
        return "nothing is in flight in the block layer: the device itself holds the requests, or has lost them"
    return f"of the disk's requests ({held} of this queue), " + ", ".join(found)


def _block_evidence(block: Optional[BlockState], held: int) -> List[Evidence]:
    if block is None:
        return []
    counters = (("in_flight", block.in_flight), ("iostatus", block.iostatus),
                ("quiesce_counter", block.quiesce_counter), ("throttled", block.throttled), ("parked", block.parked))
    known = ", ".join(f"{name} {value}" for name, value in counters if value is not None)
    found = [Evidence(f"BlockBackend: {known}", _holder(block, held))]
    for one in block.tracked or []:
        found.append(Evidence(f"tracked request on node {one.node}",
                              f"{one.type} of {one.bytes} bytes at offset {one.offset} (sector {one.offset // 512})"))
    return found


THROTTLED = Cause("the configured I/O limit, or a throttle timer that is not armed",
                  "query-block (bps, iops); two captures: does the number of waiting requests move?")
DRAINED = Cause("a job, a snapshot or a migration that drains the disk and does not end",
                "query-block-jobs; the stack of the main thread (bdrv_drain, AIO_WAIT_WHILE)")
UNRETRIED = Cause("a retry of failed requests that QEMU never started",
                  "QEMU's version; run state running with rq filled")
DROPPED = Cause("a request that was popped and dropped by the device",
                "no VirtIOBlockReq of this queue anywhere; QEMU's log and version")
STORAGE = Cause("storage below QEMU: dead path, multipath queueing, network storage",
                "on the host: dmesg, multipath -ll, /sys/block/*/inflight, stacks of QEMU's worker threads")
INSIDE = Cause("a block job, filter or driver inside QEMU that waits",
               "tracked requests, stacks and coroutines of QEMU")


def _causes(block: Optional[BlockState]) -> List[Cause]:
    if block is None:
        return [STORAGE, INSIDE, DROPPED]
    if block.quiesce_counter:
        return [DRAINED]
    if block.throttled:
        return [THROTTLED]
    if block.parked:
        return [UNRETRIED]
    return [STORAGE, INSIDE] if block.in_flight else [DROPPED]


DRAINS = "do not run dump-guest-memory, `stop` or migrate now: they drain the disk and block until the request ends"


def _actions(block: Optional[BlockState]) -> List[str]:
    if block is not None and block.quiesce_counter:
        return ["find the job or command that drains the disk (query-block-jobs), and end it", DRAINS]
    if block is not None and block.throttled:
        return ["QMP block_set_io_throttle with all limits 0 for this disk, if the limit is not meant", DRAINS]
    if block is not None and block.parked:
        return ["QMP `stop` and then `cont`: going on after a stop retries what is parked"]
    if block is not None and not block.in_flight:
        return ["keep a core of QEMU for its developers: gcore",
                "reset the VM; more I/O does not bring the request back"]
    return ["nothing to do in the guest: look at the storage on the host, and heal its path", DRAINS]
