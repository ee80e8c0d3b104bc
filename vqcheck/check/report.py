"""The verdict as a document: what was judged, by what, and the verdict; with a JSON Schema of its own.

Run as `python3 -m vqcheck.check.report` it writes the schema's file; a test holds file and records together.
"""
import pathlib
from typing import List, NamedTuple, Optional, Sequence

from .. import __version__
from ..snapshot.model import Producer, Snapshot
from ..snapshot.schema import document
from ..snapshot.write import write_file
from .verdict import Finding, QueueVerdict, Verdict

REPORT_VERSION = 2
"""Members may be added under the same number."""

PATH = pathlib.Path(__file__).parent / "schema" / f"report-{REPORT_VERSION}.json"


class CaptureInfo(NamedTuple):
    """A snapshot that was judged.

    file: the file that it was read from, as it was named.
    side: `guest` or `host`.
    target: what was read: the guest's host name or the VM's, and its release or machine type.
    method: `live`, `core`, `dump`, or `hand` for a transcription.
    time: wall-clock time of the capture, by the side's own clock.
    """

    file: Optional[str]
    side: str
    target: Optional[str]
    method: str
    time: Optional[str]


class Report(NamedTuple):
    """The verdict on the snapshots of a VM.

    report: version of this document's schema.
    producer: what made it.
    captures: the snapshots that were judged.
    status: `fault`, `cannot-judge` or `healthy`.
    headline: the verdict, in one sentence.
    findings: rules that hold for the VM as a whole.
    queues: the verdict on each pair of queues, in the guest's order.
    reasons: what concerns the captures as a whole.
    """

    report: int
    producer: Producer
    captures: List[CaptureInfo]
    status: str
    headline: str
    findings: List[Finding]
    queues: List[QueueVerdict]
    reasons: List[str]


def report(verdict: Verdict, snapshots: Sequence[Snapshot], files: Sequence[Optional[str]] = ()) -> Report:
    """The document of a verdict; `files` are the names of the snapshots' files, in the same order."""
    names = [*files, *[None] * (len(snapshots) - len(files))]
    return Report(REPORT_VERSION, Producer("vqcheck", __version__),
                  [_capture(one, name) for one, name in zip(snapshots, names)], *verdict)


def _capture(snapshot: Snapshot, name: Optional[str]) -> CaptureInfo:
    target = " ".join(word for word in (snapshot.target.name, snapshot.target.release) if word)
    return CaptureInfo(name, snapshot.side, target or None, snapshot.capture.method, snapshot.capture.time)


def schema_text() -> str:
    """The schema as it is published."""
    return PATH.read_text(encoding="ascii")


def generate() -> str:
    """The schema as the records have it now, as JSON text."""
    return document(Report, f"urn:vqcheck:report:{REPORT_VERSION}", "vqcheck report")


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    write_file(str(PATH), generate().encode("ascii"))
