"""The joint checker: two snapshots in, one verdict out.

Order of judging: do the captures belong together, was the VM running, are they of one instant, is the queue of a kind
that can be judged; then corruption, then what is returned and not consumed (interrupts), popped and not returned
(backend), posted and not popped (kicks).  A rule fires only on a state that lasts.
"""
from typing import Callable, List, NamedTuple, Optional

from ..snapshot.model import Snapshot
from . import backend, gates, interrupts, kicks, wording
from .facts import Facts, Missing, Waiting, gather, waiting
from .pairing import Pair, Pairing, pair
from .persistence import BACKEND_SECONDS, EVENT_SECONDS, Persistence, observed, persistence
from .stacks import Standing, busy, in_words, serving
from .verdict import CANNOT_JUDGE, FAULT, HEALTHY, Answer, Evidence, Finding, QueueVerdict, Verdict

_Make = Callable[[Pair, Facts, str, Optional[Standing]], Finding]


class _Case(NamedTuple):
    """One pair of queues before the court."""

    pair: Pair
    host: Snapshot
    facts: Facts
    places: Optional[Waiting]
    thread: Optional[Standing]
    seen: Optional[str]


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
    return _weigh(_Case(one, host, facts, waiting(one), serving(one, host), seen))


def _broken(one: Pair, gone: str) -> Finding:
    side = "host" if gates.broken(one.host_device, one.host) else "guest"
    return Finding("device-broken", gone, f"{side}: it stopped serving the queue; the cause is in its log", None,
                   [Evidence(f"{side} broken", gone)], [], "high: the side says so itself", [],
                   ["read the log for the first virtio error", "reset the device (unbind and bind its driver), or the VM"])


def _weigh(case: _Case) -> QueueVerdict:
    """A pair of one instant whose numbers agree: is something late?"""
    facts, places = case.facts, case.places
    findings: List[Finding] = []
    doubts: List[str] = []
    excuses: List[str] = []
    if facts.returned:
        lasts = persistence(places and places.returned, EVENT_SECONDS, case.seen)
        _returned(case, lasts, findings, doubts, excuses)
    if facts.popped:
        lasts = persistence(places and places.popped, BACKEND_SECONDS, case.seen)
        if lasts.evidence and not (case.seen and (facts.returned or facts.posted) and not _old(case)):
            findings.append(backend.finding(case.pair, facts, lasts.evidence))
        else:
            excuses.append(f"{wording.count(facts.popped, 'request')} in the device's hands; {lasts.doubt}")
    if facts.posted:
        lasts = persistence(places and places.posted, EVENT_SECONDS, case.seen)
        _posted(case, lasts, findings, doubts, excuses)
    return _summed_up(case, findings, doubts, excuses)


def _old(case: _Case) -> bool:
    """Whether the popped requests are old by themselves, not by what a person saw of the queue as a whole."""
    return persistence(case.places and case.places.popped, BACKEND_SECONDS, None).lasts


def _returned(case: _Case, lasts: Persistence, findings: List[Finding], doubts: List[str],
              excuses: List[str]) -> None:
    facts, irq = case.facts, case.pair.guest.irq
    what = f"{wording.entry(facts.returned)} completed and not yet consumed by the driver"
    if not facts.interrupt_due:
        if facts.callbacks_on is False:
            excuses.append(f"{what}: its callbacks are off, so it is looking at the ring by itself")
        else:
            excuses.append(f"{what}: it has not asked to be interrupted yet")
        if lasts.evidence:
            doubts.append(f"{what}, no interrupt was due, and {lasts.evidence}: is a CPU of the guest "
                          "stuck in the handler?")
    elif irq is not None and irq.in_progress:
        excuses.append(f"{what}: a CPU of the guest is inside the handler of irq {irq.number}")
        if lasts.evidence:
            doubts.append(f"{what}, irq {irq.number} is in progress, and {lasts.evidence}: capture again; if it stays, "
                          "a CPU of the guest is stuck in the handler")
    else:
        _event(case, lasts, what, interrupts.finding, findings, doubts, excuses)


def _posted(case: _Case, lasts: Persistence, findings: List[Finding], doubts: List[str], excuses: List[str]) -> None:
    facts, notify = case.facts, case.pair.host.notify
    what = f"{wording.entry(facts.posted)} posted and not yet popped by the device"
    if facts.num_added:
        excuses.append(f"{what}: the driver is still adding requests (num_added {facts.num_added}) and has not kicked "
                       "yet")
    elif facts.popped >= facts.size:
        excuses.append(f"{what}: the device has its hands full")
    elif notify is not None and notify.polling:
        excuses.append(f"{what}: the event loop is busy polling and needs no kick")
    elif not facts.kick_due:
        excuses.append(f"{what}: the device has not asked to be kicked yet")
    else:
        _event(case, lasts, what, kicks.finding, findings, doubts, excuses)
        return
    if lasts.evidence:
        doubts.append(f"{what}, no kick was due, and {lasts.evidence}: capture again, to see whether the device moves")


def _event(case: _Case, lasts: Persistence, what: str, finding: _Make, findings: List[Finding], doubts: List[str],
           excuses: List[str]) -> None:
    """An event was due and has not taken effect: lost, or under way?"""
    moving = [case.thread] if case.thread and case.thread.busy_in else busy(case.host.threads)
    if moving and lasts.evidence:
        doubts.append(f"{what}, and {lasts.evidence}, but {in_words(moving[0])}: the event may be under way, or that "
                      "thread is stuck there. Capture QEMU again: if it still stands there, it is stuck")
    elif moving:
        excuses.append(f"{what}: the event is under way, {in_words(moving[0])}")
    elif lasts.evidence:
        findings.append(finding(case.pair, case.facts, lasts.evidence, case.thread))
    else:
        doubts.append(f"{what}, an event was due, and nothing shows that this lasts: {lasts.doubt}. Under load every "
                      "healthy queue looks like this for a moment; and while the guest's clock stands still, ages prove "
                      "nothing. Capture again after a second, or say --stuck 'what you saw' if the I/O is known to hang")


def _summed_up(case: _Case, findings: List[Finding], doubts: List[str], excuses: List[str]) -> QueueVerdict:
    if findings:
        return _verdict(case.pair, FAULT, findings[0].headline, case.facts, excuses + doubts, findings)
    if doubts:
        return _verdict(case.pair, CANNOT_JUDGE, "something may be late, but it is not shown to last", case.facts,
                        doubts + excuses)
    headline = "nothing is outstanding" if case.facts.outstanding == 0 else \
        f"{wording.count(case.facts.outstanding, 'request')} under way, nothing lost"
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
