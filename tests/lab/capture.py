"""Both sides of a machine at one stopped instant: guest RAM as a vmcore, QEMU as a core."""
import json
import pathlib
import re
import shlex
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from . import debugger, vmcore
from .kernel import Kernel
from .vm import Machine

WITNESS = pathlib.Path(__file__).with_name("gdb_witness.py")


class HostState(NamedTuple):
    """What QEMU knew of a queue at that instant, field by field as gdb prints it."""
    last_avail_idx: int
    last_avail_wrap_counter: bool
    shadow_avail_idx: int
    shadow_avail_wrap_counter: bool
    used_idx: int
    used_wrap_counter: bool
    signalled_used: int
    signalled_used_valid: bool
    notification: bool
    inuse: int
    vector: int
    host_notifier_enabled: bool
    num: int
    desc: int
    avail: int
    used: int
    kick_fd: int
    kick_count: int
    """Kicks that wait in the queue's host notifier."""
    call_fd: int
    call_count: int
    """Interrupts that wait in its guest notifier."""
    msix_control: Optional[int] = None
    """Vector control of its entry in the MSI-X table; None where the queue has none."""
    msix_pending: Optional[bool] = None
    indicator_area: Optional[int] = None
    """Of a channel device: where the bits begin of which one is the queue's; None where the queue has none."""
    indicator_bit: Optional[int] = None
    indicator_set: Optional[bool] = None
    summary_set: Optional[bool] = None


FLAGS = frozenset(name for name, kind in HostState.__annotations__.items() if kind in (bool, Optional[bool]))


class Capture(NamedTuple):
    """What was taken at one stopped instant."""
    directory: pathlib.Path
    vmcore: pathlib.Path
    core: pathlib.Path
    pid: int
    hosts: List[HostState]
    """Every queue of the device under test."""
    device: Dict[str, Any]
    """All else that gdb_witness.py printed."""
    queue: int
    """The index of the queue under test."""
    kernel: Kernel
    qemu: pathlib.Path
    """The binary that the core is of."""
    output: str
    """All that gdb printed, the caller's commands included."""

    @property
    def host(self) -> HostState:
        """The queue under test."""
        return self.hosts[self.queue]


def take(machine: Machine, before: Sequence[str] = (), commands: Sequence[str] = ()) -> Capture:
    """Stop QEMU and take both sides.

    `before` are gdb commands that bring QEMU to the instant, where any will not do (see inject.stop_at);
    `commands` are run at that instant, ahead of everything that takes long.
    """
    directory = machine.directory
    core, dump = directory / "qemu.core", directory / "vmcore"
    for old in (core, dump):
        old.unlink(missing_ok=True)
    output = debugger.run(machine, "capture", [
        *before,
        *commands,
        *debugger.locate(machine),
        f"source {WITNESS}",
        f"gcore {core}",
        f"shell dd if=/proc/{machine.pid}/fd/{machine.ram_fd()} of={shlex.quote(str(dump))} "
        f"bs=1M seek={vmcore.RAM_OFFSET >> 20} conv=sparse status=none",
    ])
    vmcore.finish(dump, machine.kernel.architecture, machine.platform.ram_start)
    device = _witness(output)
    hosts = [_host_state(one) for one in device.pop("queues")]
    return Capture(directory, dump, core, machine.pid, hosts, device, machine.options.queue_index, machine.kernel,
                   machine.qemu, output)


def _witness(output: str) -> Dict[str, Any]:
    line = re.search(r"^LAB-WITNESS (.*)$", output, re.MULTILINE)
    assert line is not None
    found: Dict[str, Any] = json.loads(line[1])
    return found


def _host_state(found: Dict[str, Any]) -> HostState:
    return HostState(**{name: bool(value) if name in FLAGS else value for name, value in found.items()})


def stack(output: str) -> List[str]:
    """The functions of the first backtrace that gdb printed, from the innermost out."""
    frames = re.findall(r"^#(\d+)\s+(?:0x[0-9a-f]+ in )?(\S+) \(", output, re.MULTILINE)
    starts = [place for place, (number, _) in enumerate(frames) if number == "0"]
    return [name for _, name in frames[starts[0]:(starts + [len(frames)])[1]]] if starts else []
