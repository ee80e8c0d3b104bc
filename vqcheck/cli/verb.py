"""What a verb of the command is, and what verbs share."""
import argparse
import sys
from typing import Optional, Protocol

from ..snapshot.model import Snapshot
from ..snapshot.write import to_json, write_file

OK = 0
FAULT = 1
FAILED = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


class Failed(Exception):
    """The command can't do what was asked; the text is the one line that the user reads."""


class Verb(Protocol):
    """A module that is a verb."""

    NAME: str
    SUMMARY: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare its options."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it; returns the exit status."""


def put(text: str) -> None:
    """Print text that brings its own last newline."""
    sys.stdout.write(text)


def put_snapshot(snapshot: Snapshot, path: Optional[str], quiet: bool = False) -> None:
    """Print a snapshot as JSON, or write it to a file, whole or not at all; say so unless `quiet`."""
    if path is None:
        put(to_json(snapshot))
        return
    write_file(path, to_json(snapshot).encode("ascii"))
    queues = sum(len(device.queues) for device in snapshot.devices)
    if not quiet:
        put(f"snapshot of {len(snapshot.devices)} device(s), {queues} queue(s) written to {path}\n")
