"""Conversations over QMP, written down and played back: lines of JSON, compressed."""
import gzip
import json
import pathlib
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from vqcheck.host.by_qmp.ask import Ask, Refused

FOLDER = pathlib.Path(__file__).parent / "data" / "qmp"

Entry = Dict[str, Any]
"""`execute`, `arguments`, and `return` or `error`."""


class Recorder:
    """Whoever answers, and what it was asked and answered."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.entries: List[Entry] = []

    def execute(self, command: str, arguments: Mapping[str, Any]) -> Any:
        entry: Entry = {"execute": command, "arguments": dict(arguments)}
        self.entries.append(entry)
        try:
            entry["return"] = self._ask.execute(command, arguments)
        except Refused as problem:
            entry["error"] = {"class": problem.kind, "desc": problem.text}
            raise
        return entry["return"]


class Replay:
    """Answers as a QEMU once did: a question that was put several times has its answers in turn, the last for ever."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = list(entries)
        self._left: Dict[Tuple[str, str], List[Entry]] = {}
        for entry in self.entries:
            self._left.setdefault(_key(entry["execute"], entry["arguments"]), []).append(entry)
        self.asked: List[str] = []

    def execute(self, command: str, arguments: Mapping[str, Any]) -> Any:
        self.asked.append(command)
        left = self._left.get(_key(command, arguments))
        if left is None:
            raise AssertionError(f"nobody ever asked {command} {dict(arguments)}")
        entry = left.pop(0) if len(left) > 1 else left[0]
        if "error" in entry:
            raise Refused(command, entry["error"]["class"], entry["error"]["desc"])
        return entry["return"]


def _key(command: str, arguments: Mapping[str, Any]) -> Tuple[str, str]:
    return command, json.dumps(dict(arguments), sort_keys=True)


def save(path: pathlib.Path, entries: Iterable[Entry], hide: Optional[str] = None) -> None:
    """Write a conversation; `hide` is a folder of the machine that it was held on."""
    text = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in entries)
    if hide:
        text = text.replace(hide, "/lab")
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def load(name: str) -> List[Entry]:
    """A conversation that was kept."""
    text = gzip.decompress((FOLDER / f"{name}.jsonl.gz").read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]
