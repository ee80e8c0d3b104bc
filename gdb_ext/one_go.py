"""A snapshot of a live QEMU in one go: everything that takes time is done before it is stopped, or after.

`vqcheck host --pid PID --stop` runs this in a gdb of its own.
"""
import os
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Sequence

import gdb

from vqcheck import debugger
from vqcheck.host import needs
from vqcheck.render.escape import shortened
from vqcheck.target.errors import TargetError
from vqcheck.target.files import elf, proc
from vqcheck.target.layouts.process_layout import AT_ENTRY

from .command import FACE
from .target import GdbTarget
from .types import Types

QUIET = ("set pagination off", "set confirm off", "set suppress-cli-notifications on",
         "handle SIGUSR1 nostop noprint pass")

# What gdb does at an attach takes 150 ms, and QEMU stands still for it; it does nearly all of it for libraries that are
# not needed.  Threads are known without libthread_db.
FAST = ("set auto-solib-add off", "set libthread-db-search-path", "set sysroot /nonexistent",
        "set exec-file-mismatch off")

LIKELY = ("aio_poll", "iothread_run", "main_loop_wait", "qemu_main_loop", "qemu_thread_start", "qemu_futex_wait",
          "mttcg_cpu_thread_fn", "kvm_vcpu_thread_fn", "qemu_wait_io_event", "worker_thread", "call_rcu_thread",
          "blk_aio_write_entry", "bdrv_co_pwritev_part", "raw_co_prw", "qcow2_co_pwritev_part", "thread_pool_submit_co",
          "laio_co_submit", "luring_co_submit", "qemu_co_queue_wait_impl", "throttle_group_co_io_limits_intercept",
          "virtio_blk_handle_vq", "virtio_scsi_handle_cmd_vq", "virtio_notify_irqfd", "event_notifier_set")
"""Functions that stacks are likely to hold: their source files' debug information is read beforehand."""

LONGEST = 1000
"""Characters of an error at most."""

LIBRARIES = ("libc.so", "libc-", "libpthread", "libglib-2")
"""Where threads sleep: what is needed to unwind stacks, and to name the functions at their ends."""


def main(pid: int, words: Sequence[str], exe: Optional[str] = None) -> None:
    """Do what `vqcheck host` was told, and end gdb."""
    options = debugger.parser(FACE, gdb.write).parse_args(list(words))
    try:
        types = prepare(pid, exe)
        taken = stopped(pid, lambda: debugger.read(
            FACE, options, debugger.with_layout(FACE, options, GdbTarget(types))))
        debugger.put(FACE, options, taken, gdb.write)
        if not options.json:
            gdb.write(f"QEMU stood still for {(taken.snapshot.capture.pause_ns or 0) / 1e6:.0f} ms\n")
    except (TargetError, OSError, gdb.error) as problem:
        text = str(problem) if isinstance(problem, gdb.error) else debugger.in_words(problem)
        sys.stderr.write(f"vqcheck: {shortened(text, LONGEST)}\n")
        gdb.execute("quit 2")


def prepare(pid: int, exe: Optional[str]) -> Types:
    """Load symbols and look up every type that the walker may ask for, while QEMU runs on.  Raises TargetError."""
    _tell(QUIET)
    program = exe or _program(pid)
    _load(program, pid)
    _check(program, pid)
    for path, base in _libraries(pid).items():
        try:
            gdb.execute(f"add-symbol-file {path} -o {base:#x}", to_string=True)
        except gdb.error:  # an older gdb without -o: stacks end sooner
            pass
    types = Types()
    for name in needs.TYPES:
        types.size(name)
    for name in (*needs.SYMBOLS, *needs.TLS, *LIKELY):
        types.variables(name)
    _tell(FAST)
    return types


def _load(program: str, pid: int) -> None:
    """Load the program's symbols for where the process has them; else gdb moves them all while it attaches."""
    header = elf.header_of(program)
    try:
        if header is None:
            raise TargetError(f"{program} is no ELF file")
        bias = proc.auxv(pid)[AT_ENTRY] - header.start
        gdb.execute(f"exec-file {program}", to_string=True)
        gdb.execute(f"symbol-file -o {bias:#x} {program}", to_string=True)
    except (TargetError, gdb.error):  # an older gdb has no -o
        gdb.execute(f"file {program}", to_string=True)


def _tell(commands: Sequence[str]) -> None:
    for command in commands:
        try:
            gdb.execute(command, to_string=True)
        except gdb.error:  # a setting that this gdb has not yet
            pass


def _check(program: str, pid: int) -> None:
    """Whether the file is of the same build as the process: gdb does not look any more."""
    given, running = elf.build_id(program), elf.build_id(f"/proc/{pid}/exe")
    if given != running:
        raise TargetError(f"process {pid} runs a QEMU of the build id {running}, and {program} is another one: {given}")


def stopped(pid: int, read: Callable[[], debugger.Taken]) -> debugger.Taken:
    """What `read` gives while QEMU is stopped, with the time that it stood still."""
    start = time.monotonic()
    gdb.execute(f"attach {pid}", to_string=True)
    try:
        taken = read()
    finally:
        gdb.execute("detach", to_string=True)
        pause = time.monotonic() - start
    capture = taken.snapshot.capture._replace(pause_ns=int(pause * 1e9))
    return taken._replace(snapshot=taken.snapshot._replace(capture=capture))


def _program(pid: int) -> str:
    """The program's file: as it is running, should the one of that name be another by now.  Raises OSError."""
    running = f"/proc/{pid}/exe"
    path = os.readlink(running)
    return path if os.path.exists(path) and os.path.samefile(path, running) else running


def _libraries(pid: int) -> Dict[str, int]:
    """Paths of libraries and where each is loaded."""
    found: Dict[str, int] = {}
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            words: List[Any] = line.split(maxsplit=5)
            path = words[5].rstrip("\n") if len(words) == 6 else ""
            if os.path.basename(path).startswith(LIBRARIES) and words[2] == "00000000" and os.path.exists(path):
                found.setdefault(path, int(words[0].split("-")[0], 16))
    return found
