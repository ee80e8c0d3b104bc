"""A pair of one instant whose numbers agree: is something late, and does that last?"""
from typing import Callable, List, NamedTuple, Optional

from . import backend, interrupts, kicks, wording
from .facts import Facts, Waiting
from .pairing import Pair
from .persistence import BACKEND_SECONDS, Observed, Persistence, of_backend, of_event
from .stacks import Standing, in_words
from .verdict import Finding

MakeFinding = Callable[[Pair, Facts, str, Optional[Standing]], Finding]


class Case(NamedTuple):
    """One pair of queues before the court."""

    pair: Pair
    facts: Facts
    places: Optional[Waiting]
    thread: Optional[Standing]
    """The thread that serves the queue."""
    mover: Optional[Standing]
    """A thread that may be carrying an event of this queue right now."""
    seen: Optional[Observed]
    """What a person saw of the I/O, where it can only be of this queue."""


class Weighed(NamedTuple):
    """What came out: faults, what may be one, and what looks odd and is none."""

    findings: List[Finding]
    doubts: List[str]
    excuses: List[str]


NOTHING = Weighed([], [], [])


def weigh(case: Case) -> Weighed:
    """Interrupts first, then the backend, then kicks: the order in which events depend on each other."""
    parts = [_returned(case), _popped(case), _posted(case)]
    weighed = Weighed(
        [finding for part in parts for finding in part.findings],
        [doubt for part in parts for doubt in part.doubts],
        [excuse for part in parts for excuse in part.excuses],
    )
    if case.seen and case.seen.stuck and not weighed.findings and not weighed.doubts:
        weighed.doubts.append(_contradicted(case, case.seen.note))
    return weighed


def _contradicted(case: Case, note: str) -> str:
    if case.facts.outstanding == 0:
        return (f"seen: {note}; but nothing is outstanding on this queue. What waits, waits above it: blk-mq, "
                "device mapper, the file system, or another queue")
    return (f"seen: {note}; but the requests of this queue are young by the guest's clock. It stands still while the "
            "guest's vCPUs do; or the I/O that hangs is on another queue")


def _doubt(text: str) -> Weighed:
    return Weighed([], [text], [])


def _excuse(text: str) -> Weighed:
    return Weighed([], [], [text])


def _explained(what: str, reason: str, lasts: Persistence, otherwise: str) -> Weighed:
    """A state that has a harmless explanation: good while it is young, a doubt when it lasts or its age is unknown."""
    if lasts.evidence or not lasts.known:
        return _doubt(f"{what}: {reason}; but {lasts.evidence or lasts.doubt}. Capture again: if it stays, {otherwise}")
    return _excuse(f"{what}: {reason}")


def _returned(case: Case) -> Weighed:
    facts, irq = case.facts, case.pair.guest.irq
    if not facts.returned:
        return NOTHING
    lasts = of_event(case.places and case.places.returned, case.seen)
    what = f"{wording.entry(facts.returned)} completed and not yet consumed by the driver"
    if facts.callbacks_on is False:
        reason = "its callbacks are off, so it is looking at the ring by itself"
    elif facts.event_triggered:
        # Since Linux 5.14 (8d622d21d248 "virtio: fix up virtio_disable_cb") this replaces the callbacks' flag there.
        reason = "it has taken an interrupt (event_triggered) and not asked for the next one yet"
    elif not facts.interrupt_due:
        reason = "it has not asked to be interrupted yet"
    elif irq is not None and irq.in_progress:
        reason = f"a CPU of the guest is inside the handler of irq {irq.number}"
    else:
        return _due(case, lasts, what, interrupts.finding)
    return _explained(what, reason, lasts, "a CPU of the guest is stuck in the handler, or the driver has forgotten to "
                      "ask for the next interrupt")


def _popped(case: Case) -> Weighed:
    facts = case.facts
    if not facts.popped:
        return NOTHING
    # What a person saw is of the queue as a whole, and is explained by a lost event where there may be one.
    seen = None if facts.returned or facts.posted else case.seen
    lasts = of_backend(case.places and case.places.popped, seen)
    what = f"{wording.count(facts.popped, 'request')} in the device's hands"
    if lasts.evidence:
        return Weighed([backend.finding(case.pair, facts, lasts.evidence)], [], [])
    if not lasts.known:
        return _doubt(f"{what}, and {lasts.doubt}")
    return _excuse(f"{what}, which is no fault before {BACKEND_SECONDS:.0f} s; {lasts.doubt}")


def _posted(case: Case) -> Weighed:
    facts = case.facts
    if not facts.posted:
        return NOTHING
    lasts = of_event(case.places and case.places.posted, case.seen)
    what = f"{wording.entry(facts.posted)} posted and not yet popped by the device"
    reason = _wants_no_kick(case)
    if reason is None:
        return _due(case, lasts, what, kicks.finding)
    return _explained(what, reason, lasts, "the device has forgotten its queue")


def _wants_no_kick(case: Case) -> Optional[str]:
    """Why no kick was due, or why a kick would change nothing."""
    facts, notify = case.facts, case.pair.host.notify
    block = case.pair.host_device.host.block if case.pair.host_device.host else None
    if facts.num_added:
        return f"the driver is still adding requests (num_added {facts.num_added}) and has not kicked yet"
    if facts.popped >= facts.size:
        return "the device has its hands full"
    if notify is not None and notify.polling:
        return "the event loop is busy polling and needs no kick"
    if facts.notification is False:
        return "the device has kicks switched off, as it does while its event loop is busy polling"
    if block is not None and block.quiesce_counter:
        return "the block layer is drained (quiesce_counter above 0), and the device takes no new requests meanwhile"
    if notify is not None and notify.host_notifier is not None and notify.host_notifier.handler is False:
        return "no handler is attached to the host notifier, as while the device is drained"
    return None if facts.kick_due else "the device has not asked to be kicked yet"


def _due(case: Case, lasts: Persistence, what: str, finding: MakeFinding) -> Weighed:
    """An event was due and has not taken effect: is it lost, or under way?"""
    mover = case.mover
    if mover is not None and lasts.known and not lasts.evidence and not mover.blocked:
        return _excuse(f"{what}: the event is under way, {in_words(mover)}")
    if mover is not None:
        return _doubt(f"{what}, and {lasts.evidence or lasts.doubt}, but {in_words(mover)}: the event may be under "
                      "way, or that thread is stuck there. Capture QEMU again: if the thread still stands there, it is "
                      "stuck")
    if lasts.evidence and case.thread is not None and not case.thread.at_rest:
        return _doubt(f"{what}, and {lasts.evidence}, but {in_words(case.thread)}: it is busy with, or blocked in, "
                      "something else, and the event may wait for it. Look at what it waits for, and capture again")
    if lasts.evidence:
        return Weighed([finding(case.pair, case.facts, lasts.evidence, case.thread)], [], [])
    return _doubt(f"{what}, an event was due, and nothing shows that this lasts: {lasts.doubt}. Under load every "
                  "healthy queue looks like this for a moment, and while the guest's clock stands still ages prove "
                  "nothing. Capture again after a second; where ages are not known, say --stuck 'what you saw'")
