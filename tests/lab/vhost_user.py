"""The other end of a vhost-user device, which agrees to all and serves nothing.

For the guest's driver such a device comes up, has its queues, and answers no request.
Source: QEMU docs/interop/vhost-user.rst.
"""
import array
import os
import pathlib
import socket
import struct
import threading
from typing import Callable, Dict, List, NamedTuple, Tuple

HEADER = struct.Struct("<III")
VERSION, REPLY, NEED_REPLY = 1, 1 << 2, 1 << 3
MOST_FDS = 8  # VHOST_USER_MAX_RAM_SLOTS of a memory table

GET_FEATURES, GET_VRING_BASE, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, GET_CONFIG = 1, 11, 15, 17, 24
QUEUES = 8

MQ, REPLY_ACK, CONFIG = 1 << 0, 1 << 3, 1 << 9
"""VHOST_USER_PROTOCOL_F_*."""

RING = 1 << 28 | 1 << 29 | 1 << 30 | 1 << 32 | 1 << 34
"""Indirect descriptors, EVENT_IDX, VHOST_USER_F_PROTOCOL_FEATURES, VERSION_1, packed rings."""


class Kind(NamedTuple):
    """What a device's other end has to say of it."""
    config: bytes
    """Its configuration space, if QEMU asks for it."""


KINDS: Dict[str, Kind] = {
    "vsock": Kind(struct.pack("<Q", 3)),  # its context id
    "fs": Kind(b""),
    "net": Kind(b""),
}


class Backend:
    """Waits on a socket for QEMU, and talks to it in a thread of its own until it goes."""

    def __init__(self, path: pathlib.Path, kind: Kind) -> None:
        self._kind = kind
        self.requests: List[int] = []
        """What QEMU has asked for so far."""
        self._listener = socket.socket(socket.AF_UNIX)
        path.unlink(missing_ok=True)  # of a boot that came to nothing
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop waiting for a QEMU that never came; one that came is talked to until it ends."""
        self._listener.close()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # closed
            return
        with connection:
            kept: List[int] = []
            try:
                while self._answer(connection, kept):
                    pass
            except OSError:  # QEMU was killed
                pass
            finally:
                for descriptor in kept:
                    os.close(descriptor)

    def _answer(self, connection: socket.socket, kept: List[int]) -> bool:
        head, descriptors = _receive(connection, HEADER.size)
        kept += descriptors
        if len(head) < HEADER.size:
            return False
        request, flags, size = HEADER.unpack(head)
        self.requests.append(request)
        payload = b""
        while len(payload) < size:
            more = connection.recv(size - len(payload))
            if not more:
                return False
            payload += more
        reply = self._reply(request, payload)
        if reply is None and flags & NEED_REPLY:
            reply = struct.pack("<Q", 0)
        if reply is not None:
            connection.sendall(HEADER.pack(request, VERSION | REPLY, len(reply)) + reply)
        return True

    def _reply(self, request: int, payload: bytes) -> "bytes | None":
        answers: Dict[int, Callable[[], bytes]] = {
            GET_FEATURES: lambda: struct.pack("<Q", RING),
            GET_PROTOCOL_FEATURES: lambda: struct.pack("<Q", MQ | REPLY_ACK | (CONFIG if self._kind.config else 0)),
            GET_QUEUE_NUM: lambda: struct.pack("<Q", QUEUES),
            GET_VRING_BASE: lambda: payload[:4] + bytes(4),
            GET_CONFIG: lambda: payload[:12] + self._config(*struct.unpack_from("<II", payload)),
        }
        return answers[request]() if request in answers else None

    def _config(self, offset: int, size: int) -> bytes:
        return self._kind.config[offset:offset + size].ljust(size, b"\0")


def _receive(connection: socket.socket, size: int) -> Tuple[bytes, List[int]]:
    """Bytes, and the file descriptors that came with them."""
    descriptors = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(size, socket.CMSG_SPACE(MOST_FDS * descriptors.itemsize))
    for level, kind, raw in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(raw[:len(raw) - len(raw) % descriptors.itemsize])
    return data, list(descriptors)
