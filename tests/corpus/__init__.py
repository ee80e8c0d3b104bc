"""The corpus: pairs of snapshots and what the checker must say of each.

Recorded pairs come from real kernels in real QEMUs (tests/data); synthetic ones stand for what the lab cannot make,
and for what looks like a fault and is none.  `make corpus` prints precision and recall of every rule.
"""
from typing import List

from . import backend, interrupts, kicks, moving, recorded, rings
from .cases import Entry


def synthetic() -> List[Entry]:
    """Those that were made up."""
    families = (("interrupts", interrupts.ENTRIES), ("kicks", kicks.ENTRIES), ("backend", backend.ENTRIES),
                ("rings", rings.ENTRIES), ("moving", moving.ENTRIES))
    return [one._replace(name=f"{family}: {one.name}") for family, entries in families for one in entries]


def everything() -> List[Entry]:
    """All entries, the recorded ones first."""
    return [*recorded.entries(), *synthetic()]
