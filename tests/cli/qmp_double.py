"""A double of QEMU's QMP socket, which answers from a real conversation, or misbehaves."""
import contextlib
import json
import pathlib
import socket
import threading
from typing import Any, Callable, Dict, Iterator, Optional

from tests.qmp_transcript import Replay, load
from vqcheck.host.by_qmp.ask import Refused

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": ""}, "capabilities": ["oob"]}}
EVENT = {"event": "RTC_CHANGE", "data": {"offset": 0}, "timestamp": {"seconds": 1, "microseconds": 2}}

class Connection:
    """A client of the double's.  It ends no message by a newline, as it need not."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def get(self) -> Optional[Dict[str, Any]]:
        """The next message, None at the end."""
        raw = b""
        while True:
            more = self._socket.recv(65536)
            if not more:
                return None
            raw += more
            with contextlib.suppress(ValueError):
                message: Dict[str, Any] = json.loads(raw)
                return message

    def put(self, *messages: Dict[str, Any]) -> None:
        for message in messages:
            self.say(json.dumps(message).encode() + b"\r\n")

    def say(self, raw: bytes) -> None:
        self._socket.sendall(raw)


Talk = Callable[[Connection], None]
"""What the double does with a client."""


def answering(name: str, silent_at: str = "") -> Talk:
    """A real QEMU's answers, with an event before each; none to the command `silent_at`."""
    replay = Replay(load(name))

    def talk(client: Connection) -> None:
        client.put(GREETING)
        while True:
            request = client.get()
            if request is None:
                return
            if request["execute"] != silent_at:
                events = [] if request["execute"] == "qmp_capabilities" else [EVENT]
                client.put(*events, {**answer(replay, request), "id": request.get("id")})
    return talk


def answer(replay: Replay, request: Dict[str, Any]) -> Dict[str, Any]:
    if request["execute"] == "qmp_capabilities":
        return {"return": {}}
    try:
        return {"return": replay.execute(request["execute"], request.get("arguments", {}))}
    except Refused as problem:
        return {"error": {"class": problem.kind, "desc": problem.text}}


def saying(raw: bytes) -> Talk:
    """Only this, and nothing to whatever is asked."""
    def talk(client: Connection) -> None:
        client.say(raw)
        while client.get() is not None:
            pass
    return talk


def babbling(raw: bytes) -> Talk:
    """As QEMU until the first command, and then this and a closed connection."""
    def talk(client: Connection) -> None:
        client.put(GREETING)
        client.get()
        client.put({"return": {}})
        client.get()
        client.say(raw)
    return talk


def closing(client: Connection) -> None:
    """Hangs up."""


@contextlib.contextmanager
def listening(talk: Talk, path: Optional[pathlib.Path] = None) -> Iterator[str]:
    """A socket with somebody behind it, as --qmp takes it: at a path, or on a port of this machine."""
    server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    server.bind(str(path) if path else ("127.0.0.1", 0))
    server.listen(1)

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                talk(Connection(connection))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield str(path) if path else f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()
