"""A made-up guest in a made-up PyKdump."""
import os
import pathlib
import subprocess
import sys

import pytest

from tests.crash_ext.world import described, elf
from tests.guest.machine import machine

ROOT = pathlib.Path(__file__).parents[2]
DOUBLE = pathlib.Path(__file__).parent / "double"
VQSTATE = ROOT / "crash_ext" / "vqstate.py"
REGISTER = ROOT / "crash_ext" / "register.py"


@pytest.fixture
def debug_folder(tmp_path):
    """A folder with what passes for the debug information of the guest's modules."""
    folder = tmp_path / "debug"
    folder.mkdir()
    for name in ("virtio_blk", "virtio_ring"):
        (folder / f"{name}.ko.debug").write_bytes(elf(".text", ".debug_info"))
    return folder


@pytest.fixture
def guest():
    """The guest; tests may change it before the session begins."""
    target = machine()
    target.symbols["init_task"] = 0x1000
    return target


@pytest.fixture
def session(tmp_path, guest, debug_folder):
    """Commands in a new session of the double; gives its output."""
    def run(*commands, world=None, cwd=None, stdout=subprocess.PIPE, **environment):
        path = tmp_path / "world"
        path.write_text(described(guest) if world is None else world)
        environment = {"PATH": os.environ["PATH"], "DOUBLE_WORLD": str(path), "DOUBLE_HIDE": str(ROOT),
                       "VQCHECK_MODULES": str(debug_folder), **environment}
        # -E and -S: neither PYTHONPATH nor site-packages, as in PyKdump.
        done = subprocess.run([sys.executable, "-E", "-S", str(DOUBLE / "session.py"), *map(str, commands)],
                              env=environment, cwd=cwd or tmp_path, stdin=subprocess.DEVNULL, stdout=stdout,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        assert done.stderr == b"" or stdout != subprocess.PIPE, done.stderr.decode()
        return done.stdout.decode() if done.stdout is not None else done.stderr.decode()
    return run
