"""Every kernel with every virtio device and both ring layouts: machines under light load, both sides captured at once.

By hand: `python3 -m tests.lab.matrix 6.12-packed --out DIR`
"""
import argparse
import json
import pathlib
import sys
import time
from typing import Any, Dict, NamedTuple, Optional, Sequence

from . import monitor, sides, survey
from .capture import Capture, take
from .kernel import SOURCES
from .monitor import DeviceStatus
from .options import Options
from .survey import Survey
from .vm import Machine

LAYOUTS = ("split", "packed")

CELLS: Dict[str, Options] = {
    f"{kernel}-{layout}": Options(kernel=kernel, packed=layout == "packed", devices=True, queues=2, memory_mb=256)
    for kernel in SOURCES for layout in LAYOUTS}
CELLS.update({
    f"6.1-microvm-{layout}": Options(kernel="6.1", platform="microvm", packed=layout == "packed", devices=True,
                                     queues=2, memory_mb=256)
    for layout in LAYOUTS})
CELLS.update({
    f"7.2-in-order-{layout}": Options(kernel="7.2", qemu="10.0", in_order=True, packed=layout == "packed",
                                      devices=True, queues=2, memory_mb=256)
    for layout in LAYOUTS})
"""A kernel on virtio-mmio, legacy virtio with the split rings; and one that takes IN_ORDER of a QEMU that offers it."""


class Cell(NamedTuple):
    """A cell of the matrix, captured."""

    options: Options
    capture: Capture
    survey: Survey
    before: Dict[str, DeviceStatus]
    """QEMU's own account before the capture, and after it."""
    after: Dict[str, DeviceStatus]

    def as_json(self) -> Dict[str, Any]:
        """All independent evidence on the cell."""
        return {"options": self.options._asdict(), "release": self.capture.kernel.release,
                "survey": self.survey.as_json(), "host": self.capture.host._asdict(), **self.qmp()}

    def qmp(self) -> Dict[str, Any]:
        """QEMU's own account."""
        return {"before": monitor.as_json(self.before), "after": monitor.as_json(self.after)}


def make(name: str, directory: pathlib.Path, commands: Sequence[str] = ()) -> Cell:
    """Boot a cell's machine, let it work, and capture both sides at one instant with the gdb `commands` there."""
    options = CELLS[name]
    with Machine(directory, options) as machine:
        machine.wait_load()
        before = monitor.devices(machine.qmp)
        capture = take(machine, commands=commands)
        after = monitor.devices(machine.qmp)
        cell = Cell(options, capture, survey.parse(machine.console()), before, after)
    (directory / "truth.json").write_text(json.dumps(cell.as_json(), indent=1) + "\n")
    (directory / "qmp.json").write_text(json.dumps(cell.qmp()).replace("}, ", "},\n") + "\n")
    return cell


def main(words: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab.matrix", description=__doc__.splitlines()[0])
    parser.add_argument("cell", choices=CELLS)
    parser.add_argument("--out", metavar="DIR", type=pathlib.Path, required=True)
    options = parser.parse_args(words)
    start = time.monotonic()
    out = options.out.resolve()
    cell = make(options.cell, out, sides.live_commands(out, ""))
    for one in cell.survey.devices:
        print(f"{one.name:10}{one.address:15}{one.driver or '-':20}{' '.join(one.linux_names)}")
    linux = cell.capture.kernel
    print(f"made in {time.monotonic() - start:.1f} s; read it with:\n  vqcheck guest --vmcore {cell.capture.vmcore} "
          f"--vmlinux {linux.vmlinux} --modules {linux.debug_modules}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
