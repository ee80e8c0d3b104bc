"""One core of QEMU read in every way: by gdb, by drgn, and by a layout file with a binary that has been stripped."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Iterator, List, NamedTuple, Sequence, Set, Union

import pytest

from vqcheck.snapshot.device_model import ThreadState
from vqcheck.snapshot.held_model import HeldRequest
from vqcheck.snapshot.model import Snapshot
from vqcheck.snapshot.read import read_file
from vqcheck.snapshot.write import to_json
from vqcheck.target.layouts import layout

from . import sides
from .capture import Capture
from .scenes import SCENES, make

pytestmark = pytest.mark.lab

VQCHECK = (sys.executable, "-m", "vqcheck")
OTHER = "0123456789abcdef" * 2 + "01234567"

SCENE = "backend-stuck"
"""Here a request waits in a coroutine that is switched out, in the block layer."""


class Hung(NamedTuple):
    """A core, and what drgn reads from it with QEMU's debug information."""

    capture: Capture
    device: str
    by_drgn: Snapshot


@pytest.fixture(scope="module", params=["7.2", "10.0", pytest.param("5.2", marks=pytest.mark.matrix)])
def hung(request: pytest.FixtureRequest) -> Iterator[Hung]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    options = SCENES[SCENE].options._replace(qemu=request.param)
    try:
        capture = make(SCENE, directory, options=options).capture
        yield Hung(capture, options.subject.device, host(capture, "--exe", capture.qemu, options.subject.device))
    finally:
        shutil.rmtree(directory)


def host(capture: Capture, *words: object, where: Sequence[object] = ()) -> Snapshot:
    """The host's side from the core, as `vqcheck host` reads it."""
    path = capture.directory / "host-drgn.json"
    done = run([*where, *VQCHECK, "host", "--core", capture.core, *words, "-o", path])
    assert done.returncode == 0, done.stderr
    return read_file(str(path))


def run(words: Sequence[object]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(word) for word in words], cwd=sides.ROOT, capture_output=True, text=True, timeout=120,
                          check=False)


@pytest.fixture(scope="module")
def as_shipped(hung: Hung) -> List[object]:
    """The words before a command that make QEMU's binary one without debug information, as a distribution ships it.

    A core names the binary that ran, and debug information is taken from there if it has any.
    """
    binary = hung.capture.directory / "qemu-stripped"
    subprocess.run(["objcopy", "--strip-all", str(hung.capture.qemu), str(binary)], check=True)
    return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', binary,
            hung.capture.qemu]


@pytest.fixture(scope="module")
def saved(hung: Hung) -> pathlib.Path:
    """The layout of that QEMU."""
    path = hung.capture.directory / "qemu.vqlayout"
    done = run([*VQCHECK, "layout", "save", "--qemu", hung.capture.qemu, "-o", path])
    assert done.returncode == 0 and path.stat().st_size < 200_000, done.stderr
    return path


def test_drgn_reads_what_gdb_reads(hung: Hung) -> None:
    by_gdb = sides.core(hung.capture, hung.device).snapshot
    assert innermost(hung.by_drgn) == innermost(by_gdb)
    assert hung.by_drgn.qemu == by_gdb.qemu


def innermost(snapshot: Snapshot) -> List[object]:
    """The devices, but of where requests wait the innermost function alone: gdb makes up frames for tail calls."""
    devices = json.loads(to_json(snapshot))["devices"]
    for device in devices:
        for queue in device["queues"]:
            for request in queue["held"]["requests"]:
                request["functions"] = request["functions"][:1]
    return list(devices)


def without_stacks(snapshot: Snapshot) -> List[object]:
    """The devices, but for the functions in which requests wait."""
    devices = json.loads(to_json(snapshot))["devices"]
    for device in devices:
        for queue in device["queues"]:
            for request in queue["held"]["requests"]:
                del request["functions"]
    return list(devices)


def requests(snapshot: Snapshot) -> List[HeldRequest]:
    return [one for device in snapshot.devices for queue in device.queues if queue.held for one in queue.held.requests]


def named(one: Union[ThreadState, HeldRequest]) -> Set[str]:
    """The functions on a stack, without those that go by their address."""
    return {name for name in one.functions or () if not name.startswith("0x")}


def test_a_layout_file_stands_in_for_debug_information(hung: Hung, as_shipped: List[object],
                                                       saved: pathlib.Path) -> None:
    found = host(hung.capture, "--layout", saved, hung.device, where=as_shipped)
    assert without_stacks(found) == without_stacks(hung.by_drgn) and found.qemu == hung.by_drgn.qemu
    assert found.threads and hung.by_drgn.threads
    # What was compiled into its caller has no frame of its own but to debug information.
    for one, other in zip(found.threads, hung.by_drgn.threads):
        in_translated_code = (one.role or "").startswith("vcpu")
        assert one.id == other.id and (named(one) or in_translated_code) and named(one) <= named(other)
    for waits, waits_too in zip(requests(found), requests(hung.by_drgn)):
        assert named(waits) <= named(waits_too)


def test_without_either_it_says_what_to_get(hung: Hung, as_shipped: List[object]) -> None:
    done = run([*as_shipped, *VQCHECK, "host", "--core", hung.capture.core])
    assert done.returncode == 2 and "no debug information" in done.stderr and "--layout" in done.stderr


def test_a_layout_of_another_build_is_refused(hung: Hung, as_shipped: List[object], saved: pathlib.Path) -> None:
    known = layout.read_file(str(saved))
    other = hung.capture.directory / "other.vqlayout"
    other.write_bytes(layout.pack(known._replace(about=known.about._replace(build_id=OTHER))))
    done = run([*as_shipped, *VQCHECK, "host", "--core", hung.capture.core, "--layout", other])
    assert done.returncode == 2 and OTHER in done.stderr
