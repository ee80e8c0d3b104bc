"""Which crash opens which kernel, and that what it then sees is what drgn sees: every virtio device, every field."""
import json
import pathlib
import shutil
import tempfile
from typing import Any, Callable, Dict, Iterator, Tuple

import pytest

from . import crash9, matrix, sides
from .capture import Capture

pytestmark = [pytest.mark.lab, pytest.mark.matrix]

CRASHES: Dict[str, Callable[..., str]] = {"8": sides.crash, "9": crash9.crash}
"""crash 8.0.2 of Debian 12, and 9.0.2 of the suite in the chroot."""

KERNELS = ("5.10", "6.1", "6.12", "7.2")

OPENS: Dict[str, Dict[str, Tuple[str, ...]]] = {
    "8": {"5.10": (), "6.1": ()},
    "9": {"5.10": (), "6.1": (), "6.12": (), "7.2": ("--no_modules",)},
}
"""With which options a crash opens a kernel; not at all where nothing is said."""


@pytest.fixture(scope="module", params=[f"{kernel}-{layout}" for kernel in KERNELS for layout in matrix.LAYOUTS])
def capture(request: pytest.FixtureRequest) -> Iterator[Capture]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        yield matrix.make(request.param, directory).capture
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def by_drgn(capture: Capture) -> Dict[str, Any]:
    return _without_producer(sides.guest_by_drgn(capture, "").json)


def _without_producer(file: pathlib.Path) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads(file.read_text())
    found.pop("producer")
    return found


def series(capture: Capture) -> str:
    return ".".join(capture.kernel.release.split(".")[:2])


@pytest.mark.parametrize("version", CRASHES)
def test_it_sees_what_drgn_sees_or_does_not_open(capture: Capture, by_drgn: Dict[str, Any], version: str) -> None:
    options = OPENS[version].get(series(capture))
    file = capture.directory / f"crash{version}.json"
    commands = [f"vqstate -o {file}"]
    if options != ():
        # 8 on 6.12: page_offset_base; on 7.2: "vmlinux is not SMP"; 9 on 7.2: module_num_gpl_syms.
        with pytest.raises(RuntimeError, match="ended with 1"):
            CRASHES[version](capture.directory, capture.vmcore, commands, linux=capture.kernel)
    if options is None:
        return
    output = CRASHES[version](capture.directory, capture.vmcore, commands, options=options, linux=capture.kernel)
    assert file.exists(), output
    assert _without_producer(file) == by_drgn
