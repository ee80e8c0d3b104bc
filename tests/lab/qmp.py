"""A QMP client of the few lines that the lab needs."""
import json
import pathlib
import socket
from typing import Any


class Qmp:
    """One QMP conversation.  A QEMU that hangs in a drain answers nothing: then commands raise TimeoutError."""

    def __init__(self, path: pathlib.Path, timeout: float = 60.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rwb")
        self._receive()  # the greeting
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: object) -> Any:
        """Run one command and return what it returns."""
        self.send(name, **arguments)
        while True:
            answer = self._receive()
            if "error" in answer:
                raise RuntimeError(f"{name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def send(self, name: str, **arguments: object) -> None:
        """Send a command, and do not wait for what it returns."""
        request = {"execute": name, "arguments": arguments}
        self._file.write(json.dumps(request).encode() + b"\n")
        self._file.flush()

    def human(self, line: str) -> str:
        """Run one command of the human monitor."""
        return str(self.command("human-monitor-command", **{"command-line": line}))

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _receive(self) -> Any:
        line = self._file.readline()
        if not line:
            raise ConnectionError("QEMU closed its QMP socket")
        return json.loads(line)
