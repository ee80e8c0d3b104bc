"""S1: whether the two captures are of one instant; who moved, and by how much."""
from typing import List

from ..case import Case
from ..history import seconds_between
from ..result import Evidence, Found, Outcome
from ..rule import NOTE, SKEW, Rule

AGAIN = "capture both sides again at one stopped instant (vqcheck inspect on a core of QEMU), or twice each"


def differences(case: Case) -> List[str]:
    """What the two captures read differently of the same ring."""
    return _packed(case) if case.packed else _split(case)


def _split(case: Case) -> List[str]:
    found: List[str] = []
    mine, yours = case.guest_queue.ring, case.host_queue.ring
    if mine and yours:
        found += [_moved(case, field, ours, theirs) for field, ours, theirs in zip(mine._fields, mine, yours)
                  if ours != theirs]
    if not case.vhost and case.device_used != case.ring_used:
        found.append(_apart(case, "used->idx", case.ring_used, "QEMU's used_idx", case.device_used))
    if case.driver_avail != case.ring_avail:
        found.append(_apart(case, "avail->idx", case.ring_avail, "the driver's avail_idx_shadow", case.driver_avail))
    return found


def _packed(case: Case) -> List[str]:
    found: List[str] = []
    mine, yours = case.guest_queue.packed, case.host_queue.packed
    if mine and yours:
        for name in ("driver_event", "device_event"):
            ours, theirs = getattr(mine, name), getattr(yours, name)
            if ours is not None and theirs is not None and ours != theirs:
                found.append(f"{name} is {ours.off_wrap & 0x7FFF}:{ours.off_wrap >> 15} flags {ours.flags} in the "
                             "guest's "
                             f"capture and {theirs.off_wrap & 0x7FFF}:{theirs.off_wrap >> 15} flags {theirs.flags} in "
                             "the host's")
    if case.vhost:
        return found
    if case.guest_queue.used is not None and case.guest_queue.in_flight is not None and \
            case.used_in_ring != case.device_used:
        found.append(_apart(case, "the last used descriptor, as the guest's capture has it, is at", case.used_in_ring,
                            "QEMU's used_idx", case.device_used))
    end = posted_in_ring(case)
    if end is not None and end != case.driver_avail:
        found.append(_apart(case, "the last available descriptor, as the host's capture has it, is at", end,
                            "the driver's next_avail_idx", case.driver_avail))
    return found


def posted_in_ring(case: Case) -> "int | None":
    """Packed: where the available descriptors end that the host's side found in the ring; None where not known."""
    shared = case.host_queue.packed
    if shared is None or shared.descriptors is None or case.host_queue.available is None:
        return None
    return (case.device_used + len(shared.descriptors)) % case.axis.circle


def _moved(case: Case, field: str, ours: int, theirs: int) -> str:
    if not field.endswith("idx"):  # an event index may be set back, and tells no time
        return f"{field} is {ours} in the guest's capture and {theirs} in the host's"
    steps = case.axis.signed(theirs, ours)
    later = "host's" if steps > 0 else "guest's"
    return (f"{field} is {ours} in the guest's capture and {theirs} in the host's: the {later} is later, "
            f"by {abs(steps)} entries")


def _apart(case: Case, one: str, value: int, other: str, there: int) -> str:
    words = case.axis.words
    verb = "" if one.endswith(" at") else " is"
    return f"{one}{verb} {words(value)} and {other} is {words(there)}; at one instant they are equal"


def test(case: Case) -> Outcome:
    """Whether the captures disagree on the ring."""
    if case.one_instant:
        return "both sides are of one instant"
    found = differences(case)
    if not found:
        return "the two captures read the same indexes"
    return Found("the two captures are not of one instant", [Evidence(one) for one in found + _progress(case)])


def _progress(case: Case) -> List[str]:
    """What several captures of a side say of a queue whose captures do not fit: that it moves."""
    found = []
    for samples, side, record, name in ((case.history.guest, "guest", "driver", "last_used_idx"),
                                        (case.history.host, "host", "device", "used_idx")):
        if len(samples) < 2:
            continue
        first, last = (getattr(getattr(one.queue, record), name, None) for one in (samples[0], samples[-1]))
        seconds = seconds_between(samples[0].snapshot, samples[-1].snapshot)
        if first is not None and last is not None and first != last:
            span = f" in {seconds:.1f} s" if seconds else ""
            found.append(f"the queue moves: {name} of the {side} went from {first} to {last}{span}")
    return found


RULE = Rule(
    id="S1", slug="skewed-captures",
    title="The two captures are not of one instant",
    blame="the captures",
    severity=NOTE, stage=SKEW, test=test, essential=True,
    holds_when="the two sides read different indexes of the same ring, or one side's copy of an index is not what "
               "the other read there",
    needs=("size", "packed", "driver_avail", "driver_used", "ring_avail", "ring_used"),
    not_when=("both sides were taken from one core",),
    explanation="Between two captures a living queue moves, and a queue seen at two moments shows entries that seem "
                "to be lost.  The conservation law holds at one instant only: posted, popped and returned entries "
                "add up to what the driver waits for.  An index that one side has further tells which capture is "
                "later.",
    confirm=("a second pair of captures",),
    actions=(AGAIN,),
    references=("docs/capturing.md",),
)

