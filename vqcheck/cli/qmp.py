"""Connections to QEMU's QMP: to its socket, or by way of libvirt's virsh where libvirt has the socket."""
import asyncio
import contextlib
import json
import os
import re
import subprocess
from typing import Any, Awaitable, Iterator, Mapping, Optional, Tuple, TypeVar, Union

from ..host.by_qmp.ask import Ask, Refused
from .verb import Failed

PACKAGE = "vqcheck[qmp]"

SECONDS = 10.0
"""How long QEMU may take for an answer, unless the user says otherwise."""

VIRSH = "virsh:"

OTHERWISE = "read it with `vqcheck host --pid`"

HOST_PORT = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:/\[\]]+)):([0-9]{1,5})")

Result = TypeVar("Result")


@contextlib.contextmanager
def connected(where: str, seconds: float) -> Iterator[Ask]:
    """A QEMU to ask: by the path of a socket, `HOST:PORT` or `virsh:DOMAIN`.  Raises Failed."""
    if where.startswith(VIRSH):
        yield Virsh(where[len(VIRSH):], seconds)
        return
    with needs_qmp():
        from qemu import qmp  # noqa: F401, PLC0415 - it need not be there
    socket = Socket(where, seconds)
    try:
        yield socket
    finally:
        socket.close()


@contextlib.contextmanager
def needs_qmp() -> Iterator[None]:
    """Around imports of qemu.qmp: raises Failed, which says what to install."""
    try:
        yield
    except ImportError as problem:
        if problem.name not in ("qemu", "qemu.qmp"):
            raise Failed(f"qemu.qmp does not work here: {problem}: pip install --upgrade '{PACKAGE}'")
        raise Failed(f"qemu.qmp is not installed: pip install '{PACKAGE}'; --qmp {VIRSH}DOMAIN does without")


def address(where: str) -> Union[str, Tuple[str, int]]:
    """A socket's path, or host and port.  Raises Failed."""
    match = HOST_PORT.fullmatch(where)
    if match is None or os.path.exists(where):
        return where
    port = int(match.group(3))
    if port > 0xFFFF:
        raise Failed(f"{where}: there is no port {port}")
    return match.group(1) or match.group(2), port


class Socket:
    """A QMP socket.  It takes one client at a time; this one keeps it until it is closed."""

    def __init__(self, where: str, seconds: float) -> None:
        """Raises Failed where nobody greets there."""
        from qemu import qmp  # noqa: PLC0415
        self._where = where
        self._seconds = seconds
        self._loop = asyncio.new_event_loop()
        self._client = qmp.QMPClient("vqcheck")
        try:
            self._wait_for(self._client.connect(address(where)))
        except asyncio.TimeoutError:
            self.close()
            raise Failed(self._silent() if self._client.greeting is None else self._stuck())
        except qmp.ConnectError as problem:
            self.close()
            raise Failed(_why_not_connected(where, problem.exc))

    def execute(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """What the command returns.  Raises Refused for an error of QEMU's, Failed where no answer comes."""
        from qemu import qmp  # noqa: PLC0415
        try:
            return self._wait_for(self._client.execute(command, arguments))
        except qmp.ExecuteError as problem:
            raise Refused(command, problem.error_class, str(problem))
        except asyncio.TimeoutError:
            raise Failed(f"{self._stuck()} (asked: {command})")
        except qmp.QMPError as problem:
            raise Failed(f"{self._where}: QEMU closed the connection, or what it says is not QMP ({problem}, "
                         f"asked: {command})")

    def close(self) -> None:
        """Leave the socket to others."""
        try:
            self._loop.run_until_complete(asyncio.wait_for(self._client.disconnect(), 1.0))
        except Exception:  # it is to end, however it does
            pass
        finally:
            self._loop.close()

    def _wait_for(self, what: Awaitable[Result]) -> Result:
        return self._loop.run_until_complete(asyncio.wait_for(what, self._seconds))

    def _stuck(self) -> str:
        return (f"QEMU does not answer on {self._where} within {self._seconds:g} s: its main loop or the big lock is "
                f"stuck; {OTHERWISE}")

    def _silent(self) -> str:
        return (f"nobody greets on {self._where} within {self._seconds:g} s: such a socket takes one client at a time, "
                f"and somebody else may have it, as libvirt has those of its VMs (then: --qmp {VIRSH}DOMAIN); or QEMU "
                f"as a whole is stopped or stuck ({OTHERWISE})")


def _why_not_connected(where: str, problem: Exception) -> str:
    if isinstance(problem, OSError):  # asyncio has words of its own for the usual ones
        usual = problem.errno if isinstance(problem, (ConnectionError, FileNotFoundError)) else None
        return f"{where}: {os.strerror(usual) if usual else problem.strerror or problem}"
    if isinstance(problem, EOFError):
        return f"{where}: it was closed before QEMU greeted"
    return (f"{where}: whoever is there does not speak QMP (a human monitor, perhaps); QEMU makes a QMP socket by "
            "-qmp unix:PATH,server=on,wait=off")


class Virsh:
    """libvirt, which hands commands on to the QEMU of one of its domains; a process of virsh for each command."""

    def __init__(self, domain: str, seconds: float) -> None:
        """Raises Failed."""
        if not domain:
            raise Failed(f"--qmp {VIRSH}DOMAIN needs the name of a domain; `virsh list` shows them")
        self._domain = domain
        self._seconds = seconds

    def execute(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """What the command returns.  Raises Refused for an error of QEMU's, Failed for one of virsh's."""
        question = json.dumps({"execute": command, **({"arguments": dict(arguments)} if arguments else {})})
        reply = _reply(self._run(["qemu-monitor-command", "--domain", self._domain, "--cmd", question]))
        if reply is None:
            raise Failed(f"what virsh hands on from QEMU is not QMP (asked: {command})")
        if "return" in reply:
            return reply["return"]
        error = reply.get("error")
        kind, text = (error.get("class"), error.get("desc")) if isinstance(error, dict) else (None, None)
        raise Refused(command, str(kind), str(text))

    def _run(self, words: "list[str]") -> str:
        try:
            done = subprocess.run(["virsh", "--quiet", *words], stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=self._seconds, check=False)
        except FileNotFoundError:
            raise Failed("virsh is not installed; the package is called libvirt-clients (Debian) or libvirt-client")
        except subprocess.TimeoutExpired:
            raise Failed(f"virsh does not answer within {self._seconds:g} s: QEMU's main loop or the big lock is "
                         f"stuck, or another command holds the domain; {OTHERWISE}")
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().replace("\n", "; ")
            raise Failed(f"virsh: {said or f'ended with {done.returncode}'}")
        return done.stdout.decode(errors="replace")


def _reply(text: str) -> Optional[Mapping[str, Any]]:
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and ("return" in parsed or "error" in parsed) else None
