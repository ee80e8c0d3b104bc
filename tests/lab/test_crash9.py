"""crash 9: the same capture read by it and by Debian 12's crash 8, and by both without their knowledge of modules."""
import json
import pathlib
import re
import shutil
import tempfile
from typing import Any, Callable, Dict, Iterator, List, NamedTuple

import pytest

from vqcheck.snapshot.read import read_file
from vqcheck.target import vqcap

from . import crash9, sides
from .capture import Capture
from .scenes import make

pytestmark = pytest.mark.lab

Crash = Callable[..., str]
NO_MODULES = "--no_modules"
"""Without it crash 9.0.2 does not open Linux 7.2: invalid structure member offset: module_num_gpl_syms."""


class Read(NamedTuple):
    """What one crash made of a capture."""

    seen: Dict[str, Any]
    producer: str
    recording: vqcap.Bundle
    output: str


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    yield make("lost-interrupt", directory).capture
    shutil.rmtree(directory)


def read(capture: Capture, crash: Crash, *options: str) -> Read:
    """The disk with the hang, as one crash sees it."""
    stem = capture.directory / "read"
    output = crash(capture.directory, capture.vmcore,
                   [f"vqstate vdb -o {stem}.json", f"vqstate vdb --capture {stem}.vqcap", "vqstate vdb"],
                   options=options)
    assert "Traceback" not in output
    read_file(f"{stem}.json")
    seen: Dict[str, Any] = json.loads(pathlib.Path(f"{stem}.json").read_text())
    producer = str(seen.pop("producer")["debugger"])
    return Read(seen, producer, vqcap.unpack(pathlib.Path(f"{stem}.vqcap").read_bytes()), output)


@pytest.fixture(scope="module")
def by_crash_8(capture: Capture) -> Read:
    return read(capture, sides.crash)


@pytest.fixture(scope="module")
def by_crash_9(capture: Capture) -> Read:
    return read(capture, crash9.crash)


def test_both_see_the_same(by_crash_8: Read, by_crash_9: Read) -> None:
    assert by_crash_8.producer.startswith("crash 8.") and by_crash_9.producer.startswith("crash 9.")
    assert by_crash_8.producer.endswith("(loader)") and by_crash_9.producer.endswith("(loader)")
    assert by_crash_9.seen == by_crash_8.seen
    (queue,) = by_crash_9.seen["devices"][0]["queues"]
    assert queue["ring"]["used_idx"] != queue["driver"]["last_used_idx"], "the hang is in it"


def test_both_record_the_same(by_crash_8: Read, by_crash_9: Read) -> None:
    ours, theirs = by_crash_8.recording, by_crash_9.recording
    assert theirs.memory == ours.memory and theirs.members == ours.members and theirs.sizes == ours.sizes


def test_both_print_the_same(by_crash_8: Read, by_crash_9: Read) -> None:
    def device(output: str) -> List[str]:
        return output[output.index("vdb, virtio-blk"):].splitlines()
    assert device(by_crash_9.output) == device(by_crash_8.output)


@pytest.mark.parametrize("crash", [sides.crash, crash9.crash], ids=["8", "9"])
def test_a_crash_that_knows_no_modules_sees_the_same(capture: Capture, by_crash_8: Read, crash: Crash) -> None:
    assert read(capture, crash, NO_MODULES).seen == by_crash_8.seen


def test_crash_9_survives_every_mistake(capture: Capture) -> None:
    output = crash9.crash(capture.directory, capture.vmcore, [
        "vqstate nosuch", "vqstate --nonsense", "vqstate vdb | head -1", f"vqstate vdb > {capture.directory}/out",
        "vqstate -h", "vqstate vdb -o /no/such/folder/guest.json", "help vqstate", "vqstate"])
    assert "vqstate: this guest has no virtio device 'nosuch'; it has: vda, vdb" in output
    assert "unrecognized arguments: --nonsense" in output
    assert "vqstate: /no/such/folder/guest.json: No such file or directory" in output
    assert "vdb, virtio-blk" in (capture.directory / "out").read_text()
    assert output.count("usage: vqstate") >= 2 and "DESCRIPTION" in output
    assert re.search(r"^vda .* 0000:00:01\.0 ", output, re.MULTILINE), "the session went on to the last command"
    assert "Traceback" not in output
