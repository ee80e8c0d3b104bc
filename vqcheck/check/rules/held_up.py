"""B0: the device holds requests for too long; the rules beside it say who has them."""
from typing import Any, Dict, List, Optional, Sequence

from ...snapshot.held_model import BlockState, HeldRequest
from .. import late as lateness
from .. import late_held, remedies, wording
from ..case import Case
from ..history import NS
from ..late import Late, entries
from ..persistence import is_stuck
from ..result import LIKELY, POSSIBLE, Cause, Evidence, Found, Outcome, listed
from ..rule import BACKEND, HIGH, Rule
from .common import fields, lasting

DRAINS = "do not run dump-guest-memory, `stop` or migrate now: they drain the disk and block until the request ends"


def test(case: Case) -> Outcome:
    """Whether the device holds something for too long."""
    late = late_held.held(case)
    if not isinstance(late, Late):
        return late
    state = blocks(case)
    return Found(
        headline=f"{entries(case, late.number, 'request')} seen by the device and not completed: QEMU or the storage "
                 "below it is stuck or slow, and no event was lost",
        evidence=base(case, late),
        doubts=late.doubts,
        against=[] if state or owned(case) else ["the block layer behind the device is not known"],
        lacking=[*([] if state or owned(case) else ["what the device does with them is not known"]),
                 *(ONLY_WHAT_STOOD if case.moved else [])],
        blame=f"backend: {_whose(case, late)}",
        causes=_causes(case),
        actions=_actions(state),
    )


def _actions(states: Sequence[BlockState]) -> List[str]:
    if states and not any(one.in_flight for one in states):
        return [remedies.CORE, "reset the VM; more I/O does not bring the request back"]
    return ["nothing to do in the guest: look at the storage on the host, and heal its path", DRAINS]


ONLY_WHAT_STOOD = ["the queue moved while it was read, so that only what stood still is judged"]


def behind(case: Case, late: Late, why: str, *more: Evidence, of: Sequence[HeldRequest] = (), **rest: Any) -> Found:
    """The finding of a rule that knows who holds the requests; it is about those that it is `of`."""
    given: Dict[str, Any] = {"doubts": late.doubts, "lacking": ONLY_WHAT_STOOD if case.moved else [], **rest}
    if of and not any(is_stuck(one.age_ns) for one in of) and \
            any(is_stuck(one.age_ns) for one in owned(case)):
        given["doubts"] = [*given["doubts"], "what is known to be late is another request"]
    return Found(f"{entries(case, late.number, 'request')} seen by the device and not completed: {why}",
                 [*base(case, late), *more], **given)


def base(case: Case, late: Late) -> List[Evidence]:
    """What shows that the device holds requests, and which."""
    found = [Evidence(f"{entries(case, late.number, 'request')} popped and not returned", _heads(late), _places(case))]
    found += [_request(case, one) for one in owned(case)[:LISTED]]
    for state in blocks(case):
        found += _counters(state)
    return found + lasting(late)


def _places(case: Case) -> str:
    if case.moved:
        return "found there all the while that the queue was read, as others came and went"
    words = case.axis.words
    return fields(last_avail_idx=words(case.device_avail), used_idx=words(case.device_used),
                  inuse=case.peek("device.inuse"))


LISTED = 8
"""Requests that are told one by one."""


def owned(case: Case) -> Sequence[HeldRequest]:
    """The requests of the queue that were found in QEMU, oldest first."""
    held = case.host_queue.held
    return held.requests if held else []


def _request(case: Case, one: HeldRequest) -> Evidence:
    size = f" of {one.bytes} bytes at offset {one.offset}" if one.bytes is not None and one.offset is not None else ""
    place = f" ({one.detail})" if one.detail else ""
    node = f" at node {one.node}" if one.node else ""
    return Evidence(f"{one.type or 'request'}{size} is with: {one.holder}{node}{place}{_since(case, one)}", None,
                    f"head {one.head}")


def _since(case: Case, one: HeldRequest) -> str:
    if one.age_ns is None or case.host_ages_at_least and one.age_ns < NS:
        return ""
    return f", {'at least ' if case.host_ages_at_least else ''}{one.age_ns / NS:.1f} s old by QEMU's clock"


def _heads(late: Late) -> Optional[str]:
    return f"head {listed([one.head for one in late.requests])}" if late.requests else None


def blocks(case: Case) -> List[BlockState]:
    """The block layers behind the device, as far as anything of them is known."""
    return [one for one in lateness.block_states(case) if one.in_flight is not None]


def _counters(state: BlockState) -> List[Evidence]:
    known = ", ".join(f"{name} {value}" for name, value in (
        ("in_flight", state.in_flight), ("iostatus", state.iostatus), ("quiesce_counter", state.quiesce_counter),
        ("throttled", state.throttled), ("parked", state.parked), ("queued", state.queued)) if value is not None)
    found = [Evidence(f"the block layer below {state.node or 'the disk'} ({state.format})", None, known)]
    for one in (state.tracked or [])[:LISTED]:
        found.append(Evidence(f"{one.type} of {one.bytes} bytes at offset {one.offset} (sector {one.offset // 512}) is "
                              "begun and not ended", None, f"node {one.node}"))
    return found


def _whose(case: Case, late: Late) -> str:
    holders = [one.holder for one in owned(case) if one.holder]
    if holders:
        return "they are with: " + listed(sorted(set(holders)))
    busy = [one for one in blocks(case) if one.in_flight]
    if busy:
        found = listed([f"block node {one.node} ({one.format}) has {one.in_flight} in flight" for one in busy])
        return f"of the device's requests ({wording.count(late.number, 'request')} of this queue), {found}"
    if blocks(case):
        return "nothing is in flight in the block layer: the device itself holds the requests, or has lost them"
    return "who holds the requests is not known"


STORAGE = Cause(LIKELY, "storage below QEMU: dead path, multipath queueing, network storage", "",
                "on the host: dmesg, multipath -ll, /sys/block/*/inflight, stacks of QEMU's worker threads", ["B1"])
INSIDE = Cause(POSSIBLE, "a block job, filter or driver inside QEMU that waits", "",
               "tracked requests, stacks and coroutines of QEMU", ["B5", "B6", "B7"])
DROPPED = Cause(POSSIBLE, "a request that was popped and dropped by the device", "",
                "no request of this queue anywhere; QEMU's log and version", ["B3", "M2"])


def _causes(case: Case) -> List[Cause]:
    states = blocks(case)
    if not states:
        return [STORAGE, INSIDE, DROPPED]
    return [STORAGE, INSIDE] if any(one.in_flight for one in states) else [DROPPED._replace(rank=LIKELY)]


RULE = Rule(
    id="B0", slug="backend-stuck",
    title="The device holds requests for too long",
    blame="backend",
    severity=HIGH, stage=BACKEND, test=test, essential=True,
    holds_when="requests are popped and not returned, and the oldest is more than five seconds old, or several "
               "captures show that none came back",
    needs=("kind", "vhost", "popped"),
    not_when=("the storage is slow, and the requests are younger than that",
              "a device that keeps elements for as long as it likes: balloon statistics, fences of a GPU"),
    explanation="No event was lost: the device has seen the requests and has not finished them.  QEMU, its block "
                "layer or the storage below has them.",
    confirm=("the age of the requests; stacks of QEMU's threads; the host's own requests to the same storage",),
    actions=(),
    references=("QEMU block/block-backend.c, block/io.c (tracked requests)",),
)
