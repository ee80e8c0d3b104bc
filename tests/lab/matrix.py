"""Every kernel with every virtio device and both ring layouts: machines under light load, both sides captured at once.

By hand: `python3 -m tests.lab.matrix 6.12-packed --out DIR`
"""
import argparse
import pathlib
import re
import sys
import time
from typing import Dict, List, NamedTuple, Optional, Sequence

from . import sides
from .capture import Capture, take
from .kernel import SOURCES
from .vm import Machine, Options

LAYOUTS = ("split", "packed")

CELLS: Dict[str, Options] = {
    f"{kernel}-{layout}": Options(kernel=kernel, packed=layout == "packed", devices=True, queues=2, memory_mb=256)
    for kernel in SOURCES for layout in LAYOUTS}
CELLS.update({
    f"6.1-microvm-{layout}": Options(kernel="6.1", platform="microvm", packed=layout == "packed", devices=True,
                                     queues=2, memory_mb=256)
    for layout in LAYOUTS})
"""A kernel on virtio-mmio; legacy virtio with the split rings."""

DEVICE = re.compile(r"^LAB-DEVICE name=(\S+) id=0x(\w+) driver=(\S*) status=0x(\w+) features=([01]+) path=(\S+) end", re.MULTILINE)
CLASS = re.compile(r"^LAB-CLASS path=(\S+) end", re.MULTILINE)
BOOT = re.compile(r"^LAB-BOOT id=(\S+) end", re.MULTILINE)
INTERRUPT = re.compile(r"^ *(\d+):((?: +\d+)+) .* (virtio\S+)$", re.MULTILINE)


class Seen(NamedTuple):
    """A virtio device as the guest's own sysfs shows it."""

    name: str
    device_id: int
    driver: Optional[str]
    status: int
    features: int
    address: str
    """Of the device on its bus."""
    linux_names: List[str]
    """Disks, interfaces, SCSI hosts and input devices below it."""


class Survey(NamedTuple):
    """What the guest printed of itself before the capture."""

    boot_id: str
    devices: List[Seen]
    interrupts: Dict[str, int]
    """/proc/interrupts: name to Linux irq number."""


class Cell(NamedTuple):
    """A cell of the matrix, captured."""

    options: Options
    capture: Capture
    survey: Survey


def make(name: str, directory: pathlib.Path, commands: Sequence[str] = ()) -> Cell:
    """Boot a cell's machine, let it work, and capture both sides at one instant with the gdb `commands` there."""
    options = CELLS[name]
    with Machine(directory, options) as machine:
        machine.wait_load()
        capture = take(machine, commands=commands)
        return Cell(options, capture, survey(machine.console()))


def survey(console: str) -> Survey:
    """What the guest printed."""
    console = console.replace("\r", "")
    classes = CLASS.findall(console)
    devices = []
    for name, device_id, driver, status, bits, path in DEVICE.findall(console):
        below = [one.rsplit("/", 1)[1] for one in classes if one.startswith(path + "/")]
        features = int(bits[::-1], 2)  # sysfs prints bit 0 first
        devices.append(Seen(name, int(device_id, 16), driver or None, int(status, 16), features,
                            path.rsplit("/", 2)[1], below))
    boot = BOOT.search(console)
    assert boot is not None and devices, console[-2000:]
    return Survey(boot[1], devices, {name: int(number) for number, _, name in INTERRUPT.findall(console)})


def said(directory: pathlib.Path) -> str:
    """The lines of the console that a survey is made of."""
    console = (directory / "console.log").read_text(errors="replace").replace("\r", "")
    lines = [match[0] for kind in (DEVICE, CLASS, BOOT, INTERRUPT) for match in kind.finditer(console)]
    return "\n".join(lines) + "\n"


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
