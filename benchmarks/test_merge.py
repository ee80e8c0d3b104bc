"""Time of `vqcheck merge`'s parts, for 1 and for 10,000 queues: reading, judging, and both together.

Synthetic snapshots (tests/builders.py).  `make benchmark` prints the table; compare rows of one run only, as machines
are noisy.
"""
import pytest

from tests.builders import fleet
from vqcheck.check.judge import judge
from vqcheck.check.verdict import HEALTHY
from vqcheck.snapshot.read import read_file
from vqcheck.snapshot.write import to_json

SIZES = {1: (1, 1), 1000: (250, 4), 10000: (2500, 4)}


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
