"""Everything that is made from the recordings in tests/data: the demo, the examples, README's transcripts.

`python3 -m tests.regenerate` writes them; tests/test_made.py holds them to what the tool prints now.
"""
import pathlib
import re
from typing import Dict, Tuple

from tests import recordings
from vqcheck.check.judge import judge
from vqcheck.check.report import report
from vqcheck.render import guest_text, host_text
from vqcheck.render.report import page, verdict_text
from vqcheck.snapshot.model import Snapshot
from vqcheck.snapshot.write import to_json

ROOT = pathlib.Path(__file__).parents[1]
DEMO = ROOT / "vqcheck" / "cli" / "demo"
EXAMPLES = ROOT / "examples"
README = ROOT / "README.md"

SHOWN = "lost-interrupt"
"""The scene of the demo and of README."""

FILES = ["guest.json", "host.json"]

CELL = "6.12-packed"
"""The guest of README's list of all devices."""

EXAMPLE_SCENES = ("lost-interrupt", "lost-interrupt-eventfd", "vector-masked", "lost-kick",
                  "backend-stuck", "throttled")


def made() -> Dict[pathlib.Path, bytes]:
    """Every made file with the content that it should have now."""
    files: Dict[pathlib.Path, bytes] = {}
    for name in EXAMPLE_SCENES:
        guest, host = _sides(name)
        files[EXAMPLES / name / "verdict.txt"] = verdict_text.show(judge(guest, host)).encode()
        for side, snapshot in (("guest", guest), ("host", host)):
            files[EXAMPLES / name / f"{side}.json"] = to_json(snapshot).encode()
            files[EXAMPLES / name / f"{side}.vqcap"] = (recordings.SCENES / name / f"{side}.vqcap").read_bytes()
            if name == SHOWN:
                files[DEMO / f"{side}.json"] = to_json(snapshot).encode()
        if name == SHOWN:
            said = report(judge(guest, host), (guest, host), FILES)
            files[EXAMPLES / name / "report.html"] = page.show(said).encode()
    files[README] = _readme(README.read_text()).encode()
    return files


def _sides(name: str) -> Tuple[Snapshot, Snapshot]:
    return (recordings.replay(recordings.bundle(name, "guest")), recordings.replay(recordings.bundle(name, "host")))


def _readme(text: str) -> str:
    """README with its transcripts renewed: each block begins with the line that a user types."""
    guest, host = _sides(SHOWN)
    shown = {
        "$ vqcheck merge guest.json host.json": verdict_text.show(judge(guest, host)),
        "crash> vqstate vdb": guest_text.show(guest, True),
        "(gdb) vq-host virtio-disk1": host_text.show(host, True),
        "$ vqcheck guest --vmcore guest.dump --vmlinux vmlinux --modules debug/": guest_text.show(
            recordings.replay(recordings.bundle(CELL, "guest", recordings.MATRIX)), False),
    }
    for typed, output in shown.items():
        block = re.compile(rf"(?<=^{re.escape(typed)}\n).*?(?=^(?:\(gdb\)|crash>|```))", re.MULTILINE | re.DOTALL)
        text, count = block.subn(lambda _, output=output: output, text, count=1)
        if count != 1:
            raise ValueError(f"README has no block that begins with {typed!r}")
    return text


if __name__ == "__main__":
    for path, content in made().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
