"""Guests read by a layout file, without their debug information."""
import pathlib
import subprocess
import sys
from typing import NamedTuple, Optional

from vqcheck.snapshot.model import Snapshot
from vqcheck.snapshot.read import read_file
from vqcheck.snapshot.write import to_json

from .kernel import Kernel

ROOT = pathlib.Path(__file__).parents[2]
SECONDS = 300


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def vqcheck(*words: object) -> Done:
    """Run the command as a user does."""
    done = subprocess.run([sys.executable, "-m", "vqcheck", *map(str, words)], cwd=ROOT, capture_output=True, text=True,
                          timeout=SECONDS, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def save(linux: Kernel, path: pathlib.Path, modules: Optional[pathlib.Path] = None) -> pathlib.Path:
    """Save a kernel's layout; `modules` is another folder than its own."""
    done = vqcheck("layout", "save", "--vmlinux", linux.vmlinux, "--modules", modules or linux.debug_modules,
                   "-o", path)
    assert done.status == 0, done.err
    return path


def guest(vmcore: pathlib.Path, layout: pathlib.Path, json: pathlib.Path, *words: str) -> Snapshot:
    """The guest's side from its RAM and a layout."""
    done = vqcheck("guest", "--vmcore", vmcore, "--layout", layout, "-o", json, *words)
    assert done.status == 0, done.err
    return read_file(str(json))


def comparable(snapshot: Snapshot) -> str:
    """A snapshot without the debugger's name, which alone may tell a layout from debug information."""
    return to_json(snapshot._replace(producer=snapshot.producer._replace(debugger=None)))
