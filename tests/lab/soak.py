"""Healthy machines under mixed load, stopped at random instants: the checker must not see one fault.

`python3 -m tests.lab.soak [PAIRS]` goes through every kind of machine below; the lab's test takes a few pairs of some.
A machine is stopped by SIGSTOP, both sides are read at that instant by the functions of `vqcheck inspect`, and it goes
on.
"""
import argparse
import collections
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from typing import Counter, Dict, Iterator, List, NamedTuple, Optional, Tuple

from vqcheck.check.judge import judge
from vqcheck.check.verdict import FAULT, QueueVerdict, Verdict
from vqcheck.cli import inspect
from vqcheck.snapshot.model import Snapshot
from vqcheck.snapshot.write import to_json
from vqcheck.target.files import proc

from .options import Options
from .vm import Machine

MIXED = Options(mixed=True, writers=2)
FOUR = MIXED._replace(queues=4, cpus=4, writers=4, pinned=True)

KINDS: Dict[str, Options] = {
    "split": MIXED,
    "split-no-event-idx": MIXED._replace(event_idx=False),
    "split-polling": MIXED._replace(polling=True),
    "split-main-loop": MIXED._replace(iothread=False),
    "split-four": FOUR,
    "packed": MIXED._replace(packed=True),
    "packed-no-event-idx-polling": MIXED._replace(packed=True, event_idx=False, polling=True),
    "packed-main-loop": MIXED._replace(packed=True, iothread=False),
    "packed-four-polling": FOUR._replace(packed=True, polling=True),
    "split-pairs": MIXED._replace(pairs=2),
    "split-6.12-10.0": MIXED._replace(kernel="6.12", qemu="10.0"),
    "split-four-polling-10.0": FOUR._replace(polling=True, qemu="10.0"),
    "packed-four-10.0": FOUR._replace(packed=True, qemu="10.0"),
}
"""Each has a virtio-blk and a SCSI disk being written to and a network card that packets go through, all at once."""

PAUSE = (0.02, 0.4)
"""Seconds between two instants, at random."""
NUMBER = r"[0-9]+"


class Pair(NamedTuple):
    """Both sides at an instant, and what was said of them."""

    kind: str
    number: int
    guest: Snapshot
    host: Snapshot
    verdict: Verdict
    with_before: Optional[Verdict] = None
    """The verdict on this pair and the one before it."""


def soak(kind: str, pairs: int, seed: int) -> Iterator[Pair]:
    """So many pairs of a machine of a kind; raises RuntimeError when the load itself stood still meanwhile."""
    dice = random.Random(f"{kind} {seed}")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        with Machine(directory, KINDS[kind]) as machine:
            before, last = machine.wait_load(), None
            for number in range(pairs):
                time.sleep(dice.uniform(*PAUSE))
                last = _pair(machine, kind, number, last)
                yield last
            machine.wait("more work done than before", lambda: machine.truth().writers > before.writers)
    finally:
        shutil.rmtree(directory)


def _pair(machine: Machine, kind: str, number: int, before: Optional[Pair]) -> Pair:
    os.kill(machine.pid, signal.SIGSTOP)
    try:
        machine.wait("its threads to stop", lambda: proc.stopped(machine.pid))
        guest, host = both_sides(machine)
    finally:
        os.kill(machine.pid, signal.SIGCONT)
    both = None if before is None else judge(before.guest, before.host, guest, host)
    return Pair(kind, number, guest, host, judge(guest, host), both)


def both_sides(machine: Machine) -> Tuple[Snapshot, Snapshot]:
    """Both sides of a stopped machine, as `vqcheck inspect --pid` reads them."""
    kernel = machine.kernel
    options = argparse.Namespace(core=None, pid=machine.pid, exe=None, vmlinux=str(kernel.vmlinux),
                                 modules=str(kernel.debug_modules), layout=None, device=None)
    return inspect.both_sides(options)


def tally(found: List[Pair]) -> Counter[str]:
    """How many pairs, queues and queues at work there were, how each was judged, and what was suspected."""
    counts: Counter[str] = collections.Counter()
    for one in found:
        counts[f"pairs {one.verdict.status}"] += 1
        if one.with_before is not None:
            counts[f"two pairs {one.with_before.status}"] += 1
        for queue in one.verdict.queues:
            counts["queues"] += 1
            counts[f"queues {queue.status}"] += 1
            counts["queues at work"] += at_work(queue)
            counts.update(f"suspected {finding.rule}" for finding in queue.findings)
            counts.update(f"open: {re.sub(NUMBER, 'N', reason)}" for reason in queue.reasons)
    return counts


def at_work(queue: QueueVerdict) -> bool:
    """Whether something was on its way in the queue."""
    return queue.ring is not None and queue.ring.driver_avail != queue.ring.driver_used


def keep(pair: Pair, where: pathlib.Path) -> pathlib.Path:
    """Both snapshots in files."""
    folder = where / f"{pair.kind}-{pair.number}"
    folder.mkdir(parents=True, exist_ok=True)
    for snapshot in (pair.guest, pair.host):
        (folder / f"{snapshot.side}.json").write_text(to_json(snapshot))
    return folder


def main() -> int:
    """Soak, and say what came out; 1 where the checker saw a fault."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab.soak",
                                     description="Read healthy machines at random instants, and look for false alarms.")
    parser.add_argument("pairs", type=int, nargs="?", default=300, help="pairs in all (300)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", metavar="KIND", choices=tuple(KINDS))
    parser.add_argument("--keep", metavar="DIR", type=pathlib.Path, default=pathlib.Path("soak-alarms"),
                        help="where the snapshots of a false alarm are kept (soak-alarms)")
    options = parser.parse_args()
    kinds = [options.only] if options.only else list(KINDS)
    everything: List[Pair] = []
    for place, kind in enumerate(kinds):
        share = options.pairs // len(kinds) + (place < options.pairs % len(kinds))
        found = list(soak(kind, share, options.seed))
        print(f"{kind}: {_in_words(tally(found))}", flush=True)
        for one in alarms(found):
            wrong = one.verdict if one.verdict.status == FAULT else one.with_before
            print(f"  FALSE ALARM: {wrong and wrong.headline}; kept in {keep(one, options.keep)}", flush=True)
        everything += [one._replace(guest=one.guest._replace(devices=[]), host=one.host._replace(devices=[]))
                       for one in found]
    number = len(alarms(everything))
    print(f"in all, seed {options.seed}: {_in_words(tally(everything))}\n{number} false alarms")
    return int(number > 0)


def alarms(found: List[Pair]) -> List[Pair]:
    """Those that were called faulty."""
    return [one for one in found if FAULT in (one.verdict.status, one.with_before and one.with_before.status)]


def _in_words(counts: Counter[str]) -> str:
    return "; ".join(f"{count} {name}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
