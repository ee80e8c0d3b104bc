"""gdb on a running QEMU: sessions that work through a list of commands and always leave a healthy process behind.

A gdb that is killed, or that quits at a prompt, leaves its breakpoints in QEMU, which then dies of SIGTRAP.  So a
session reads its commands from a file, has no terminal, and ends by itself; one that does not costs the machine.
"""
import pathlib
import subprocess
from typing import List, Sequence

from .vm import PATIENCE, Machine

DONE = "LAB-SESSION-DONE"

PREAMBLE = [
    "set pagination off",
    "set confirm off",
    "set debuginfod enabled off",
    "handle SIGUSR1 nostop noprint pass",  # QEMU kicks its vCPU threads with it
]

def locate(machine: Machine) -> List[str]:
    """Finds the device and the queue under test: $device and $queue.

    Every VirtIODevice registers a handler for changes of the run state: in `cb`, since QEMU 10.2 in `cb_ret`, which are
    among the first three pointers of an entry.
    """
    return [
        "set $handler = (void *) &virtio_vmstate_change",
        "set $device = (VirtIODevice *) 0",
        "set $entry = vm_change_state_head.tqh_first",
        "while $entry != 0",
        "  set $first = (void **) $entry",
        "  if $first[0] == $handler || $first[1] == $handler || $first[2] == $handler",
        "    set $path = ((VirtIODevice *) $entry->opaque)->parent_obj.canonical_path",
        f'    if $_streq($path, "{machine.backend}")',
        "      set $device = (VirtIODevice *) $entry->opaque",
        "    end",
        "  end",
        "  set $entry = $entry->entries.tqe_next",
        "end",
        f"set $queue = &$device->vq[{machine.options.queue_index}]",
    ]


class Session:
    """One gdb attached to a machine's QEMU."""

    def __init__(self, machine: Machine, name: str, commands: Sequence[str]) -> None:
        self.machine = machine
        self.log = machine.directory / f"{name}.log"
        script = machine.directory / f"{name}.gdb"
        script.write_text("\n".join([*PREAMBLE, *commands, f"echo \\n{DONE}\\n", "detach", ""]))
        self._process = _start(machine.pid, script, self.log)

    def reached(self, text: str) -> bool:
        """Whether gdb has printed `text` yet; a session that has ended without it has failed."""
        found = text in self.output()
        if not found and self._process.poll() is not None:
            raise RuntimeError(f"gdb ended before {text!r}: {self.output()[-2000:]}")
        return found

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def finish(self, timeout: float = PATIENCE) -> str:
        """Wait until gdb has worked through its commands and detached; returns what it printed."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.abandon()
            raise RuntimeError(f"gdb did not finish within {timeout:.0f} s: {self.output()[-2000:]}") from None
        if DONE not in self.output():
            raise RuntimeError(f"gdb stopped at an error: {self.output()[-2000:]}")
        return self.output()

    def abandon(self) -> None:
        """Give up on gdb, and with it on the machine."""
        self.machine.kill()
        self._process.kill()
        self._process.wait()


def run(machine: Machine, name: str, commands: List[str]) -> str:
    """Attach, work through `commands`, detach; returns what gdb printed."""
    return Session(machine, name, commands).finish()


def _start(pid: int, script: pathlib.Path, log: pathlib.Path) -> "subprocess.Popen[bytes]":
    with open(log, "wb") as output:
        return subprocess.Popen(["gdb", "-nx", "-batch", "-p", str(pid), "-x", str(script)],
                                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
