"""A snapshot of a kernel or a process that may be running meanwhile."""
from typing import Callable, Optional

from .snapshot import moving
from .snapshot.model import Snapshot
from .target.errors import Corrupt, NullPointer, Unreadable
from .target.recording import Recorder
from .target.target import Target

Walker = Callable[[Target, Optional[str]], Snapshot]

ATTEMPTS = 3
"""How often a running target is read, in the hope of a moment in which nothing moves."""


def walker(walk: Walker) -> Walker:
    """A walker that reads what runs meanwhile twice, and leaves out what does not belong together."""
    def take(target: Target, name: Optional[str] = None) -> Snapshot:
        return _twice(walk, target, name) if target.identity().runs else walk(target, name)
    return take


def _twice(walk: Walker, target: Target, name: Optional[str]) -> Snapshot:
    beneath = target.target if isinstance(target, Recorder) else target
    for left in reversed(range(ATTEMPTS)):
        try:
            if isinstance(target, Recorder):
                target.forget_memory()
            first = walk(target, name)
            moves = moving.moved(first, walk(Recorder(beneath), name))
        except (Corrupt, NullPointer, Unreadable) as problem:
            if not left:
                raise Corrupt(f"{problem} (in {ATTEMPTS} attempts: what runs changes while it is read)")
            continue
        if not moves or not left:
            break
    if isinstance(target, Recorder):
        target.bundle.asked.update(moving.to_words(moves))
    return moving.without(first, moves)
