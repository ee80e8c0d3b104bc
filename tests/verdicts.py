"""What the checker must say of each scene of the lab, of the scene itself and of its recording."""
from typing import Dict, NamedTuple, Optional, Tuple

from vqcheck.check.verdict import CANNOT_JUDGE, FAULT, HEALTHY, Verdict


class Expected(NamedTuple):
    """A verdict: the statuses that may come out, the first rule that must fire, and its lost event."""

    statuses: Tuple[str, ...]
    rule: Optional[str] = None
    event: Optional[str] = None

    def check(self, verdict: Verdict) -> None:
        """Raise AssertionError when the verdict is another one."""
        rules = [finding.rule for queue in verdict.queues for finding in queue.findings]
        events = [finding.event.kind for queue in verdict.queues for finding in queue.findings if finding.event]
        assert verdict.status in self.statuses, f"{verdict.status}: {verdict.headline}"
        assert rules == ([self.rule] if self.rule else []), verdict.headline
        assert events == ([self.event] if self.event else []), verdict.headline


LOST_INTERRUPT = Expected((FAULT,), "lost-interrupt", "interrupt")
STUCK = Expected((FAULT,), "backend-stuck")
NOT_JUDGED_YET = Expected((CANNOT_JUDGE,))
"""Packed rings, and devices other than disks of virtio-blk."""
UNDER_LOAD = Expected((HEALTHY, CANNOT_JUDGE))
"""Any instant may be caught, also one at which an event is under way and nothing shows it."""

EXPECTED: Dict[str, Expected] = {
    "healthy": UNDER_LOAD,
    "healthy-idle": Expected((HEALTHY,)),
    "healthy-at-notify": Expected((HEALTHY,)),
    "healthy-at-eventfd": Expected((HEALTHY,)),
    "healthy-at-kick": Expected((HEALTHY,)),
    "healthy-no-event-idx": UNDER_LOAD,
    "healthy-idle-packed": NOT_JUDGED_YET,
    "net-rx-idle": NOT_JUDGED_YET,
    "paused": Expected((CANNOT_JUDGE,)),
    "lost-interrupt": LOST_INTERRUPT,
    "lost-interrupt-eventfd": LOST_INTERRUPT,
    "lost-interrupt-no-event-idx": LOST_INTERRUPT,
    "lost-interrupt-no-iothread": LOST_INTERRUPT,
    "lost-interrupt-four-queues": LOST_INTERRUPT,
    "lost-interrupt-packed": NOT_JUDGED_YET,
    "lost-interrupt-scsi": NOT_JUDGED_YET,
    "vector-masked": LOST_INTERRUPT,  # that it waits in a masked vector is not told from a lost one yet
    "lost-kick": Expected((FAULT,), "lost-kick", "kick"),
    "backend-stuck": STUCK,
    "backend-stuck-no-iothread": STUCK,
    "backend-stuck-scsi": NOT_JUDGED_YET,
    "throttled": STUCK,
    "storage-error": Expected((FAULT,), "storage-error"),
    "iothread-parked": Expected((CANNOT_JUDGE,)),  # what waits for a thread that stands still is not told yet
}
