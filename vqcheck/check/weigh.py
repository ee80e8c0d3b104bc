"""A pair of one instant whose numbers agree: is something late, and does that last?"""
from typing import Callable, List, NamedTuple, Optional

from . import backend, interrupts, kicks, wording
from .facts import Facts, Waiting
from .pairing import Pair
from .persistence import BACKEND_SECONDS, EVENT_SECONDS, Persistence, persistence
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
    seen: Optional[str]
    """What a person saw of the I/O not moving."""


class Weighed(NamedTuple):
    """What came out: faults, what may be one, and what looks odd and is none."""

    findings: List[Finding]
    doubts: List[str]
    excuses: List[str]


def weigh(case: Case) -> Weighed:
    """Interrupts first, then the backend, then kicks: the order in which events depend on each other."""
    parts = [_returned(case), _popped(case), _posted(case)]
    return Weighed(
        [finding for part in parts for finding in part.findings],
        [doubt for part in parts for doubt in part.doubts],
        [excuse for part in parts for excuse in part.excuses],
    )


NOTHING = Weighed([], [], [])


def _doubt(text: str) -> Weighed:
    return Weighed([], [text], [])


def _excuse(text: str) -> Weighed:
    return Weighed([], [], [text])


def _returned(case: Case) -> Weighed:
    facts, irq = case.facts, case.pair.guest.irq
    if not facts.returned:
        return NOTHING
    lasts = persistence(case.places and case.places.returned, EVENT_SECONDS, case.seen)
    what = f"{wording.entry(facts.returned)} completed and not yet consumed by the driver"
    if facts.callbacks_on is False:
        reason = "its callbacks are off, so it is looking at the ring by itself"
    elif not facts.interrupt_due:
        reason = "it has not asked to be interrupted yet"
    elif irq is not None and irq.in_progress:
        reason = f"a CPU of the guest is inside the handler of irq {irq.number}"
    else:
        return _due(case, lasts, what, interrupts.finding)
    if lasts.evidence:
        return _doubt(f"{what}: {reason}; but {lasts.evidence}. Capture again: if it stays, a CPU of the guest is "
                      "stuck in the handler, or the driver has forgotten to ask")
    return _excuse(f"{what}: {reason}")


def _popped(case: Case) -> Weighed:
    facts = case.facts
    if not facts.popped:
        return NOTHING
    # What a person saw is of the queue as a whole, and is explained by a lost event where there may be one.
    seen = None if facts.returned or facts.posted else case.seen
    lasts = persistence(case.places and case.places.popped, BACKEND_SECONDS, seen)
    if lasts.evidence:
        return Weighed([backend.finding(case.pair, facts, lasts.evidence)], [], [])
    return _excuse(f"{wording.count(facts.popped, 'request')} in the device's hands, which is no fault before "
                   f"{BACKEND_SECONDS:.0f} s; {lasts.doubt}")


def _posted(case: Case) -> Weighed:
    facts, notify = case.facts, case.pair.host.notify
    if not facts.posted:
        return NOTHING
    lasts = persistence(case.places and case.places.posted, EVENT_SECONDS, case.seen)
    what = f"{wording.entry(facts.posted)} posted and not yet popped by the device"
    if facts.num_added:
        reason = f"the driver is still adding requests (num_added {facts.num_added}) and has not kicked yet"
    elif facts.popped >= facts.size:
        reason = "the device has its hands full"
    elif notify is not None and notify.polling:
        reason = "the event loop is busy polling and needs no kick"
    elif not facts.kick_due:
        reason = "the device has not asked to be kicked yet"
    else:
        return _due(case, lasts, what, kicks.finding)
    if lasts.evidence:
        return _doubt(f"{what}: {reason}; but {lasts.evidence}. Capture again, to see whether it moves")
    return _excuse(f"{what}: {reason}")


def _due(case: Case, lasts: Persistence, what: str, finding: MakeFinding) -> Weighed:
    """An event was due and has not taken effect: is it lost, or under way?"""
    if case.mover and lasts.evidence:
        return _doubt(f"{what}, and {lasts.evidence}, but {in_words(case.mover)}: the event may be under way, or that "
                      "thread is stuck there. Capture QEMU again: if the thread still stands there, it is stuck")
    if case.mover:
        return _excuse(f"{what}: the event is under way, {in_words(case.mover)}")
    if lasts.evidence:
        return Weighed([finding(case.pair, case.facts, lasts.evidence, case.thread)], [], [])
    return _doubt(f"{what}, an event was due, and nothing shows that this lasts: {lasts.doubt}. Under load every "
                  "healthy queue looks like this for a moment, and while the guest's clock stands still ages prove "
                  "nothing. Capture again after a second, or say --stuck 'what you saw' if the I/O is known to hang")
