"""A hang in a guest of the incident's own architecture, read by a crash that was built for it."""
import json
import pathlib
import shutil
import tempfile
from typing import Any, Dict, Iterator

import pytest

from . import crash_arm64, sides
from .capture import Capture
from .scenes import SCENES, make

pytestmark = [pytest.mark.lab, pytest.mark.matrix]


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    if shutil.which(crash_arm64.COMPILER) is None:
        pytest.skip(f"no {crash_arm64.COMPILER}: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        options = SCENES["lost-interrupt"].options._replace(kernel="6.1-arm64")
        yield make("lost-interrupt", directory, options=options).capture
    finally:
        shutil.rmtree(directory)


def test_it_sees_what_drgn_sees(capture: Capture) -> None:
    file = capture.directory / "crash.json"
    output = crash_arm64.crash(capture.directory, capture.vmcore, [f"vqstate -o {file}", "vqstate vdb"], capture.kernel)
    assert "Traceback" not in output and "completed entries not consumed" in output
    seen: Dict[str, Any] = json.loads(file.read_text())
    expected: Dict[str, Any] = json.loads(sides.guest_by_drgn(capture, "").json.read_text())
    assert seen.pop("producer")["debugger"].startswith("crash 8.") and expected.pop("producer")
    assert seen["target"]["machine"] == "aarch64" and seen == expected
