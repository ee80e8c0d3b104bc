"""The project's walk and other readers, timed side by side in one process; works inside crash and PyKdump too."""
import os
import time
from typing import Any, Callable, Dict, List

from vqcheck.guest import snapshot
from vqcheck.target.recording import Recorder
from vqcheck.target.target import Target

Reader = Callable[[], List[Dict[str, Any]]]

ROUNDS = 5
LONG = 5.0
"""Seconds after which a reader is not timed again."""

OURS = "vqcheck"


def resident() -> int:
    """Bytes of this process's memory that are in RAM."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def compare(open_target: Callable[[], Target], readers: Dict[str, Reader], write: Callable[[str], Any],
            rounds: int = ROUNDS) -> None:
    """Write one line a reader: its name, and `key=value` words.  Raises AssertionError where readers disagree.

    Every reader runs once before the clock starts: types and symbols are then known, as in a session's second command.
    Rounds alternate, so that what else the machine does meets all of them.
    """
    before = resident()
    recorder = Recorder(open_target())
    seen = snapshot.take(recorder)
    grown = resident() - before
    disks = [device for device in seen.devices if device.device_id == 2]
    queues = sum(len(device.queues) for device in disks)
    expected = sorted((one.head, one.tag) for device in disks for queue in device.queues for one in queue.in_flight or [])
    spans: Dict[str, List[float]] = {OURS: []}
    for name, reader in readers.items():
        start = time.process_time()
        found = [queue for disk in reader() for queue in disk["queues"]]
        spans[name] = [time.process_time() - start] if time.process_time() - start > LONG else []
        assert len(found) == queues, (name, len(found), queues)
        assert sorted((one["head"], one["tag"]) for queue in found for one in queue["in_flight"]) == expected, name
    for _ in range(rounds):
        spans[OURS].append(_seconds(lambda: snapshot.take(Recorder(open_target()))))
        for name, reader in readers.items():
            if not spans[name] or spans[name][0] <= LONG:
                spans[name].append(_seconds(reader))
    size = sum(map(len, recorder.bundle.memory.values()))
    for name, taken in spans.items():
        more = f" reads={recorder.reads} bytes={size} grown={grown}" if name == OURS else ""
        write(f"MEASURED reader={name} seconds={_median(taken):.6f} queues={queues} requests={len(expected)}{more}\n")


def _seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _median(spans: List[float]) -> float:
    return sorted(spans)[len(spans) // 2]
