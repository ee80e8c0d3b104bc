"""Whether a side's numbers can be those of this queue at all: S4."""
from typing import List, Optional, Tuple

from ..case import Case
from ..result import Evidence, Found, Outcome, listed
from ..rule import HIGH, ONE_SIDE, Rule
from .common import fields


def _partners(case: Case) -> Outcome:
    for what, ours, theirs in (
            ("queue index", case.guest_queue.queue_index, case.host_queue.queue_index),
            ("device type", case.guest_device.device_id, case.host_device.device_id)):
        if ours != theirs:
            return Found(f"the two sides disagree on what the queue is: its {what} is {ours} and {theirs}", [Evidence(
                "one ring belongs to one queue of one device", fields(**{what.replace(" ", "_"): ours}),
                fields(**{what.replace(" ", "_"): theirs}))], doubts=DECODE)
    return _own_books(case)


def _own_books(case: Case) -> Outcome:
    """Whether a side's own records of a queue fit together."""
    found: List[Tuple[str, Optional[str], Optional[str]]] = []
    used, available = case.guest_queue.used, case.host_queue.available
    if used and not case.packed and [one.idx for one in used] != _count(case.get("driver.last_used_idx"), len(used)):
        found.append(("the used entries do not follow on last_used_idx", listed([one.idx for one in used]), None))
    if available and not case.packed and \
            [one.idx for one in available] != _count(case.get("device.last_avail_idx"), len(available)):
        found.append(("the available entries do not follow on last_avail_idx", None,
                      listed([one.idx for one in available])))
    if found:
        return Found(f"the snapshot contradicts itself: {found[0][0]}", [Evidence(*one) for one in found],
                     doubts=DECODE)
    return _impossible(case)


def _count(start: int, number: int) -> List[int]:
    return [(start + step) & 0xFFFF for step in range(number)]


def _impossible(case: Case) -> Outcome:
    if case.vhost:
        return "vhost serves the queue"
    inuse = case.get("device.inuse")
    if inuse > case.size:
        return Found(f"inuse is {inuse} in a queue of {case.size}", [Evidence(
            "no more elements can be in use than the queue has", None, fields(inuse=inuse, size=case.size))],
                     doubts=DECODE)
    seen, ring = case.peek("device.shadow_avail_idx"), case.host_queue.ring
    if seen is not None and ring is not None and \
            case.axis.distance(seen, case.device_avail) > case.axis.distance(ring.avail_idx, case.device_avail):
        return Found(f"shadow_avail_idx {seen} is not between last_avail_idx {case.device_avail} and avail->idx "
                     f"{ring.avail_idx}", [Evidence("QEMU takes it from avail->idx, and pops no further", None, fields(
                         avail__idx=ring.avail_idx, shadow_avail_idx=seen, last_avail_idx=case.device_avail))],
                     doubts=DECODE)
    held = case.host_queue.held
    if held is not None and len(held.requests) > case.popped:
        return Found(
            f"QEMU holds {len(held.requests)} requests, and {case.popped} are popped and not returned",
            [Evidence("what it holds it has popped", None, fields(held=len(held.requests), popped=case.popped))],
            doubts=DECODE)
    if case.packed or not case.event_idx or not case.get("device.signalled_used_valid"):
        return "the device's own numbers are possible"
    signalled = case.get("device.signalled_used")
    if case.axis.distance(case.device_used, signalled) < HALF:
        return "the device's own numbers are possible"
    return Found(
        f"signalled_used {signalled} is not behind used_idx {case.device_used}, which QEMU makes impossible while it "
        "is "
        "valid",
        [Evidence("virtqueue_split_flush() invalidates signalled_used before it falls 32768 behind", None, fields(
            signalled_used=signalled, signalled_used_valid=True, used_idx=case.device_used))], doubts=DECODE)


HALF = 0x8000
DECODE = ["fields of another queue, or debug information that does not match, look the same"]

IMPOSSIBLE = Rule(
    id="S4", slug="impossible-numbers",
    title="A side's numbers are impossible: they are not this queue's",
    blame="the capture, most likely",
    severity=HIGH, stage=ONE_SIDE, test=_partners,
    holds_when="signalled_used is valid and 32768 or more behind used_idx, inuse is larger than the queue, more "
               "requests are held than are popped, shadow_avail_idx is out of its bounds, entries do not follow on "
               "their "
               "index, or one ring belongs to different queues",
    needs=("vhost", "device.inuse", "size"),
    not_when=(),
    explanation="QEMU's own code keeps these numbers within bounds.  Where they are not, something else was read: "
                "another queue, another process, or members at offsets of another build.",
    confirm=("the build id of QEMU and of its debug information; ring addresses equal on both sides",),
    actions=("check that the debug information belongs to this very QEMU, and capture again",),
    references=("QEMU hw/virtio/virtio.c, virtqueue_split_flush()",),
)
