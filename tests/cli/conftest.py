"""Running the command in this process, and as a program of its own."""
import subprocess
import sys

import pytest

from vqcheck.cli.main import main
from vqcheck.snapshot.write import to_json


@pytest.fixture
def vqcheck(capsys):
    """Run the command; gives (exit status, stdout, stderr)."""
    def run(*words):
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err
    return run


@pytest.fixture
def refused(vqcheck):
    """Run the command, which must fail with one line; gives that line without its `vqcheck: `."""
    def run(*words):
        status, out, err = vqcheck(*words)
        assert status == 2
        assert out == ""
        assert err.startswith("vqcheck: ")
        assert err.endswith("\n")
        assert err[:-1].isprintable(), "one line, and nothing in it that a terminal would obey"
        return err[len("vqcheck: "):-1]
    return run


@pytest.fixture
def program():
    """Start the command as a program."""
    def start(*words, **options):
        return subprocess.Popen([sys.executable, "-m", "vqcheck", *map(str, words)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)
    return start


@pytest.fixture
def saved(tmp_path):
    """Write snapshots to files; gives their paths."""
    def save(*snapshots):
        paths = []
        for number, snapshot in enumerate(snapshots):
            paths.append(tmp_path / f"{number}-{snapshot.side}.json")
            paths[-1].write_text(to_json(snapshot))
        return paths
    return save
