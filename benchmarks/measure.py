"""The project's walk and other readers, timed side by side in one process; works inside crash and PyKdump too."""
import os
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from vqcheck.guest import snapshot
from vqcheck.snapshot.model import Snapshot
from vqcheck.target.recording import Recorder
from vqcheck.target.target import Target

from .per_field import Debugger, disks

Reader = Callable[[], List[Dict[str, Any]]]
"""Gathers all virtio disks."""

ROUNDS = 7
OURS = "vqcheck"
BLOCK = 2
"""The virtio device id of a disk."""

clock = time.process_time
"""CPU seconds of this process, the debugger's own work included: less noisy than the time on the wall."""


def resident() -> int:
    """Bytes of this process's memory that are in RAM."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def compare(open_target: Callable[[], Target], readers: Dict[str, Reader], questions: Callable[[], int],
            write: Callable[[str], Any]) -> None:
    """Write a line a reader: `MEASURED` and words `key=value`.  Raises AssertionError where readers disagree.

    `questions` counts what a reader of single fields reads.

    Every reader runs once before the clock starts: types and symbols are then known, as in a session's second command.
    """
    before = resident()
    recorder = Recorder(open_target())
    seen = snapshot.take(recorder)
    write(f"MEMORY resident={resident()} grown={resident() - before}\n")
    for name, reader in readers.items():
        agree(seen, name, reader())
    ours = {"reads": recorder.reads, "bytes": sum(map(len, recorder.bundle.memory.values()))}
    for name, took in rounds({OURS: lambda: snapshot.take(Recorder(open_target())), **readers}).items():
        report(write, name, took.cpu, **(ours if name == OURS else {"reads": questions()}))


class Took(NamedTuple):
    """Seconds, the median of all rounds."""

    cpu: float
    wall: float


def rounds(readers: Dict[str, Callable[[], Any]], cpu: Callable[[], float] = clock) -> Dict[str, Took]:
    """What each reader takes.  Rounds alternate, so that what else the machine does meets all of them.

    `cpu` tells CPU seconds: of this process, if nothing else works for it.
    """
    spans: Dict[str, List[Tuple[float, float]]] = {name: [] for name in readers}
    for _ in range(ROUNDS):
        for name, reader in readers.items():
            start, at = cpu(), time.perf_counter()
            reader()
            spans[name].append((cpu() - start, time.perf_counter() - at))
    return {name: Took(*(sorted(column)[ROUNDS // 2] for column in zip(*taken))) for name, taken in spans.items()}


def report(write: Callable[[str], Any], name: str, seconds: float, **more: Any) -> None:
    """Write a line of results."""
    words = [f"{key}={value}" for key, value in more.items()]
    write(" ".join(["MEASURED", f"reader={name}", f"seconds={seconds:.6f}", *words]) + "\n")


def agree(seen: Snapshot, name: str, found_disks: List[Dict[str, Any]]) -> None:
    """Raise AssertionError where a reader found something else than the project's walk."""
    ours = [queue for device in seen.devices if device.device_id == BLOCK for queue in device.queues]
    theirs = [queue for disk in found_disks for queue in disk["queues"]]
    expected = sorted((one.head, one.tag, one.sector or 0, one.bytes)
                      for queue in ours for one in queue.in_flight or [])
    found = sorted((one["head"], one["tag"], one["__sector"], one["__data_len"])
                   for queue in theirs for one in queue["in_flight"])
    assert found == expected, f"{name}: other requests"
    numbers = sorted(queue.irq.number for queue in ours if queue.irq)
    assert sorted(queue["irq"]["number"] for queue in theirs) == numbers, f"{name}: other interrupts"


class Counted:
    """Counts what is asked, and has every `step`-th question answered by a second, slow debugger as well.

    So a reader that would take an hour is timed on a fair sample of its own questions.
    """

    def __init__(self, fast: Debugger, slow: Optional[Debugger] = None, step: int = 1) -> None:
        self._fast = fast
        self._slow = slow
        self._step = step
        self.asked = 0
        self.sampled = 0
        self.seconds = 0.0
        """What the second debugger took for the questions that it was asked."""

    def debugger(self) -> Debugger:
        """What to hand to the script."""
        return self._fast._replace(ask=self._both("ask"), number=self._both("number"), string=self._both("string"))

    def _both(self, question: str) -> Callable[..., Any]:
        fast = getattr(self._fast, question)
        slow = getattr(self._slow, question) if self._slow else None

        def answer(*words: Any) -> Any:
            self.asked += 1
            value = fast(*words)
            if slow is not None and self.asked % self._step == 0:
                start = clock()
                other = slow(*words)
                self.seconds += clock() - start
                self.sampled += 1
                assert other == value, (question, words, other, value)
            return value
        return answer


class Total(NamedTuple):
    """What a slow reader would take for all its questions."""

    seconds: float
    asked: int
    sampled: int


def count(debugger: Debugger) -> int:
    """How many single values the script reads."""
    every = Counted(debugger)
    disks(every.debugger())
    return every.asked


def estimate(fast: Debugger, slow: Debugger, sample: int) -> Total:
    """How long the script would take with a slow debugger, by a sample of its questions."""
    asked = count(fast)
    for _ in range(2):  # the first time it learns its types
        some = Counted(fast, slow, max(1, asked // sample))
        disks(some.debugger())
    return Total(some.seconds / some.sampled * asked, asked, some.sampled)
