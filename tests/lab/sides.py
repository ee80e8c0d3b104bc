"""Both sides of a capture read with the project's own tools: crash and drgn on guest RAM, gdb on QEMU and its core."""
import pathlib
import subprocess
import sys
from typing import List, NamedTuple, Optional, Sequence, Tuple

from crash_ext.build import loader
from vqcheck.snapshot.model import Snapshot
from vqcheck.snapshot.read import read_file

from .capture import Capture
from .kernel import Kernel, kernel
from .subject import SUBJECTS

ROOT = pathlib.Path(__file__).parents[2]
VQ_HOST = ROOT / "gdb_ext" / "vq_host.py"
DISK, DEVICE = SUBJECTS["blk"].linux, SUBJECTS["blk"].device

CRASH_SECONDS = 300
GDB_SECONDS = 120


class Side(NamedTuple):
    """What one tool made of one side."""

    snapshot: Snapshot
    json: pathlib.Path
    vqcap: pathlib.Path


def live_commands(directory: pathlib.Path, device: str = DEVICE) -> List[str]:
    """gdb commands for the moment of the capture: the host's side from the live process; of all devices for ""."""
    return [f"source {VQ_HOST}", *_host_commands(directory / "host-live", device)]


def live(directory: pathlib.Path) -> Side:
    """What `live_commands` left behind."""
    return _side(directory / "host-live")


def core(capture: Capture, device: str = DEVICE) -> Side:
    """The host's side from a capture's core of QEMU, by gdb."""
    directory = capture.directory
    script = directory / "vq-host.gdb"
    script.write_text("\n".join(["set debuginfod enabled off", f"source {VQ_HOST}",
                                 *_host_commands(directory / "host-core", device)]) + "\n")
    run(["gdb", "-nx", "-batch", "-x", str(script), str(capture.qemu), str(capture.core)], GDB_SECONDS)
    return _side(directory / "host-core")


def guest(directory: pathlib.Path, vmcore: pathlib.Path, device: str = DISK) -> Tuple[Side, str]:
    """The guest's side from its RAM, by crash with our loader; and what crash printed."""
    stem = directory / "guest"
    output = crash(directory, vmcore, [f"vqstate {device} -o {stem}.json", f"vqstate {device} --capture {stem}.vqcap",
                                       "vqstate", f"vqstate {device}"])
    return _side(stem), output


def guest_by_drgn(capture: Capture, device: str = DISK) -> Side:
    """The guest's side from its RAM, by `vqcheck guest`; of all devices for ""."""
    stem, linux = capture.directory / "guest-drgn", capture.kernel
    run([sys.executable, "-m", "vqcheck", "guest", "--vmcore", str(capture.vmcore), "--vmlinux", str(linux.vmlinux),
          "--modules", str(linux.debug_modules), "-o", f"{stem}.json", "--capture", f"{stem}.vqcap",
          *([device] if device else [])], GDB_SECONDS)
    return _side(stem)


def guest_by_crash(capture: Capture) -> Side:
    """All of the guest's devices from its RAM, by this machine's crash."""
    stem = capture.directory / "guest-crash"
    crash(capture.directory, capture.vmcore, [f"vqstate -o {stem}.json", f"vqstate --capture {stem}.vqcap"],
          linux=capture.kernel)
    return _side(stem)


def crash(directory: pathlib.Path, vmcore: pathlib.Path, commands: List[str],
          vmlinux: Optional[pathlib.Path] = None, linux: Optional[Kernel] = None,
          options: Sequence[str] = ()) -> str:
    """Run commands in a crash that has our loader; returns what it printed.

    `vmlinux` is another one than the lab's, without modules' debug information beside it or anywhere; `options` are
    crash's own.
    """
    script = directory / "vqstate.crash"
    script.write_text("\n".join([f"extend {loader()}", *commands, "quit"]) + "\n")
    linux = linux or kernel()
    modules = "" if vmlinux else linux.debug_modules
    return run(["env", f"VQCHECK_MODULES={modules}", f"VQCHECK_PATH={ROOT}", "crash", "-s", *options, "-i",
                 str(script), str(vmlinux or linux.vmlinux), str(vmcore)], CRASH_SECONDS)


def merge(first: Side, second: Side) -> Tuple[int, str]:
    """`vqcheck merge` as a user runs it: exit status and text."""
    done = subprocess.run([sys.executable, "-m", "vqcheck", "merge", str(first.json), str(second.json)], cwd=ROOT,
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def _host_commands(stem: pathlib.Path, device: str) -> List[str]:
    return [f"vq-host {device} -o {stem}.json", f"vq-host {device} --capture {stem}.vqcap"]


def _side(stem: pathlib.Path) -> Side:
    json, vqcap = stem.with_name(stem.name + ".json"), stem.with_name(stem.name + ".vqcap")
    return Side(read_file(str(json)), json, vqcap)


def run(command: List[str], seconds: int) -> str:
    """What a command prints; one that fails raises RuntimeError."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=seconds, cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout
