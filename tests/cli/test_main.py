"""The command as a whole: help, errors, exit statuses, pipes and interrupts."""
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.builders import fleet, incident
from vqcheck import __version__
from vqcheck.cli import main as main_module
from vqcheck.cli import show
from vqcheck.snapshot.write import to_json

VERBS = ["merge", "diff", "rules", "explain", "guest", "host", "layout", "show", "validate", "schema", "replay", "demo", "paths", "gdb", "crash"]


def test_the_verbs_are_all_there():
    assert [verb.NAME for verb in main_module.VERBS] == VERBS


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_has_an_example(vqcheck, verb, option):
    status, out, err = vqcheck(verb, option)
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: vqcheck {verb}")
    assert f"examples:\n  vqcheck {verb}" in out


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("gdb", "crash")])
def test_the_options_in_the_examples_exist(vqcheck, verb):
    out = vqcheck(verb, "--help")[1]
    options, examples = out.split("examples:")
    used = {word for line in examples.splitlines() if line.startswith("  vqcheck") for word in line.split()
            if word.startswith("-") and not word.startswith("->")}
    assert all(word in options for word in used)


def test_help_of_the_whole_lists_every_verb(vqcheck):
    status, out, _ = vqcheck("--help")
    assert status == 0
    assert all(f"\n    {verb} " in out for verb in VERBS)
    assert "exit status: 0" in out


def test_version(vqcheck):
    assert vqcheck("--version") == (0, f"vqcheck {__version__}\n", "")


@pytest.mark.parametrize("words, complaint", [
    ([], "the following arguments are required: VERB (see `vqcheck --help`)"),
    (["merge"], "the following arguments are required: SNAPSHOT.json (see `vqcheck merge --help`)"),
    (["merge", "a", "b", "--form", "json"], "unrecognized arguments: --form json (see `vqcheck --help`)"),
    (["show", "x", "--bo\x1bgus"], "unrecognized arguments: --bo\\x1bgus (see `vqcheck --help`)"),
])
def test_wrong_words(refused, words, complaint):
    assert refused(*words) == complaint


def test_wrong_choices(refused):
    """Python's versions quote the choices differently."""
    assert refused("bogus").startswith("argument VERB: invalid choice: 'bogus'")
    assert refused("merge", "a", "b", "--format", "xml").startswith("argument --format: invalid choice: 'xml'")


def test_a_bug_is_one_line_too(refused, monkeypatch, saved):
    monkeypatch.setattr(show, "read_file", lambda path: 1 // 0)
    path, = saved(incident()[0])
    assert refused("show", path) == (
        "internal error: ZeroDivisionError: integer division or modulo by zero "
        "(run it with --traceback and report that)")


def test_a_traceback_on_request(vqcheck, tmp_path):
    status, _, err = vqcheck("show", tmp_path / "none.json", "--traceback")
    assert status == 2
    assert err.startswith("Traceback")
    assert err.splitlines()[-1] == f"vqcheck: {tmp_path}/none.json: No such file or directory"


def test_an_interrupt_is_quiet(vqcheck, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt
    monkeypatch.setattr(show, "read_file", interrupted)
    assert vqcheck("show", "x.json") == (130, "", "")


def test_an_interrupt_of_the_program(program, tmp_path):
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    running = program("show", pipe)
    with open(pipe, "wb"):  # opens as soon as the command reads, and keeps it waiting
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (130, "", "")


def test_a_broken_pipe_is_quiet(program, saved):
    path, = saved(fleet(100, 20)[0])
    running = program("show", path)
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert (running.wait(timeout=60), err) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "vqcheck", "schema"], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "vqcheck: No space left on device\n")


def test_a_terminal_without_unicode(program, saved):
    guest = incident()[0]
    path, = saved(guest._replace(target=guest.target._replace(name="gäst")))
    running = program("show", path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert "g\\xe4st" in out


@pytest.mark.parametrize("content, complaint", [
    (b"", "not JSON, or cut off"), (to_json(incident()[0]).encode()[:900], "not JSON, or cut off"),
    (b"[" * 100_000_000, "nested deeper than any snapshot"), (b'{"schema": 99}', "schema: version 99"),
    (b"[]", "not a vqcheck snapshot"), (b"\x1b[2J", "not JSON")])
@pytest.mark.parametrize("verb", ["show", "merge", "validate"])
def test_bad_files(refused, saved, tmp_path, verb, content, complaint):
    bad = tmp_path / "b\x1bd.json"
    bad.write_bytes(content)
    words = [bad, *saved(incident()[1])] if verb == "merge" else [bad]
    assert refused(verb, *words).startswith(f"{tmp_path}/b\\x1bd.json: {complaint}")
