"""Recorded pairs: real kernels in real QEMUs (tests/data), each with what must be said of it beside it."""
import json
import pathlib
from typing import Iterator, Tuple

from tests import recordings
from vqcheck.snapshot.model import Snapshot

from .cases import Entry

EXPECTED = "expected.json"


def entries() -> Iterator[Entry]:
    """All of them, by the name of their folder."""
    for path in sorted(recordings.DATA.rglob(EXPECTED)):
        expected = json.loads(path.read_text(encoding="utf-8"))
        folder = path.parent
        yield Entry(str(folder.relative_to(recordings.DATA)), lambda folder=folder: _read(folder), expected["status"],
                    tuple(expected["rules"]), synthetic=False)


def _read(folder: pathlib.Path) -> Tuple[Snapshot, ...]:
    return tuple(recordings.replay(recordings.bundle(folder.name, side, folder.parent)) for side in ("guest", "host"))
