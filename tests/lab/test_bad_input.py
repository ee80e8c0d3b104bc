"""What goes wrong at 3 a.m., on a real capture: each is one clear line that says what to do."""
import pathlib
import re
import shutil
import subprocess
import tempfile
from typing import Iterator, List

import pytest

from . import sides
from .capture import Capture
from .kernel import kernel
from .scenes import make

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    yield make("healthy-idle", directory).capture
    shutil.rmtree(directory)


def gdb(binary: pathlib.Path, core: pathlib.Path, *commands: str) -> str:
    """What gdb prints for commands on a core."""
    words: List[str] = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", str(binary), str(core)]
    for command in (f"source {sides.VQ_HOST}", *commands):
        words += ["-ex", command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=120, check=False)
    assert "Traceback" not in done.stdout
    return done.stdout


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]


def test_a_stripped_qemu_says_where_debug_information_is(capture: Capture) -> None:
    stripped = capture.directory / "stripped"
    subprocess.run(["strip", "-o", str(stripped), str(capture.qemu)], check=True)
    line = last_line(gdb(stripped, capture.core, "vq-host virtio-disk1"))
    assert line.startswith("vq-host: no symbol vm_change_state_head") and "qemu-system-x86-dbgsym" in line


def test_an_unknown_device_gets_the_list(capture: Capture) -> None:
    line = last_line(gdb(capture.qemu, capture.core, "vq-host vdb"))
    assert line.endswith("'vdb'; its virtio devices: 0: virtio-disk0, 1: virtio-disk1")


def test_device_names_complete(capture: Capture) -> None:
    output = gdb(capture.qemu, capture.core, "complete vq-host virtio-d")
    assert output.strip().splitlines()[-2:] == ["vq-host virtio-disk0", "vq-host virtio-disk1"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(capture: Capture) -> None:
    folder = capture.directory / "no-such-folder"
    line = last_line(gdb(capture.qemu, capture.core, f"vq-host virtio-disk1 -o {folder}/host.json"))
    assert line.startswith("vq-host: ") and "No such file or directory" in line and not folder.exists()


def test_crash_survives_every_mistake(capture: Capture) -> None:
    output = sides.crash(capture.directory, capture.vmcore, [
        "vqstate nosuch", "vqstate --nonsense", "vqstate vdb | head -1", f"vqstate vdb > {capture.directory}/out",
        "vqstate -h", "vqstate vdb -o /no/such/folder/guest.json", "help vqstate", "vqstate"])
    assert "vqstate: this guest has no virtio device 'nosuch'; it has: vda, vdb" in output
    assert "unrecognized arguments: --nonsense" in output
    assert "vqstate: /no/such/folder/guest.json: No such file or directory" in output
    assert "vdb, virtio-blk" in (capture.directory / "out").read_text()
    assert output.count("usage: vqstate") >= 2 and "DESCRIPTION" in output
    assert re.search(r"^vda .* 0000:00:01\.0 ", output, re.MULTILINE), "the session went on to the last command"
    assert "Traceback" not in output


def test_crash_without_the_modules_debug_information_says_where_it_is(capture: Capture) -> None:
    alone = capture.directory / "alone"
    alone.mkdir()
    vmlinux = pathlib.Path(shutil.copy(kernel().vmlinux, alone))
    output = sides.crash(capture.directory, capture.vmcore, ["vqstate vdb"], vmlinux)
    assert "no debug information for struct virt" in output and "-dbg" in output and "mod -s virtio" in output
