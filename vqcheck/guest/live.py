"""A snapshot of a kernel that may be running meanwhile."""
from typing import Optional

from ..snapshot.model import Snapshot
from ..target.errors import Corrupt, NullPointer, Unreadable
from ..target.recording import Recorder
from ..target.target import Target
from . import moving, snapshot

LIVE = "live"
ATTEMPTS = 3
"""How often a running kernel is read, in the hope of a moment in which nothing moves."""


def take(target: Target, name: Optional[str] = None) -> Snapshot:
    """As guest.snapshot.take(); of a running kernel, with only that of its moving queues that belongs together."""
    if target.identity().method != LIVE:
        return snapshot.take(target, name)
    beneath = target.target if isinstance(target, Recorder) else target
    for left in reversed(range(ATTEMPTS)):
        try:
            if isinstance(target, Recorder):
                target.forget_memory()
            first = snapshot.take(target, name)
            moves = moving.moved(first, snapshot.take(Recorder(beneath), name))
        except (Corrupt, NullPointer, Unreadable) as problem:
            if not left:
                raise Corrupt(f"{problem} (in {ATTEMPTS} attempts: a running kernel changes while it is read)")
            continue
        if not moves or not left:
            break
    if isinstance(target, Recorder):
        target.bundle.asked.update(moving.to_words(moves))
    return moving.without(first, moves)
