"""A QEMU without a guest's kernel: its firmware finds the devices, and nobody drives them."""
import pathlib
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import List, Optional, Sequence, Type

from . import qemu_build
from .vm import FIRMWARE, PATIENCE


class Bare:
    """Leaving the context kills it."""

    def __init__(self, words: Sequence[str], qemu: str = qemu_build.DEFAULT) -> None:
        self._words = words
        self._qemu = qemu_build.qemu(qemu)
        self._folder = tempfile.TemporaryDirectory(prefix="vqcheck-lab-")  # a socket's path may have 107 bytes
        self.folder = pathlib.Path(self._folder.name)
        self.qmp = self.folder / "qmp"
        self._process: "Optional[subprocess.Popen[bytes]]" = None

    def __enter__(self) -> "Bare":
        command = ["/usr/bin/setpriv", "--pdeathsig", "KILL", str(self._qemu), "-accel", "tcg,tb-size=16",
                   "-nodefaults", "-no-user-config", "-display", "none", "-boot", "menu=off",
                   "-qmp", f"unix:{self.qmp},server=on,wait=off"]
        command += [word for path in FIRMWARE for word in ("-L", path)]
        command += [word.format(folder=self.folder) for word in self._words]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.PIPE)
        deadline = time.monotonic() + PATIENCE
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"QEMU did not start: {self._last_words()}")
            time.sleep(0.05)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether QEMU is still there."""
        return self._process is not None and self._process.poll() is None

    def _greets(self) -> bool:
        """Whether QEMU talks already: a socket is there before anybody listens."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PATIENCE)
            try:
                probe.connect(str(self.qmp))
                return b"QMP" in probe.recv(1000)
            except OSError:
                return False

    def _last_words(self) -> str:
        assert self._process is not None
        self._process.kill()
        return self._process.communicate()[1].decode(errors="replace")[-1000:]


def drive(path: pathlib.Path) -> List[str]:
    """A disk of nothing but zeros."""
    path.write_bytes(bytes(1 << 20))
    return ["-blockdev", f"driver=file,node-name=image,filename={path}"]
