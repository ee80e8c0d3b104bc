"""Whether a side may just be changing the numbers that do not fit."""
from typing import List

from ..case import Case
from ..history import NS
from ..persistence import EVENT_SECONDS


def host_at_work(case: Case) -> List[str]:
    """Why QEMU may just be changing the numbers; nothing where its thread is seen to sleep."""
    if case.serving is None:
        return ["the serving thread is not known to be asleep: it may be in the middle of changing these numbers"]
    return [] if case.serving.at_rest else ["the serving thread is at work, and may be in the middle of changing these "
                                            "numbers. Capture again"]


def guest_at_work(case: Case) -> List[str]:
    """Why the driver may just be changing the numbers; nothing where it is seen to do nothing."""
    irq = case.guest_queue.irq
    ages = [one.age_ns for one in case.guest_queue.in_flight or []]
    settled = ages and all(age is not None and age >= EVENT_SECONDS * NS for age in ages)
    if settled and irq is not None and irq.in_progress is False:
        return []
    return ["a CPU of the guest may be in the middle of changing these numbers. Capture again"]


def both_at_work(case: Case) -> List[str]:
    """The same of both sides, whose captures may also have moved apart unseen."""
    found = host_at_work(case) + guest_at_work(case)
    return found if case.one_instant or not found else [*found, "captures of two instants can look the same"]
