"""The joint checker: two snapshots in, one verdict out.

Order of judging: do the captures belong together, was the VM running, are they of one instant, is the queue of a kind
that can be judged; then corruption, then what is returned and not consumed (interrupts), popped and not returned
(backend), posted and not popped (kicks).  A rule fires only on a state that lasts.
"""
from typing import List, Optional

from ..snapshot.model import Snapshot
from . import gates, wording
from .facts import Facts, Missing, gather, waiting
from .pairing import Pair, Pairing, pair
from .persistence import observed
from .stacks import serving, under_way
from .verdict import CANNOT_JUDGE, FAULT, HEALTHY, Answer, Evidence, Finding, QueueVerdict, Verdict
from .weigh import Case, weigh


def judge(guest: Snapshot, host: Snapshot, stuck: Optional[str] = None) -> Verdict:
    """The verdict on a guest's and a host's snapshot.

    `stuck` is what a person saw of the I/O not moving; it stands in for request ages where they are not known.
    """
    machines = gates.different_machines(guest, host)
    if machines:
        return Verdict(CANNOT_JUDGE, "the two snapshots do not belong together", [], [machines])
    pairing = pair(guest, host)
    if not pairing.pairs:
        return Verdict(CANNOT_JUDGE, "the two snapshots have no queue in common", [], _no_pairs(guest, host))
    seen = observed(guest, host, stuck)
    queues = [_queue(one, host, seen) for one in pairing.pairs]
    status = next(worst for worst in (FAULT, CANNOT_JUDGE, HEALTHY) if any(one.status == worst for one in queues))
    if status == HEALTHY and pairing.guest_only:
        status = CANNOT_JUDGE
    return Verdict(status, _headline(status, queues), queues, _alone(pairing))


def _no_pairs(guest: Snapshot, host: Snapshot) -> List[str]:
    ours = ", ".join(device.name for device in guest.devices) or "no device"
    theirs = ", ".join(device.name for device in host.devices) or "no device"
    return [f"the guest's snapshot holds {ours}, the host's {theirs}; neither ring addresses nor PCI addresses match: "
            "they are of different devices, different VMs or different boots"]


def _alone(pairing: Pairing) -> List[str]:
    return [f"queue {queue.queue_index} of {device.name} is in the guest's snapshot only, and was not judged"
            for device, queue in pairing.guest_only]


def _headline(status: str, queues: List[QueueVerdict]) -> str:
    telling = [one for one in queues if one.status == status] or queues
    first = telling[0]
    where = f"{first.guest_device} = {first.host_device}, queue {first.queue_index}"
    more = f" (and {len(telling) - 1} more queues)" if len(telling) > 1 and status != HEALTHY else ""
    if status == HEALTHY and len(queues) > 1:
        return f"{len(queues)} queues, nothing lost"
    return f"{where}: {first.headline}{more}"


def _queue(one: Pair, host: Snapshot, seen: Optional[str]) -> QueueVerdict:
    blocked = gates.stopped(one) or gates.not_ours(one)
    if blocked:
        return _verdict(one, CANNOT_JUDGE, "cannot judge this queue", reasons=[blocked])
    wrong = gates.other_device(one)
    if wrong:
        return _verdict(one, CANNOT_JUDGE, "the two sides do not describe the same queue", reasons=wrong)
    gone = gates.broken(one.guest_device, one.guest) or gates.broken(one.host_device, one.host)
    if gone:
        return _verdict(one, FAULT, gone, findings=[_broken(one, gone)])
    try:
        facts = gather(one)
    except Missing as problem:
        return _verdict(one, CANNOT_JUDGE, "not enough is known of this queue", reasons=problem.reasons)
    skewed = gates.skew(one, facts)
    if skewed:
        return _verdict(one, CANNOT_JUDGE, "the two captures are not of one instant", facts, skewed + [
            "capture both sides again at one stopped instant, or twice each"])
    odd = gates.inconsistent(one, facts)
    if odd:
        return _verdict(one, CANNOT_JUDGE, "the numbers contradict each other: captures of two instants, or a corrupt "
                        "ring", facts, odd)
    case = Case(one, facts, waiting(one), serving(one, host), under_way(one, host), seen)
    return _weighed(case)


def _broken(one: Pair, gone: str) -> Finding:
    side = "host" if gates.broken(one.host_device, one.host) else "guest"
    return Finding("device-broken", gone, f"{side}: it stopped serving the queue; the cause is in its log", None,
                   [Evidence(f"{side} broken", gone)], [], "high: the side says so itself", [],
                   ["read the log for the first virtio error",
                    "reset the device (unbind and bind its driver), or the VM"])


def _weighed(case: Case) -> QueueVerdict:
    findings, doubts, excuses = weigh(case)
    if findings:
        return _verdict(case.pair, FAULT, findings[0].headline, case.facts, excuses + doubts, findings)
    if doubts:
        return _verdict(case.pair, CANNOT_JUDGE, "something may be late, but it is not shown to last", case.facts,
                        doubts + excuses)
    outstanding = case.facts.outstanding
    headline = f"{wording.count(outstanding, 'request')} under way, nothing lost" if outstanding else \
        "nothing is outstanding"
    return _verdict(case.pair, HEALTHY, headline, case.facts, excuses)


def _verdict(one: Pair, status: str, headline: str, facts: Optional[Facts] = None, reasons: Optional[List[str]] = None,
             findings: Optional[List[Finding]] = None) -> QueueVerdict:
    return QueueVerdict(one.guest_device.name, one.host_device.name, one.guest.queue_index, status, headline,
                        _answers(facts) if facts else [], findings or [], reasons or [])


def _answers(facts: Facts) -> List[Answer]:
    """The three questions of Stefan Hajnoczi's procedure for stuck virtio devices."""
    ring = facts.ring
    return [
        Answer("Did the device see the requests?", _yes(facts.posted, "not popped"),
               f"avail->idx {ring.avail_idx}", f"last_avail_idx {facts.last_avail_idx}"),
        Answer("Did the device complete them?", _yes(facts.popped, "in the device"),
               f"used->idx {ring.used_idx}", f"used_idx {facts.used_idx}, inuse {facts.inuse}"),
        Answer("Did the driver see the completions?", _yes(facts.returned, "not consumed"),
               f"last_used_idx {facts.last_used_idx}", f"used_idx {facts.used_idx}"),
    ]


def _yes(number: int, what: str) -> str:
    return f"no: {number} {what}" if number else "yes, all"
