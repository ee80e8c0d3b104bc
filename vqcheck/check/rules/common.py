"""What rules of several families say in the same words."""
import functools
from typing import Callable, List, Optional, Tuple, Union

from .. import late, late_held, wording
from ..case import Case
from ..late import Late
from ..persistence import Persistence
from ..records import NO_VECTOR
from ..result import Event, Evidence, Excused, Outcome
from ..stacks import in_words

Gate = Union[Late, Excused, str]

def due_interrupt(case: Case) -> Gate:
    """The late interrupt, where one was due and is not excused."""
    found = late.interrupt(case)
    if isinstance(found, Late) and found.excuse is not None:
        return f"no interrupt was due: {found.excuse}"
    return found


def due_kick(case: Case) -> Gate:
    """The late kick, where one was due and is not excused."""
    found = late.kick(case)
    if isinstance(found, Late) and found.excuse is not None:
        return f"no kick was due: {found.excuse}"
    return found


def of_late_interrupt(test: Callable[[Case, Late], Outcome]) -> Callable[[Case], Outcome]:
    """A rule that asks what is behind a late interrupt."""
    return _behind(due_interrupt, test)


def of_late_kick(test: Callable[[Case, Late], Outcome]) -> Callable[[Case], Outcome]:
    """A rule that asks what is behind a late kick."""
    return _behind(due_kick, test)


def of_held(test: Callable[[Case, Late], Outcome]) -> Callable[[Case], Outcome]:
    """A rule that asks who holds what the device has popped and not returned."""
    return _behind(late_held.held, test)


def _behind(gate: Callable[[Case], Gate], test: Callable[[Case, Late], Outcome]) -> Callable[[Case], Outcome]:
    @functools.wraps(test)
    def whole(case: Case) -> Outcome:
        found = gate(case)
        if isinstance(found, Excused):
            return found.why  # said to the reader once, by the family's first rule
        return test(case, found) if isinstance(found, Late) else found
    return whole


def lost_interrupt(case: Case) -> Event:
    """The interrupt that was due: the used entry whose writing crossed used_event."""
    place = case.driver_used if case.used_event is None else case.used_event
    index = case.axis.position(place).offset if case.packed else place
    head = next((entry.id for entry in case.guest_queue.used or [] if entry.idx == index), None)
    notify = case.host_queue.notify
    msix = notify.msix if notify else None
    by_msix = notify is not None and msix is not None and msix.enabled and notify.vector != NO_VECTOR
    through = f"MSI-X vector {notify.vector}" if notify and by_msix else None
    indicator = case.guest_queue.indicator or case.host_queue.indicator
    if indicator is not None:
        through = f"indicator bit {indicator.bit} at {int(indicator.area):#x}"
    return _event(case, "interrupt", place, index, head, through)


def lost_kick(case: Case) -> Event:
    """The kick that was due: the available entry whose publication crossed avail_event."""
    place = case.device_avail if case.avail_event is None else case.avail_event
    index = case.axis.position(place).offset if case.packed else place
    head = next((entry.head for entry in case.host_queue.available or [] if entry.idx == index), None)
    notifier = case.peek("notify.host_notifier")
    through = f"host notifier fd {notifier.fd}" if notifier and notifier.fd is not None else None
    return _event(case, "kick", place, index, head, through)


def _event(case: Case, kind: str, place: int, index: int, head: Optional[int], through: Optional[str]) -> Event:
    request = next((one for one in case.guest_queue.in_flight or [] if one.head == head), None)
    words = wording.request(request) if request is not None and request.operation is not None else None
    return Event(kind, index, case.axis.words(place), head, words, request.age_ns if request else None, through)


def lasting(found: Late) -> List[Evidence]:
    """That a state lasts, as evidence."""
    return lasting_words(found.persistence)


def lasting_words(lasts: Persistence) -> List[Evidence]:
    """The same where no Late was made."""
    return [Evidence(f"it lasts: {lasts.evidence}")] if lasts.evidence else []


def thread(case: Case) -> Tuple[List[Evidence], List[str]]:
    """What the serving thread's stack says for an event that is lost, and what is lacking for it."""
    if case.vhost:
        return [], ["the threads of the vhost backend are not looked at"]
    serving = case.serving
    if serving is None:
        return [], ["the serving thread is not known to be asleep"]
    if not serving.at_rest:
        return [], []
    return [Evidence("the serving thread sleeps, and carries no event", None, in_words(serving))], []


def one_reading(case: Case) -> List[str]:
    """That only one side could read the ring."""
    both = (case.guest_queue.packed and case.host_queue.packed) if case.packed else \
        (case.guest_queue.ring and case.host_queue.ring)
    return [] if both else ["only one side's reading of the ring is there"]


def fields(**values: object) -> str:
    """Fields with their values, for the column of a side: `used_idx 43936, inuse 0`."""
    return ", ".join(f"{name.replace('__', '->')} {_word(value)}" for name, value in values.items())


def _word(value: object) -> str:
    if value is None:
        return "not known"
    return str(value).lower() if isinstance(value, bool) else str(value)
