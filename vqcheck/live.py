"""A snapshot of a kernel or a process that may be running meanwhile, or of both."""
from typing import Callable, Optional, Tuple

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


def both(first: Callable[[], Snapshot], second: Callable[[], Snapshot]) -> Tuple[Snapshot, Snapshot]:
    """Snapshots of two sides that run meanwhile, taken in turns: the one, the other, and each again.

    What did not move in either was still from the first look at the second side to the second at the first, so that
    both are of one instant; of what moved only that is left which belongs together.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            one, other = first(), second()
            moves, others = moving.moved(one, first()), moving.moved(other, second())
        except (Corrupt, NullPointer, Unreadable) as problem:
            if not left:
                raise Corrupt(f"{problem} (in {ATTEMPTS} attempts: what runs changes while it is read)")
            continue
        if not (moves or others) or not left:
            break
    return moving.without(one, moves), moving.without(other, others)
