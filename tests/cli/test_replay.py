"""Replaying a recording: the walker runs again, and shows what the debugger's command showed."""
import gzip
import os

import pytest

from crash_ext.command import FACE
from tests.guest.machine import machine
from vqcheck import debugger
from vqcheck.guest.snapshot import take
from vqcheck.render import guest_text
from vqcheck.snapshot.read import read_file
from vqcheck.snapshot.write import to_json
from vqcheck.target import recording, vqcap


@pytest.fixture
def in_debugger():
    """Run `vqstate WORDS` on a made-up guest; gives what it printed."""
    def run(*words):
        printed = []
        assert debugger.run(FACE, [str(word) for word in words], machine, printed.append) == debugger.OK
        return "".join(printed)
    return run


@pytest.fixture
def capture(in_debugger, tmp_path):
    path = tmp_path / "guest.vqcap"
    in_debugger("vdb", "--capture", path)
    return path


def test_it_shows_what_the_debugger_showed(vqcheck, in_debugger, capture):
    assert vqcheck("replay", capture) == (0, in_debugger("vdb"), "")


def test_a_recording_of_all_devices_is_shown_as_a_table(vqcheck, in_debugger, tmp_path):
    in_debugger("--capture", tmp_path / "all.vqcap")
    assert vqcheck("replay", tmp_path / "all.vqcap")[1] == in_debugger()


def test_its_snapshot_is_the_debuggers(vqcheck, in_debugger, capture, tmp_path):
    in_debugger("vdb", "-o", tmp_path / "guest.json")
    assert vqcheck("replay", capture, "--json")[1] == (tmp_path / "guest.json").read_text()
    status, out, _ = vqcheck("replay", capture, "-o", tmp_path / "again.json")
    assert (status, out) == (0, f"snapshot of 1 device(s), 1 queue(s) written to {tmp_path}/again.json\n")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "guest.json").read_text()
    assert read_file(str(tmp_path / "again.json")).devices[0].name == "vdb"


def test_the_recording_is_small(capture):
    assert capture.stat().st_size < 20_000


def test_a_replay_reads_each_struct_once(capture):
    target, asked = recording.load(capture.read_bytes())
    again = recording.Recorder(target, asked)
    snapshot = take(again, asked["device"])
    assert guest_text.show(snapshot, True)
    assert 0 < again.reads < 100


@pytest.mark.parametrize("content, complaint", [
    (b"", "not a .vqcap file: it is empty"),
    (b"hello", "not a .vqcap file, or a damaged one"),
    (gzip.compress(b"vqcap\t9\n", mtime=0), "a .vqcap file of version 9; this vqcheck reads version 1"),
    (gzip.compress(b"vqcap\t1\ntarget\tlittle\t8\n", mtime=0), "it does not say which side it is of"),
    (gzip.compress(b"vqcap\t1\ntarget\tlittle\t8\nask\tside\t\\x1b\n", mtime=0), "it does not say which side it is of"),
])
def test_what_is_no_recording(refused, tmp_path, content, complaint):
    path = tmp_path / "bad.vqcap"
    path.write_bytes(content)
    assert refused("replay", path).startswith(f"{path}: {complaint}")


def test_a_recording_of_a_walk_that_failed_says_why(refused, tmp_path):
    path = tmp_path / "empty.vqcap"
    path.write_bytes(gzip.compress(b"vqcap\t1\ntarget\tlittle\t8\nask\tside\tguest\nask\tdevice\tvdb\n", mtime=0))
    assert "the recording does not hold" in refused("replay", path)


def test_a_damaged_recording_never_ends_in_a_traceback(vqcheck, capture, tmp_path):
    lines = gzip.decompress(capture.read_bytes()).splitlines(keepends=True)
    path = tmp_path / "damaged.vqcap"
    for number in range(2, len(lines), 3):
        path.write_bytes(gzip.compress(b"".join(lines[:number] + lines[number + 1:]), mtime=0))
        status, out, err = vqcheck("replay", path)
        assert (status == 0) == (err == ""), err
        assert "internal error" not in err
        assert err == "" or err.count("\n") == 1


def test_a_file_that_can_not_be_written_leaves_nothing_behind(refused, capture, tmp_path):
    assert refused("replay", capture, "-o", tmp_path / "no" / "x.json").endswith("No such file or directory")
    assert os.listdir(tmp_path) == ["guest.vqcap"]


def test_a_missing_recording(refused, tmp_path):
    assert refused("replay", tmp_path / "none.vqcap") == f"{tmp_path}/none.vqcap: No such file or directory"


def test_json_and_a_file_exclude_each_other(refused, capture):
    assert "not allowed with" in refused("replay", capture, "--json", "-o", "x.json")


def test_the_bundle_says_what_was_asked_for(capture):
    assert vqcap.unpack(capture.read_bytes()).asked == {"side": "guest", "device": "vdb"}
    assert to_json(take(recording.load(capture.read_bytes())[0], "vdb"))
