"""Both sides of a machine at one stopped instant: guest RAM as a vmcore, QEMU as a core."""
import pathlib
import re
import shlex
from typing import Dict, List, NamedTuple, Sequence

from . import debugger, vmcore
from .kernel import Kernel
from .vm import Machine

STATE = [
    *debugger.LOCATE,
    'printf "\\nLAB-HOST last_avail_idx=%d shadow_avail_idx=%d used_idx=%d signalled_used=%d signalled_used_valid=%d '
    'notification=%d inuse=%d desc=%lu avail=%lu used=%lu host_fd=%d guest_fd=%d\\n", '
    "$queue->last_avail_idx, $queue->shadow_avail_idx, $queue->used_idx, $queue->signalled_used, "
    "$queue->signalled_used_valid, $queue->notification, $queue->inuse, "
    "$queue->vring.desc, $queue->vring.avail, $queue->vring.used, "
    "$queue->host_notifier.rfd, $queue->guest_notifier.rfd",
    "info threads",
]


class HostState(NamedTuple):
    """What QEMU knew of the queue at that instant, field by field as gdb prints it."""
    last_avail_idx: int
    shadow_avail_idx: int
    used_idx: int
    signalled_used: int
    signalled_used_valid: bool
    notification: bool
    inuse: int
    desc: int
    avail: int
    used: int
    kick_count: int
    """Kicks that wait in the queue's host notifier."""
    call_count: int
    """Interrupts that wait in its guest notifier."""


class Capture(NamedTuple):
    """What was taken at one stopped instant."""
    directory: pathlib.Path
    vmcore: pathlib.Path
    core: pathlib.Path
    pid: int
    host: HostState
    kernel: Kernel
    qemu: pathlib.Path
    """The binary that the core is of."""
    output: str
    """All that gdb printed, the caller's commands included."""


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
        *STATE,
        f"shell grep -H eventfd-count /proc/{machine.pid}/fdinfo/*",
        f"gcore {core}",
        f"shell dd if=/proc/{machine.pid}/fd/{machine.ram_fd()} of={shlex.quote(str(dump))} "
        f"bs=1M seek={vmcore.RAM_OFFSET >> 20} conv=sparse status=none",
    ])
    vmcore.finish(dump, machine.kernel.architecture, machine.platform.ram_start)
    return Capture(directory, dump, core, machine.pid, _host_state(output), machine.kernel, machine.qemu,
                   output)


def _host_state(output: str) -> HostState:
    line = re.search(r"^LAB-HOST (.*)$", output, re.MULTILINE)
    assert line is not None
    value: Dict[str, int] = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line[1])}
    counts: Dict[int, int] = {int(fd): int(count, 16) for fd, count in
                              re.findall(r"/fdinfo/(\d+):eventfd-count:\s*([0-9a-f]+)", output)}
    # A platform without eventfds delivers at once: nothing can wait there.
    return HostState(
        last_avail_idx=value["last_avail_idx"], shadow_avail_idx=value["shadow_avail_idx"],
        used_idx=value["used_idx"], signalled_used=value["signalled_used"],
        signalled_used_valid=bool(value["signalled_used_valid"]), notification=bool(value["notification"]),
        inuse=value["inuse"], desc=value["desc"], avail=value["avail"], used=value["used"],
        kick_count=counts.get(value["host_fd"], 0), call_count=counts.get(value["guest_fd"], 0))


def stack(output: str) -> List[str]:
    """The functions of the last backtrace that gdb printed, from the innermost out."""
    frames = re.findall(r"^#(\d+)\s+(?:0x[0-9a-f]+ in )?(\S+) \(", output, re.MULTILINE)
    last = max((place for place, (number, _) in enumerate(frames) if number == "0"), default=len(frames))
    return [name for _, name in frames[last:]]
