"""A QEMU that never runs a guest: for what its memory is like, it need not."""
import os
import pathlib
import signal
import subprocess
import time
from types import TracebackType
from typing import Optional, Sequence, Type

from . import qemu_build
from .qmp import Qmp
from .vm import FIRMWARE

PATIENCE = 120.0


class Paused:
    """The QEMU, with the memory that the words of its command line give it.  Leaving the context kills it."""

    def __init__(self, directory: pathlib.Path, *words: str, qemu: str = qemu_build.DEFAULT,
                 target: str = "x86_64") -> None:
        self.directory = directory
        self.binary = qemu_build.qemu(qemu, target)
        self._socket = directory / "qmp"
        firmware = [word for path in FIRMWARE for word in ("-L", path)]
        self._command: Sequence[str] = [
            "setpriv", "--pdeathsig", "KILL", "--", str(self.binary), "-S", "-nodefaults", "-no-user-config",
            "-display", "none", "-accel", "tcg,tb-size=16", "-qmp", f"unix:{self._socket},server=on,wait=off",
            *firmware, *words]
        self._process: "Optional[subprocess.Popen[bytes]]" = None

    def __enter__(self) -> "Paused":
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, env={"MALLOC_ARENA_MAX": "1"})
        deadline = time.monotonic() + PATIENCE
        while True:  # it answers when its machine is made
            try:
                Qmp(self._socket).close()
                return self
            except OSError:
                assert self._process.poll() is None, "QEMU ended"
                assert time.monotonic() < deadline, "QEMU does not answer"
                time.sleep(0.05)

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def qemus_dump(self) -> pathlib.Path:
        """The dump that QEMU itself writes."""
        path = self.directory / "qemus"
        qmp = Qmp(self._socket)
        qmp.command("dump-guest-memory", paging=False, protocol=f"file:{path}")
        qmp.close()
        return path

    @property
    def socket(self) -> pathlib.Path:
        """Its QMP socket, which takes one client at a time."""
        return self._socket

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def core(self, *commands: str, coredump_filter: str = "") -> pathlib.Path:
        """A core by gdb's gcore, after other commands of gdb's."""
        if coredump_filter:
            pathlib.Path(f"/proc/{self.pid}/coredump_filter").write_text(coredump_filter)
        core = self.directory / "qemu.core"
        words = [word for one in (*commands, f"gcore {core}") for word in ("-ex", one)]
        subprocess.run(["gdb", "-nx", "-p", str(self.pid), "-batch", "-ex", "set debuginfod enabled off", *words],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return core

    def write(self, offset: int, content: bytes) -> None:
        """Change the file that holds the guest's memory."""
        folder = pathlib.Path(f"/proc/{self.pid}/fd")
        (ram,) = [link for link in folder.iterdir() if "/memfd:" in str(link.readlink())]
        descriptor = os.open(ram, os.O_RDWR)
        os.pwrite(descriptor, content, offset)
        os.close(descriptor)

    def stop(self) -> None:
        """Stop the process, as a signal does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
