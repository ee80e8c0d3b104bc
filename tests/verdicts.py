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


EXPECTED: Dict[str, Expected] = {
    # Under load any instant may be caught, also one at which an event is under way and nothing shows it.
    "healthy": Expected((HEALTHY, CANNOT_JUDGE)),
    "healthy-idle": Expected((HEALTHY,)),
    "healthy-at-notify": Expected((HEALTHY,)),
    "healthy-at-eventfd": Expected((HEALTHY,)),
    "healthy-at-kick": Expected((HEALTHY,)),
    "lost-interrupt": Expected((FAULT,), "lost-interrupt", "interrupt"),
    "lost-interrupt-eventfd": Expected((FAULT,), "lost-interrupt", "interrupt"),
    "lost-kick": Expected((FAULT,), "lost-kick", "kick"),
    "backend-stuck": Expected((FAULT,), "backend-stuck"),
}
