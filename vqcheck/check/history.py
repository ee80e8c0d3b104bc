"""Several captures of one side: for how long did a queue stand still?

A queue that is merely busy moves between two captures; one that lost an event does not.
"""
import datetime
from typing import Any, Callable, List, NamedTuple, Optional, Sequence

from ..snapshot.model import Device, Queue, Snapshot

NS = 1_000_000_000

WHOLE_SECOND = 1.0
"""Times of captures are mostly kept in whole seconds: so much less may have passed."""


class Sample(NamedTuple):
    """A queue in one capture."""

    snapshot: Snapshot
    device: Device
    queue: Queue


class History(NamedTuple):
    """The captures of a queue on either side, oldest first; the last of each is the one that is judged."""

    guest: Sequence[Sample] = ()
    host: Sequence[Sample] = ()


class Stood(NamedTuple):
    """How long something stood still."""

    seconds: float
    captures: int


def seconds_between(earlier: Snapshot, later: Snapshot) -> Optional[float]:
    """How much time passed at least between two captures of one side; None where that is not known.

    The guest's own clock stands still while its vCPUs do, so that the larger of two differences counts.
    """
    if earlier.target.boot_id != later.target.boot_id or earlier.target.pid != later.target.pid:
        return None
    known = []
    before, after = earlier.capture.clock_ns, later.capture.clock_ns
    if before is not None and after is not None:
        known.append((after - before) / NS)
    first, last = moment(earlier), moment(later)
    if first is not None and last is not None:
        known.append((last - first).total_seconds() - WHOLE_SECOND)
    return max(known, default=None)


def seconds_at_most(earlier: Snapshot, later: Snapshot) -> Optional[float]:
    """How much time passed at most between two captures of one side, by the time of day; None where that is not known.
    """
    first, last = moment(earlier), moment(later)
    if first is None or last is None or seconds_between(earlier, later) is None:
        return None
    return (last - first).total_seconds() + WHOLE_SECOND


def in_order(snapshots: Sequence[Snapshot]) -> List[Snapshot]:
    """Captures of one side, oldest first: by the clock, else by the time of day, else as they were given."""
    clocks, moments = [one.capture.clock_ns for one in snapshots], [moment(one) for one in snapshots]
    for keys in (clocks, moments):
        if None not in keys and len(set(keys)) == len(keys):
            places: List[Any] = sorted(range(len(keys)), key=lambda place: keys[place])  # noqa: B023
            return [snapshots[place] for place in places]
    return list(snapshots)


def moment(snapshot: Snapshot) -> Optional[datetime.datetime]:
    """The time of day of a capture, by the side's own clock; None where it is not known."""
    text = snapshot.capture.time
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def moved(samples: Sequence[Sample], place: Callable[[Queue], Any]) -> Optional[float]:
    """How long ago at most, in seconds, a side stood at another place of the ring, by its last two captures.

    None where it stood still, or where a place or the time is not known.
    """
    if len(samples) < 2:
        return None
    before, now = place(samples[-2].queue), place(samples[-1].queue)
    if before is None or now is None or before == now:
        return None
    return seconds_at_most(samples[-2].snapshot, samples[-1].snapshot)


def stood(samples: Sequence[Sample], state: Callable[[Queue], Any]) -> Optional[Stood]:
    """For how long the last captures of a side have shown the same state, which is None where it does not count.

    None where there is no earlier capture that shows it, or no time of both.
    """
    if len(samples) < 2:
        return None
    last = state(samples[-1].queue)
    if last is None:
        return None
    oldest, count = samples[-1], 1
    for sample in reversed(samples[:-1]):
        if state(sample.queue) != last:
            break
        oldest, count = sample, count + 1
    if count == 1:
        return None
    seconds = seconds_between(oldest.snapshot, samples[-1].snapshot)
    return None if seconds is None else Stood(seconds, count)
