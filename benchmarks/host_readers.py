"""QEMU's side without gdb: by drgn from a core and live, and over QMP.

`python -m benchmarks.host_readers core CORE EXE` and `python -m benchmarks.host_readers live PID SOCKET`.
"""
import pathlib
import sys
import time
from typing import Any, Callable, Dict, Mapping, Tuple

from tests.lab.qmp import Qmp
from vqcheck.cli import qmp
from vqcheck.host import snapshot
from vqcheck.host.by_qmp import snapshot as by_qmp
from vqcheck.host.by_qmp.ask import Ask
from vqcheck.host.by_qmp.careful import Careful
from vqcheck.live import walker
from vqcheck.snapshot.model import Snapshot
from vqcheck.target.by_drgn.process import open_core, open_pid
from vqcheck.target.recording import Recorder

from .measure import OURS, report, rounds

FIELDS = {"vring-num": "size", "last-avail-idx": "last_avail_idx", "shadow-avail-idx": "shadow_avail_idx",
          "used-idx": "used_idx", "signalled-used": "signalled_used", "signalled-used-valid": "signalled_used_valid",
          "inuse": "inuse", "vring-desc": "desc", "vring-avail": "avail", "vring-used": "used"}
"""What QMP tells of a queue, as it calls it and as a snapshot does."""


def core(path: str, exe: str) -> None:
    """The walk by drgn on a core."""
    target = open_core(path, exe)
    recorder = Recorder(target)
    snapshot.take(recorder)
    (took,) = rounds({OURS: lambda: snapshot.take(Recorder(target))}).values()
    report(sys.stdout.write, OURS, took.cpu, wall=f"{took.wall:.6f}", **_reads(recorder))


def live(pid: int, socket: str) -> None:
    """By drgn while QEMU runs, which reads everything twice, and over QMP.  Raises AssertionError where they differ."""
    target, take = open_pid(pid), walker(snapshot.take)
    recorder = Recorder(target)
    seen = snapshot.take(recorder)
    bare = Qmp(pathlib.Path(socket))
    status, asked = _statuses(bare)
    assert status == _expected(seen), "QMP: other values"
    bare.close()
    found = rounds({
        "drgn, QEMU running": lambda: take(Recorder(target), None),
        "QMP, vqcheck": lambda: _by_qmp(socket),
        "QMP, its queue-status alone": lambda: _with_client(socket, _statuses),
    }, lambda: time.process_time() + _cpu(pid))
    sizes = {"drgn, QEMU running": _reads(recorder), "QMP, vqcheck": {"reads": _questions(socket)},
             "QMP, its queue-status alone": {"reads": asked}}
    for name, took in found.items():
        report(sys.stdout.write, name, took.cpu, wall=f"{took.wall:.6f}", **sizes[name])


def _reads(recorder: Recorder) -> Dict[str, int]:
    return {"reads": recorder.reads, "bytes": sum(map(len, recorder.bundle.memory.values()))}


def _cpu(pid: int) -> float:
    """CPU seconds that a process has used, QEMU's answers to QMP among them."""
    threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9


def _by_qmp(socket: str) -> Snapshot:
    with qmp.connected(socket, qmp.SECONDS) as ask:
        return by_qmp.take(Careful(ask, False), None, "qmp")


class _Counted:
    """Counts the questions that are put to QEMU."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.asked = 0

    def execute(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """What the command returns."""
        self.asked += 1
        return self._ask.execute(command, arguments)


def _questions(socket: str) -> int:
    with qmp.connected(socket, qmp.SECONDS) as ask:
        counted = _Counted(ask)
        by_qmp.take(Careful(counted, False), None, "qmp")
    return counted.asked


def _with_client(socket: str, read: Callable[[Qmp], Any]) -> Any:
    client = Qmp(pathlib.Path(socket))
    try:
        return read(client)
    finally:
        client.close()


def _statuses(client: Qmp) -> Tuple[Dict[Tuple[str, int], Dict[str, Any]], int]:
    """What a script of a few lines asks, by QOM path and queue, and how many questions that takes."""
    found, asked = {}, 1
    for device in client.command("x-query-virtio"):
        path = device["path"]
        count = client.command("x-query-virtio-status", path=path)["num-vqs"]
        for queue in range(count):
            status = client.command("x-query-virtio-queue-status", path=path, queue=queue)
            found[path, queue] = {ours: status[theirs] for theirs, ours in FIELDS.items()}
        asked += 1 + count
    return found, asked


def _expected(seen: Snapshot) -> Dict[Tuple[str, int], Dict[str, Any]]:
    found = {}
    for device in seen.devices:
        for queue in device.queues:
            assert device.host and device.host.qom_path and queue.device and queue.rings
            known = {**queue.device._asdict(), **queue.rings._asdict(), "size": queue.size}
            found[device.host.qom_path, queue.queue_index] = {ours: known[ours] for ours in FIELDS.values()}
    return found


if __name__ == "__main__":
    if sys.argv[1] == "core":
        core(*sys.argv[2:])
    else:
        live(int(sys.argv[2]), sys.argv[3])
