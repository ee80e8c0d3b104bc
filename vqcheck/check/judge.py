"""The joint checker: snapshots of both sides in, one verdict out."""
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ..snapshot import moving
from ..snapshot.model import GUEST, HOST, Device, Queue, Snapshot
from . import engine, join, late, wording
from .case import Case
from .history import History, Sample, in_order
from .pairing import Pair, Pairing, pair
from .persistence import BACKEND_SECONDS, Observed, is_stuck, observed
from .rule import MACHINE, NOTE
from .rules import skew
from .rules.machine import Machine
from .stacks import Threads
from .unknown import Unknown
from .verdict import CANNOT_JUDGE, FAULT, HEALTHY, SHOWN, Answer, Finding, QueueVerdict, RingView, Verdict, worst

Place = Tuple[str, int]
Index = Dict[Place, Tuple[Device, Queue]]


class OneSided(ValueError):
    """All snapshots are of one side."""


def judge(*snapshots: Snapshot, stuck: Optional[str] = None, explain: bool = False) -> Verdict:
    """The verdict on snapshots of a guest and its host: one of each side, or several, in any order.

    `stuck` is what a person saw of the I/O not moving; it stands in for request ages where they are not known, and
    where only one queue has anything outstanding, so that it can only be of that one.  With `explain` every rule that
    was tried is kept, and what became of it.  Raises OneSided.
    """
    guests = in_order([one for one in snapshots if one.side == GUEST])
    hosts = in_order([one for one in snapshots if one.side == HOST])
    if not guests or not hosts:
        raise OneSided(f"all snapshots are of the {HOST if hosts else GUEST}; a verdict needs both sides")
    outcome = engine.Judged([], [], [], None)
    machine = Machine(guests[-1], hosts[-1])
    apart, _ = engine.judge_stage(MACHINE, machine, outcome)
    if apart:
        findings = [engine.finding(rule, found) for rule, found in apart]
        return Verdict(CANNOT_JUDGE, findings[0].headline, findings, [], [])
    pairing = pair(guests[-1], hosts[-1])
    if not pairing.pairs:
        return Verdict(CANNOT_JUDGE, "the two snapshots have no queue in common", [], [], _no_pairs(*machine[:2]))
    court = _Court(guests, hosts, observed([*guests[::-1], *hosts[::-1]], stuck), pairing,
                   explain)
    return court.verdict(machine)


class _Court:
    """All captures of both sides, and the queues that are in all of them."""

    def __init__(self, guests: List[Snapshot], hosts: List[Snapshot], seen: Optional[Observed],
                 pairing: Pairing, explain: bool) -> None:
        self.explain = explain
        self.guests, self.hosts = guests, hosts
        self.pairing = pairing
        self.threads = [Threads(one) for one in hosts]
        self.indexes: Dict[int, Index] = {id(one): _index(one) for one in (*guests[:-1], *hosts[:-1])}
        busy = [one for one in pairing.pairs if _is_busy(one)] or pairing.pairs
        self.busy = len(busy)
        self.seen = seen
        self.meant = busy[0] if len(busy) == 1 else None

    def verdict(self, machine: Machine) -> Verdict:
        """All queues, and then what concerns them together."""
        queues = [self._queue(one) for one in self.pairing.pairs]
        outcome = engine.Judged([], [], [], None)
        held, _ = engine.judge_stage(MACHINE, machine._replace(queues=queues), outcome)
        notes, grave = _alone(self.pairing)
        if self.seen and self.meant is None:
            notes.append(f"seen: {self.seen.note}; {self.busy} queues could be meant, so it counts for none of them. "
                         "Merge the snapshots of one disk")
        status = worst([one.status for one in queues] + ([CANNOT_JUDGE] if grave else []))
        first = _headline(status, queues)
        if status != FAULT:  # what concerns all of them is said first
            first = "; ".join([*(found.headline for rule, found in held if rule.severity == NOTE), first])
        return Verdict(status, first, [engine.finding(rule, found) for rule, found in held], queues,
                       _warnings(*self.guests, *self.hosts) + notes)

    def _queue(self, one: Pair) -> QueueVerdict:
        case = self._case(one, len(self.guests) - 1, len(self.hosts) - 1)
        if (len(self.guests) > 1 or len(self.hosts) > 1) and not _fits(case):
            case = next((other for other in self._others(one) if _fits(other)), case)
        return _sentence(case, engine.judge_case(case, self.explain))

    def _others(self, one: Pair) -> Iterator[Case]:
        """The other pairs of captures, the latest first: two that enclose a third one fit together with it."""
        for total in reversed(range(len(self.guests) + len(self.hosts) - 2)):
            for guest in reversed(range(len(self.guests))):
                host = total - guest
                if 0 <= host < len(self.hosts):
                    case = self._earlier(one, guest, host)
                    if case is not None:
                        yield case

    def _earlier(self, one: Pair, guest: int, host: int) -> Optional[Case]:
        history = self._history(one, guest, host)
        if not history.guest or not history.host or history.guest[-1].snapshot is not self.guests[guest] or \
                history.host[-1].snapshot is not self.hosts[host]:
            return None
        mine, yours = history.guest[-1], history.host[-1]
        return self._case(Pair(mine.device, mine.queue, yours.device, yours.queue, one.by), guest, host, history)

    def _case(self, one: Pair, guest: int, host: int, history: Optional[History] = None) -> Case:
        return Case(one, self.guests[guest], self.hosts[host], self.threads[host],
                    history or self._history(one, guest, host), self.seen if one.guest is self._meant() else None,
                    same_instant(self.guests[guest], self.hosts[host]))

    def _meant(self) -> Any:
        return self.meant.guest if self.meant else None

    def _history(self, one: Pair, guest: int, host: int) -> History:
        return History(self._samples(self.guests[:guest + 1], one.guest_device, one.guest),
                       self._samples(self.hosts[:host + 1], one.host_device, one.host))

    def _samples(self, snapshots: Sequence[Snapshot], device: Device, queue: Queue) -> List[Sample]:
        found = []
        for snapshot in snapshots:
            index = self.indexes.get(id(snapshot))
            if index is None:  # the last one
                found.append(Sample(snapshot, device, queue))
                continue
            there = index.get((device.name, queue.queue_index))
            if there is not None and there[1].rings == queue.rings:
                found.append(Sample(snapshot, *there))
        return found


def same_instant(guest: Snapshot, host: Snapshot) -> bool:
    """Both sides were read at one stopped instant, out of one core of QEMU or of one that was stopped."""
    return guest.capture.instant is not None and guest.capture.instant == host.capture.instant


def _fits(case: Case) -> bool:
    try:
        return isinstance(skew.test(case), str)
    except Unknown:
        return True


def _index(snapshot: Snapshot) -> Index:
    return {(device.name, queue.queue_index): (device, queue) for device in snapshot.devices for queue in device.queues}


def _is_busy(one: Pair) -> bool:
    """Whether the driver waits for anything on this queue, as far as is known."""
    driver = one.guest.driver
    if driver is None or driver.last_used_idx is None:
        return True
    if one.guest.layout == "packed":
        return (driver.next_avail_idx, driver.avail_wrap_counter) != (driver.last_used_idx, driver.used_wrap_counter)
    return driver.avail_idx_shadow != driver.last_used_idx


def _sentence(case: Case, judged: engine.Judged) -> QueueVerdict:
    """The verdict on a queue out of what its rules say."""
    faults = [one for one in judged.findings if one.certainty == SHOWN and one.severity != NOTE]
    open_matters = [one for one in judged.findings if one not in faults]
    moves = _moves(case, judged) if judged.missing and not judged.findings else None
    status = FAULT if faults else CANNOT_JUDGE if open_matters or judged.missing and not moves else HEALTHY
    return QueueVerdict(
        case.guest_device.name, case.host_device.name, case.guest_queue.queue_index, case.role, status,
        "it moves, and does not hang" if moves else _said(case, status, judged.findings),
        _ring(case), _answers(case), judged.findings,
        join.requests(case) if status != HEALTHY else [],
        [*([moves] if moves else []), *_beside(open_matters if faults else open_matters[1:]), *judged.missing,
         *judged.excuses, *_contradiction(case, status)], judged.judged or [])


def _moves(case: Case, judged: engine.Judged) -> Optional[str]:
    """That a queue of which not enough is known for judging moved while it was read; None where something else is
    missing, or where a request may hang in it while others go on."""
    if not all(moving.REASON in one for one in judged.missing) or case.guest_queue.in_flight is None:
        return None
    if any(is_stuck(one.age_ns) for one in case.guest_queue.in_flight):
        return None
    old = f"and of what was in flight all the while nothing is {BACKEND_SECONDS:.0f} s old"
    if "last_used_idx" in (case.guest_queue.moved or ()):
        return f"completions arrived while it was read (last_used_idx moved), {old}"
    went_on = late.driver_moves(case)
    return f"{went_on}, {old}" if went_on else None


def _beside(findings: Sequence[Finding]) -> List[str]:
    """What is beside the finding that is told first, a line each."""
    return [one.headline if one.severity == NOTE else f"suspected ({one.rule} {one.slug}): {one.against[0]}"
            for one in findings]


def _contradiction(case: Case, status: str) -> List[str]:
    seen = case.seen
    if seen is None or (status == FAULT) == seen.stuck or status == CANNOT_JUDGE:
        return []
    return [f"a person saw it {'hang' if seen.stuck else 'move'}: {seen.note}"]


def _said(case: Case, status: str, findings: Sequence[Finding]) -> str:
    if findings and (status == FAULT or findings[0].severity == NOTE):
        return findings[0].headline
    if findings:
        return f"suspected, not shown: {findings[0].title} ({findings[0].rule} {findings[0].slug})"
    if status == CANNOT_JUDGE:
        return "not enough is known of this queue"
    try:
        outstanding = case.outstanding
    except Unknown:
        return "nothing lost"
    if outstanding == 0:
        return "nothing is outstanding"
    return f"{wording.count(outstanding, 'request')} under way, nothing lost"


def _headline(status: str, queues: Sequence[QueueVerdict]) -> str:
    telling = [one for one in queues if one.status == status]
    if not telling:
        return "not every queue has a partner in the other snapshot"
    if status == HEALTHY and len(queues) > 1:
        return f"{len(queues)} queues, nothing lost"
    first = telling[0]
    more = f" (and {wording.count(len(telling) - 1, 'more queue')})" if len(telling) > 1 else ""
    return f"{first.guest_device} = {first.host_device}, queue {first.queue_index}: {first.headline}{more}"


def _ring(case: Case) -> Optional[RingView]:
    try:
        if _torn(case):
            return None
        live = not case.vhost
        return RingView(
            "packed" if case.packed else "split", case.size, case.driver_avail, case.driver_used,
            case.device_avail if live else None, case.device_used if live else None, case.used_event, case.avail_event,
            case.posted if live else None, case.popped if live else None, case.returned)
    except Unknown:
        return None


def _torn(case: Case) -> bool:
    """The two sides' places are not of one ring, or not of one moment: distances between them mean nothing."""
    distances = [case.returned, case.outstanding] + ([] if case.vhost else [case.posted, case.popped])
    return max(distances) > case.size


def _answers(case: Case) -> List[Answer]:
    """The three questions of Stefan Hajnoczi's procedure for stuck virtio devices."""
    try:
        if _torn(case):
            return []
        words = case.axis.words
        gave, took, gets = words(case.ring_avail), words(case.device_avail), words(case.device_used)
        shows, got = words(case.ring_used), words(case.driver_used)
        return [
            Answer("Device saw the requests?", _yes(case.posted, "not popped"),
                   f"{'next_avail_idx' if case.packed else 'avail->idx'} {gave}", f"last_avail_idx {took}"),
            Answer("Device completed them?", _yes(case.popped, "in the device"),
                   "" if case.packed else f"used->idx {shows}", f"used_idx {gets}, inuse {case.peek('device.inuse')}"),
            Answer("Driver saw the completions?", _yes(case.returned, "not consumed"), f"last_used_idx {got}",
                   f"used_idx {gets}"),
        ]
    except Unknown:
        return []


def _yes(number: int, what: str) -> str:
    return f"no: {number} {what}" if number else "yes, all"


def _warnings(*snapshots: Snapshot) -> List[str]:
    """What makes the snapshots less trustworthy, by their own account; what is said of each queue that moved is not."""
    return list(dict.fromkeys(f"the {snapshot.side}'s snapshot carries a warning: {warning}"
                              for snapshot in snapshots for warning in snapshot.capture.warnings or []
                              if moving.SAYS not in warning))


def _no_pairs(guest: Snapshot, host: Snapshot) -> List[str]:
    for snapshot in (guest, host):
        if not any(device.queues for device in snapshot.devices):
            return [f"the {snapshot.side}'s snapshot holds no queue"]
    ours = ", ".join(device.name for device in guest.devices) or "no device"
    theirs = ", ".join(device.name for device in host.devices) or "no device"
    return [f"the guest's snapshot holds {ours}, the host's {theirs}; neither ring addresses nor bus addresses match: "
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
