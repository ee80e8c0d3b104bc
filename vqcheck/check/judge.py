"""The joint checker: two snapshots in, one verdict out.

Order of judging: do the captures belong together, was the VM running, are they of one instant, is the queue of a kind
that can be judged; then corruption, then what is returned and not consumed (interrupts), popped and not returned
(backend), posted and not popped (kicks).  A rule fires only on a state that lasts.
"""
from typing import List, Optional, Tuple

from ..snapshot.model import Snapshot
from . import backend, gates, wording
from .facts import Facts, Missing, gather, waiting
from .pairing import Pair, Pairing, pair
from .persistence import Observed, observed
from .stacks import serving, under_way
from .verdict import CANNOT_JUDGE, FAULT, HEALTHY, Answer, Evidence, Finding, QueueVerdict, Verdict
from .weigh import Case, weigh


def judge(guest: Snapshot, host: Snapshot, stuck: Optional[str] = None) -> Verdict:
    """The verdict on a guest's and a host's snapshot.

    `stuck` is what a person saw of the I/O not moving; it stands in for request ages where they are not known, and
    where only one queue has anything outstanding, so that it can only be of that one.
    """
    machines = gates.different_machines(guest, host)
    if machines:
        return Verdict(CANNOT_JUDGE, "the two snapshots do not belong together", [], [machines])
    pairing = pair(guest, host)
    if not pairing.pairs:
        return Verdict(CANNOT_JUDGE, "the two snapshots have no queue in common", [], _no_pairs(guest, host))
    seen = observed(guest, host, stuck)
    busy = [one for one in pairing.pairs if _is_busy(one)] or pairing.pairs
    queues = [_queue(one, host, seen if len(busy) == 1 and one is busy[0] else None) for one in pairing.pairs]
    alone, grave = _alone(pairing)
    if seen and len(busy) > 1:
        alone.append(f"seen: {seen.note}; {len(busy)} queues could be meant, so it counts for none of them. Merge the "
                     "snapshots of one disk")
    statuses = [one.status for one in queues] + ([CANNOT_JUDGE] if grave else [])
    status = next(worst for worst in (FAULT, CANNOT_JUDGE, HEALTHY) if worst in statuses)
    return Verdict(status, _headline(status, queues), queues, _warnings(guest, host) + alone)


def _warnings(*snapshots: Snapshot) -> List[str]:
    """What makes the snapshots less trustworthy, by their own account."""
    return [f"the {snapshot.side}'s snapshot carries a warning: {warning}"
            for snapshot in snapshots for warning in snapshot.capture.warnings or []]


def _is_busy(one: Pair) -> bool:
    """Whether the driver waits for anything on this queue, as far as is known."""
    driver = one.guest.driver
    return driver is None or driver.avail_idx_shadow is None or driver.avail_idx_shadow != driver.last_used_idx


def _no_pairs(guest: Snapshot, host: Snapshot) -> List[str]:
    for snapshot in (guest, host):
        if not any(device.queues for device in snapshot.devices):
            return [f"the {snapshot.side}'s snapshot holds no queue"]
    ours = ", ".join(device.name for device in guest.devices) or "no device"
    theirs = ", ".join(device.name for device in host.devices) or "no device"
    return [f"the guest's snapshot holds {ours}, the host's {theirs}; neither ring addresses nor PCI addresses match: "
            "they are of different devices, different VMs or different boots"]


def _alone(pairing: Pairing) -> Tuple[List[str], bool]:
    """What has no partner, and whether that leaves the verdict open: a queue of a device that was judged does."""
    judged = {id(one.host_device) for one in pairing.pairs}
    notes = [f"queue {queue.queue_index} of {device.name} is in the guest's snapshot only, and was not judged"
             for device, queue in pairing.guest_only]
    missing = [f"queue {queue.queue_index} of {device.name} is in the host's snapshot only, and was not judged"
               for device, queue in pairing.host_only if id(device) in judged and queue.rings is not None]
    others = {device.name for device, _ in pairing.host_only if id(device) not in judged}
    if others:
        notes.append(f"not in the guest's snapshot, and not judged: {', '.join(sorted(others))}")
    return notes + missing, bool(pairing.guest_only or missing)


def _headline(status: str, queues: List[QueueVerdict]) -> str:
    telling = [one for one in queues if one.status == status]
    if not telling:
        return "not every queue has a partner in the other snapshot"
    if status == HEALTHY and len(queues) > 1:
        return f"{len(queues)} queues, nothing lost"
    first = telling[0]
    more = f" (and {wording.count(len(telling) - 1, 'more queue')})" if len(telling) > 1 else ""
    return f"{first.guest_device} = {first.host_device}, queue {first.queue_index}: {first.headline}{more}"


def _queue(one: Pair, host: Snapshot, seen: Optional[Observed]) -> QueueVerdict:
    gone = gates.broken(one.guest_device, one.guest) or gates.broken(one.host_device, one.host)
    if gone:
        return _verdict(one, FAULT, gone, findings=[_broken(one, gone)])
    wrong = gates.other_device(one)
    if wrong:
        return _verdict(one, CANNOT_JUDGE, "the two sides do not describe the same queue", reasons=wrong)
    parked = backend.parked(one)
    if parked:
        return _verdict(one, FAULT, parked.headline, findings=[parked])
    blocked = gates.stopped(one) or gates.not_ours(one) or gates.not_live(one)
    if blocked:
        return _verdict(one, CANNOT_JUDGE, "cannot judge this queue", reasons=[blocked])
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
    return _weighed(Case(one, facts, waiting(one), serving(one, host), under_way(one, host), seen))


def _broken(one: Pair, gone: str) -> Finding:
    side = "host" if gates.broken(one.host_device, one.host) else "guest"
    return Finding("device-broken", gone, f"{side}: it stopped serving the queue; the cause is in its log", None,
                   [Evidence(f"{side} broken", gone)], [], "high: the side says so itself", [],
                   ["read the log for the first virtio error",
                    "reset the device (unbind and bind its driver), or the VM"])


def _weighed(case: Case) -> QueueVerdict:
    findings, doubts, excuses = weigh(case)
    if findings:
        if case.seen is not None and not case.seen.stuck:
            findings[0].against.append(f"a person saw it move: {case.seen.note}")
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
        Answer("Device saw the requests?", _yes(facts.posted, "not popped"),
               f"avail->idx {ring.avail_idx}", f"last_avail_idx {facts.last_avail_idx}"),
        Answer("Device completed them?", _yes(facts.popped, "in the device"),
               f"used->idx {ring.used_idx}", f"used_idx {facts.used_idx}, inuse {facts.inuse}"),
        Answer("Driver saw the completions?", _yes(facts.returned, "not consumed"),
               f"last_used_idx {facts.last_used_idx}", f"used_idx {facts.used_idx}"),
    ]


def _yes(number: int, what: str) -> str:
    return f"no: {number} {what}" if number else "yes, all"
