"""Numbers of both sides that contradict each other: C9, C12, C13."""
from typing import List, Optional, Set

from ..case import Case
from ..result import Evidence, Found, Outcome, listed
from ..rule import CORRUPTION, CRITICAL, Rule
from .at_work import both_at_work
from .common import fields
from .corruption_of_one_side import KEEP, RESET, twice
from .skew import differences


def _too_many(case: Case) -> Outcome:
    numbers = [("outstanding", case.outstanding), ("returned", case.returned)]
    if not case.vhost:
        numbers += [("posted", case.posted), ("popped", case.popped)]
    found = [f"{value} entries {what} in a queue of {case.size}" for what, value in numbers if value > case.size]
    if not found:
        return "all distances are within the queue"
    return Found(f"the numbers contradict each other: {found[0]}", [Evidence(one, *_indexes(case)) for one in found],
                 doubts=both_at_work(case))


def _indexes(case: Case) -> List[Optional[str]]:
    words = case.axis.words
    host = None if case.vhost else fields(last_avail_idx=words(case.device_avail), used_idx=words(case.device_used))
    return [fields(avail_idx_shadow=words(case.driver_avail), last_used_idx=words(case.driver_used)), host]


TOO_MANY = Rule(
    id="C12", slug="more-than-the-queue-holds",
    title="More entries are under way than the queue holds",
    blame="guest or host: an index was corrupted",
    severity=CRITICAL, stage=CORRUPTION, test=_too_many,
    holds_when="posted, popped, returned or outstanding is larger than the queue's size",
    needs=("size", "vhost", "outstanding", "returned"),
    not_when=("captures of two instants",),
    explanation="No index can be further from another than the queue is long: the entries between them would not "
                "fit.",
    confirm=("a second pair of captures",),
    actions=(KEEP, RESET),
    references=("virtio 1.2, 2.7",),
)


def _conservation(case: Case) -> Outcome:
    total = case.posted + case.popped + case.returned
    found = []
    if case.outstanding != total:
        found.append(f"the driver waits for {case.outstanding} entries, but {case.posted} posted, {case.popped} "
                     "popped and "
                     f"{case.returned} returned make {total}")
    if case.one_instant:
        found += differences(case)
    if not found:
        return "posted, popped and returned add up to what the driver waits for"
    return Found(f"the numbers contradict each other: {found[0]}", [Evidence(one, *_indexes(case)) for one in found],
                 doubts=both_at_work(case))


CONSERVATION = Rule(
    id="C13", slug="positions-disagree",
    title="The two sides' places in the ring do not fit together",
    blame="guest or host: an index or a wrap counter is wrong",
    severity=CRITICAL, stage=CORRUPTION, test=_conservation,
    holds_when="posted, popped and returned do not add up to what the driver waits for, or, of one instant, one "
               "side's copy of an index is not what is in the ring",
    needs=("posted", "popped", "returned", "outstanding"),
    not_when=("captures of two instants (S1)", "a CPU or a thread is just changing a number"),
    explanation="All indexes move on the same circle.  In a packed ring a wrap counter that is wrong puts a side a "
                "whole lap away.",
    confirm=("a second pair of captures",),
    actions=(KEEP, RESET),
    references=("QEMU commits c92f4fcafa (8.1), 2d9a31b3c2 (9.0), 33abfea239 (9.1), 7aa6492401, f463e761a4, "
               "d152cdd6f6 (packed rings)",),
)


def _heads(case: Case) -> Outcome:
    in_flight: Set[int] = {request.head for request in case.get("in_flight")}
    posted = [entry.head for entry in case.get("available")]
    on_ring = posted + [entry.id for entry in case.get("used")]
    held = [one.head for one in case.host_queue.held.requests if one.head is not None] if case.host_queue.held else []
    again = sorted({*twice(on_ring), *(set(held) & set(on_ring))})
    found = []
    if again:
        found.append(f"head {listed(again)} is in two places at once: posted, held by the device, or returned")
    lost = sorted(set(on_ring + held) - in_flight)
    if lost:
        found.append(f"head {listed(lost)} is on the ring, but nothing is in flight under it in the driver")
    if not found:
        return "every head is in one place"
    return Found(f"the numbers contradict each other: {found[0]}", [Evidence(one, f"in flight "
                                                                                  f"{listed(sorted(in_flight))}", (
        f"posted {listed(posted)}" + (f"; held {listed(held)}" if held else ""))) for one in found],
                 doubts=both_at_work(case))


HEADS = Rule(
    id="C9", slug="head-in-two-places",
    title="A head is in two places at once",
    blame="guest: the driver posted it twice; or host",
    severity=CRITICAL, stage=CORRUPTION, test=_heads,
    holds_when="the heads posted, held by the device and returned are not all different, or not all in flight in the "
               "driver",
    needs=("in_flight", "available", "used"),
    not_when=("captures of two instants",),
    explanation="A head belongs to one request until it is returned and consumed.",
    confirm=("a second pair of captures",),
    actions=(KEEP, RESET),
    references=("virtio 1.2, 2.7.13",),
)

RULES = (TOO_MANY, CONSERVATION, HEADS)
