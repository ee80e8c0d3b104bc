"""Time of `vqcheck merge`'s parts, for up to 100,000 queues: reading, judging, telling; and the memory it takes.

Synthetic snapshots (tests/builders.py).  `make benchmark` prints the table; compare rows of one run only, as machines
are noisy.
"""
import subprocess
import sys

import pytest

from tests.builders import fleet
from vqcheck.check.judge import judge
from vqcheck.check.verdict import HEALTHY
from vqcheck.snapshot.read import read_file
from vqcheck.snapshot.write import to_json

SIZES = {1: (1, 1), 1000: (250, 4), 10000: (2500, 4), 100000: (25000, 4)}


@pytest.fixture(params=SIZES, ids=lambda queues: f"{queues} queues")
def files(request, tmp_path):
    """Both sides' files, and how many queues they hold."""
    paths = []
    for name, snapshot in zip(("guest", "host"), fleet(*SIZES[request.param])):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(to_json(snapshot))
    return request.param, paths


def test_read(benchmark, files):
    queues, (guest, _) = files
    snapshot = benchmark.pedantic(read_file, args=(guest,), rounds=3)
    assert sum(len(device.queues) for device in snapshot.devices) == queues


def test_judge(benchmark, files):
    queues, paths = files
    verdict = benchmark.pedantic(judge, args=tuple(map(read_file, paths)), rounds=3)
    assert verdict.status == HEALTHY and len(verdict.queues) == queues


MEASURE = """
import sys, time
from benchmarks.test_merge import sick_fleet
from vqcheck.check.judge import judge
from vqcheck.render.report import verdict_text


def most():
    # In KiB; getrusage() begins with what the parent process had.
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))


guest, host = sick_fleet(int(sys.argv[1]))
before = most()
started = time.process_time()
verdict = judge(guest, host)
judged = time.process_time() - started
text = verdict_text.show(verdict, every=True)
after = most()
print(len(verdict.queues), verdict.status, round(judged, 2), round(time.process_time() - started - judged, 2),
      before // 1024, after // 1024, len(text))
"""


def sick_fleet(queues):
    """Many healthy queues, of which one in a hundred has lost an interrupt."""
    from tests.builders import pair  # noqa: PLC0415
    guest, host = fleet(queues // 4, 4)
    sick = pair(avail=43936, last_used=43932)
    for place in range(0, queues // 4, 25):
        for side, one in zip((guest, host), sick):
            device = side.devices[place]
            queue = one.devices[0].queues[0]._replace(rings=device.queues[0].rings)
            side.devices[place] = device._replace(queues=[queue, *device.queues[1:]])
    return guest, host


@pytest.mark.parametrize("queues", [1000, 10_000, 100_000])
def test_judging_is_linear_and_its_memory_is_known(queues, record_property):
    done = subprocess.run([sys.executable, "-c", MEASURE, str(queues)], capture_output=True, text=True, check=True)
    found, status, judged, rendered, before, after, size = done.stdout.split()
    assert (int(found), status) == (queues, "fault")
    print(f"\n{queues} queues: judged in {judged} s, told in {rendered} s ({int(size) // 1024} KiB of text), "
          f"{before} MiB of snapshots, {int(after) - int(before)} MiB more")
    assert float(judged) < queues * 0.002  # CPU time; about a tenth of a millisecond each on an idle machine
