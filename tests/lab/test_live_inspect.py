"""`vqcheck inspect --pid` on a VM that goes on: busy, and then with one request that hangs while others come and go."""
import pathlib
import shutil
import tempfile
from typing import Iterator, NamedTuple

import pytest

from . import inject
from .layouts import Done, vqcheck
from .produce import HELD, stand_still
from .soak import MIXED
from .vm import Machine

pytestmark = pytest.mark.lab


class Seen(NamedTuple):
    """What was said of one machine."""

    busy: Done
    stuck: Done
    all_stuck: Done


@pytest.fixture(scope="module", name="seen")
def _seen() -> Iterator[Seen]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        with Machine(directory, MIXED) as machine:
            words = ["inspect", "--pid", machine.pid, "--vmlinux", machine.kernel.vmlinux,
                     "--modules", machine.kernel.debug_modules]
            machine.wait_load()
            busy = vqcheck(*words)
            inject.backend_stuck(machine)
            stand_still(machine, HELD)
            yield Seen(busy, vqcheck(*words, "vdb"), vqcheck(*words))
    finally:
        shutil.rmtree(directory)


def test_a_busy_vm_is_well(seen: Seen) -> None:
    assert seen.busy.status == 0, seen.busy.out
    assert "eth0 = nic0" in seen.busy.out and "host0 = scsi1" in seen.busy.out


@pytest.mark.parametrize("which", ["stuck", "all_stuck"])
def test_one_request_that_hangs_is_found_while_others_go_on(seen: Seen, which: str) -> None:
    done: Done = getattr(seen, which)
    text = " ".join(done.out.split())
    assert done.status == 1, text
    assert text.startswith("FAULT: vdb = virtio-disk1, queue 0: ") and "held back by blkdebug (lab)" in text
    assert "B1 storage-not-answering" in text and "I0" not in text
