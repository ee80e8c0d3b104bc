"""A rule: one small unit that says all of itself.

What it tests is code, everything else is text: the same source makes `vqcheck rules`, `vqcheck explain`, the pages of
the documentation and the findings of a verdict.
"""
from typing import Any, Callable, NamedTuple, Tuple

from .result import Outcome

CRITICAL = "critical"
HIGH = "high"
MEDIUM = "medium"
NOTE = "note"
"""The severities.  A note is no fault: it explains, or it says why nothing can be judged."""

SEVERITIES = (CRITICAL, HIGH, MEDIUM, NOTE)


class Stage(NamedTuple):
    """A step of judging: its rules are tried together.

    name: what it looks at.
    stops: once one of its rules holds, what comes later proves nothing, and is not judged.
    """

    name: str
    stops: bool = False


MACHINE = Stage("the VM as a whole")
BROKEN = Stage("broken: has a side given the queue up", stops=True)
IDENTITY = Stage("identity: do the two sides describe the same queue", stops=True)
RUN_STATE = Stage("run state: was the VM running", stops=True)
BLOCKERS = Stage("blockers: does any side not serve the queue at all", stops=True)
ONE_SIDE = Stage("corruption that one side shows by itself", stops=True)
SKEW = Stage("skew: are the two captures of one instant", stops=True)
CORRUPTION = Stage("corruption: do the numbers of one instant contradict each other", stops=True)
VHOST = Stage("vhost: does another process or the kernel serve the queue")
INTERRUPTS = Stage("interrupts: entries returned and not consumed")
BACKEND = Stage("backend: requests popped and not returned")
KICKS = Stage("kicks: entries posted and not popped")
GUEST = Stage("guest: what waits above the ring")

STAGES = (MACHINE, BROKEN, IDENTITY, RUN_STATE, BLOCKERS, ONE_SIDE, SKEW, CORRUPTION, VHOST,
          INTERRUPTS, BACKEND, KICKS, GUEST)
"""The order of judging."""


class Rule(NamedTuple):
    """One thing that can be wrong, or can look wrong.

    id: as people cite it: a letter for the family and a number, never given anew.
    slug: the same for reading.
    title: what is wrong, in a few words.
    blame: who is at fault.
    severity: one of SEVERITIES.
    stage: when it is judged.
    test: says of a Case whether the rule holds; rules of the VM as a whole are given a Machine.
    holds_when: the same in words.
    needs: the facts without which it is not judged: fields of the snapshots, or facts of Case by their names.
    not_when: what looks like it and is not.
    explanation: what happens, and why it shows so.
    confirm: what would confirm it.
    actions: what to do now, from least to most invasive.
    references: specification, sources, fixes.
    essential: a queue of which this can't be judged can't be called healthy.
    explains: ids of rules whose findings follow from this one, and are folded under it.
    """

    id: str
    slug: str
    title: str
    blame: str
    severity: str
    stage: Stage
    test: Callable[[Any], Outcome]
    holds_when: str
    needs: Tuple[str, ...] = ()
    not_when: Tuple[str, ...] = ()
    explanation: str = ""
    confirm: Tuple[str, ...] = ()
    actions: Tuple[str, ...] = ()
    references: Tuple[str, ...] = ()
    essential: bool = False
    explains: Tuple[str, ...] = ()
