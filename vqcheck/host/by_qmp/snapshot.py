"""QEMU's side as a snapshot, by QMP alone: QEMU and the VM go on meanwhile."""
import datetime
from typing import List, Optional

from ... import __version__
from ...snapshot import moving
from ...snapshot.model import HOST, SCHEMA_VERSION, Capture, Producer, Snapshot
from ...target.absence import Absences
from . import process
from .careful import Careful
from .device import Read, Unnamed, read_device
from .devices import devices, version
from .disks import Disks
from .memory import GuestMemory
from .queue import UNTOLD
from .served import Surroundings

POSTCOPY = "postcopy"
"""How the states of a migration begin in which memory arrives while the VM runs."""

NO_MEMORY = ("not read: a migration is under way ({}) in which memory may be missing, and QEMU's main loop would wait "
             "for it")


def take(ask: Careful, name: Optional[str] = None, source: Optional[str] = None) -> Snapshot:
    """The snapshot of one device, by qdev id, QOM path, drive, bus address or index, or of all.

    source: what QEMU was asked through, for the record.
    Raises TooOld, UnknownDevice and other TargetErrors.
    """
    found = devices(ask, name)
    disks = Disks(ask)
    migration, _ = process.migration_status(ask)
    target, state = process.system(ask), process.state(ask, migration)
    why_not = NO_MEMORY.format(migration) if migration is not None and migration.startswith(POSTCOPY) else None
    around = Surroundings(ask, GuestMemory(ask, why_not), target.machine, state.run_state)
    read: List[Read] = []
    warnings: List[str] = []
    for one in found:
        try:
            read.append(read_device(around, one, disks))
        except Unnamed as problem:
            warnings.append(str(problem))
    warnings += disks.warnings()
    absent = Absences({"threads": process.SOME_THREADS})
    first = Snapshot(
        schema=SCHEMA_VERSION,
        side=HOST,
        producer=Producer("vqcheck", __version__, f"QMP of QEMU {version(ask)}"),
        target=target,
        capture=_capture(source, warnings),
        devices=[one.first for one in read],
        threads=absent.take("threads", process.threads, ask, state.loops),
        qemu=state,
        absent=dict(absent),
    )
    return moving.without(first, moving.moved(first, first._replace(devices=[one.again for one in read])))


def _capture(source: Optional[str], warnings: List[str]) -> Capture:
    moment = datetime.datetime.now(datetime.timezone.utc)
    return Capture(
        method="live",
        time=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        time_source="this machine's clock",
        source=source,
        pause_ns=0,
        warnings=warnings or None,
        absent={"clock_ns": UNTOLD},
    )
