"""The device holds requests: popped and not returned.  No event was lost; the question is who sits on them."""
from typing import List, Optional

from ..snapshot.device_model import BlockState
from . import wording
from .facts import Facts
from .gates import block_of
from .pairing import Pair
from .verdict import Cause, Evidence, Finding

STUCK = "backend-stuck"
PARKED = "storage-error"


def finding(pair: Pair, facts: Facts, lasts: str) -> Finding:
    """The finding, once it is established that the device holds requests for too long."""
    block = block_of(pair)
    parked = block.parked if block else None
    if parked:
        return _parked(pair, facts, lasts, parked)
    return Finding(
        rule=STUCK,
        headline=f"{wording.count(facts.popped, 'request')} seen by the device and not completed: QEMU or the storage "
                 "below it is stuck or slow, and no event was lost",
        blame="backend: " + _holder(block),
        event=None,
        evidence=[
            Evidence(f"last_avail_idx {facts.last_avail_idx}, used_idx {facts.used_idx}, inuse {facts.inuse}",
                     f"{wording.count(facts.popped, 'request')} popped and not returned"),
            *_block_evidence(block),
            Evidence("persistence", lasts),
        ],
        against=[] if block else ["the block layer behind the disk is not known"],
        confidence="high: both sides agree that the device holds the requests",
        causes=_causes(block),
        actions=_actions(block),
    )


def _holder(block: Optional[BlockState]) -> str:
    if block is None:
        return "who holds the requests is not known"
    if block.throttled:
        return f"{wording.count(block.throttled, 'request')} wait in I/O throttling"
    if block.quiesce_counter:
        return "the block layer is drained (quiesced) and was not released"
    if block.in_flight:
        return f"block node {block.node} ({block.format}) has {wording.count(block.in_flight, 'request')} in flight"
    if block.in_flight == 0:
        return "nothing is in flight in the block layer: the device itself holds the requests, or has lost them"
    return "who holds the requests is not known"


def _block_evidence(block: Optional[BlockState]) -> List[Evidence]:
    if block is None:
        return []
    found = [Evidence(f"BlockBackend in_flight {block.in_flight}, iostatus {block.iostatus}, quiesce_counter "
                      f"{block.quiesce_counter}, throttled {block.throttled}", _holder(block))]
    for one in block.tracked or []:
        found.append(Evidence(f"tracked request on node {one.node}",
                              f"{one.type} of {one.bytes} bytes at offset {one.offset} (sector {one.offset // 512})"))
    return found


def _causes(block: Optional[BlockState]) -> List[Cause]:
    if block and block.throttled:
        return [Cause("the configured I/O limit, or a throttle timer that is not armed",
                      "query-block (bps, iops); two captures: does the number of waiting requests move?")]
    if block and block.in_flight == 0:
        return [Cause("a request that was popped and dropped by the device",
                      "no VirtIOBlockReq of this queue anywhere; QEMU's log and version")]
    return [Cause("storage below QEMU: dead path, multipath queueing, network storage",
                  "on the host: dmesg, multipath -ll, /sys/block/*/inflight, stacks of QEMU's worker threads"),
            Cause("a block job, filter or driver inside QEMU that waits",
                  "tracked requests, stacks and coroutines of QEMU")]


def _actions(block: Optional[BlockState]) -> List[str]:
    if block and block.throttled:
        return ["QMP block_set_io_throttle with all limits 0 for this disk, if the limit is not meant"]
    return ["nothing to do in the guest: look at the storage on the host, and heal its path",
            "do not run dump-guest-memory, `stop` or migrate now: they drain the disk and block until the request ends"]


def _parked(pair: Pair, facts: Facts, lasts: str, parked: int) -> Finding:
    host = pair.host_device.host
    state = host.run_state if host else None
    return Finding(
        rule=PARKED,
        headline=f"{wording.count(parked, 'request')} failed and parked for a retry (werror/rerror=stop): "
                 "no event was lost",
        blame="backend: the storage returned an error, and QEMU's policy is to wait for the operator",
        event=None,
        evidence=[
            Evidence(f"VirtIOBlock.rq holds {parked}, inuse {facts.inuse}, run state {state}",
                     "the device keeps the failed requests and will retry them"),
            Evidence("persistence", lasts),
        ],
        against=[],
        confidence="high: QEMU says so itself",
        causes=[Cause("storage error", "iostatus, BLOCK_IO_ERROR in QEMU's log and libvirt's events")],
        actions=["mend the storage (space, path), then QMP `cont`: the requests are retried"],
    )
