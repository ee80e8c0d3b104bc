"""What the checker must say of each scene of the lab, of the scene itself and of its recording."""
import json
import pathlib
from typing import Dict, List, NamedTuple, Tuple

from tests.corpus.cases import said
from tests.corpus.recorded import EXPECTED as EXPECTED_FILE
from vqcheck.check.result import Event
from vqcheck.check.verdict import CANNOT_JUDGE, FAULT, HEALTHY, SHOWN, Verdict


class Expected(NamedTuple):
    """A verdict: the statuses that may come out, the rules that it rests on, the events that are shown to be lost."""

    statuses: Tuple[str, ...]
    rules: Tuple[str, ...] = ()
    events: Tuple[str, ...] = ()

    def file(self, directory: pathlib.Path) -> Dict[str, pathlib.Path]:
        """What the corpus wants beside a recording; nothing where the verdict depends on the instant."""
        if len(self.statuses) > 1:
            return {}
        path = directory / EXPECTED_FILE
        path.write_text(json.dumps({"status": self.statuses[0], "rules": self.rules}) + "\n")
        return {path.name: path}

    def check(self, verdict: Verdict) -> None:
        """Raise AssertionError when the verdict is another one."""
        assert verdict.status in self.statuses, f"{verdict.status}: {verdict.headline}"
        if len(self.statuses) == 1:
            assert tuple(said(verdict)) == self.rules, verdict.headline
        assert tuple(one.kind for one in lost(verdict)) == self.events, verdict.headline


def lost(verdict: Verdict) -> List[Event]:
    """The events that are shown to be lost."""
    return [one.event for queue in verdict.queues for one in queue.findings if one.event and one.certainty == SHOWN]


def fault(rule: str, *events: str) -> Expected:
    """A fault by the id of its rule, which is the only one that is shown."""
    return Expected((FAULT,), (rule,), events)


UNDER_LOAD = Expected((HEALTHY, CANNOT_JUDGE))
"""Any instant may be caught, also one at which an event is under way and nothing shows it."""
WELL = Expected((HEALTHY,))
NOT_NOTIFIED = fault("I1", "interrupt")
LOST_INTERRUPT = fault("I0", "interrupt")
"""Where the device's own account does not show that it did not notify: it was the eventfd, or it keeps no account."""
STORAGE = fault("B1")

EXPECTED: Dict[str, Expected] = {
    "healthy": UNDER_LOAD,
    "healthy-idle": WELL,
    "healthy-at-notify": WELL,
    "healthy-at-eventfd": WELL,
    "healthy-at-kick": WELL,
    "healthy-no-event-idx": UNDER_LOAD,
    "healthy-idle-packed": WELL,
    "net-rx-idle": WELL,
    "net-rx-idle-pairs": WELL,
    "paused": Expected((CANNOT_JUDGE,), ("K11",)),
    "lost-interrupt": NOT_NOTIFIED,
    "lost-interrupt-eventfd": LOST_INTERRUPT,
    "lost-interrupt-no-event-idx": LOST_INTERRUPT,
    "lost-interrupt-no-iothread": NOT_NOTIFIED,
    "lost-interrupt-four-queues": NOT_NOTIFIED,
    "lost-interrupt-packed": LOST_INTERRUPT,
    "lost-interrupt-scsi": NOT_NOTIFIED,
    "lost-adapter-interrupt": fault("I21", "interrupt"),
    "vector-masked": fault("I5", "interrupt"),
    "lost-kick": fault("K1", "kick"),
    "panicked": Expected((CANNOT_JUDGE,), ("G12",)),
    "iothread-parked": fault("K5", "kick"),
    "backend-stuck": STORAGE,
    "backend-stuck-no-iothread": STORAGE,
    "backend-stuck-scsi": STORAGE,
    "backend-stuck-in-order": STORAGE,
    "backend-stuck-in-order-packed": STORAGE,
    "lost-flush-in-order": fault("C14"),
    "throttled": fault("B4"),
    "storage-error": fault("B2"),
}
