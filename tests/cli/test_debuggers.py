"""`paths`, `gdb` and `crash`: what is handed to the debuggers."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from crash_ext import build
from vqcheck.cli import installed, paths, run_crash, start
from vqcheck.cli.verb import Failed

ROOT = pathlib.Path(__file__).parents[2]
LOADER = pathlib.Path("/somewhere/vqstate.so")


@pytest.fixture
def started(monkeypatch):
    """What the command became: a list that holds the program's words."""
    found = []
    monkeypatch.setattr(start.os, "execvp", lambda program, words: found.append((program, words)) or _never(program))
    return found


def _never(program):
    raise SystemExit(f"became {program}")


@pytest.fixture
def loader(monkeypatch):
    for module in (paths, run_crash):
        monkeypatch.setattr(module, "crash_loader", lambda: LOADER)


@pytest.fixture
def no_loader(monkeypatch):
    def fail():
        raise Failed("the loader for crash can't be built: no compiler\x1b[2J")
    for module in (paths, run_crash):
        monkeypatch.setattr(module, "crash_loader", fail)


def test_of_what_a_compiler_says_one_line_is_enough(monkeypatch):
    def fail():
        raise build.BuildError("building failed. The compiler says:\ncc x.c\nx.c:1: error: no crash/defs.h\nmake: 1")
    monkeypatch.setattr(installed.build, "loader", fail)
    with pytest.raises(Failed, match=r"^building failed. The compiler says: x.c:1: error: no crash/defs.h$"):
        installed.crash_loader()


def become(vqcheck, *words):
    with pytest.raises(SystemExit, match="became"):
        vqcheck(*words)


def test_the_files_that_debuggers_load_are_there():
    assert installed.GDB_SCRIPT == ROOT / "gdb_ext" / "vq_host.py"
    assert installed.GDB_SCRIPT.is_file()
    assert installed.PYKDUMP_PROGRAM.is_file()


@pytest.mark.usefixtures("loader")
def test_paths(vqcheck):
    status, out, err = vqcheck("paths")
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if line and not line.startswith("#")] == [
        "if ! $_isvoid($_strlen)", f"  source {ROOT}/gdb_ext/vq_host.py", "end", f"extend {LOADER}",
        f"alias vqstate epython {ROOT}/crash_ext/vqstate.py"]


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("option, line", [
    ("--gdb", f"if ! $_isvoid($_strlen)\n  source {ROOT}/gdb_ext/vq_host.py\nend"), ("--crash", f"extend {LOADER}"),
    ("--pykdump", f"alias vqstate epython {ROOT}/crash_ext/vqstate.py")])
def test_one_line_alone(vqcheck, option, line):
    assert vqcheck("paths", option) == (0, line + "\n", "")


@pytest.mark.usefixtures("no_loader")
def test_paths_where_the_loader_can_not_be_built(vqcheck, refused):
    status, out, _ = vqcheck("paths")
    assert status == 0
    assert "\n# the loader for crash can't be built: no compiler\\x1b[2J\n" in out
    assert refused("paths", "--crash") == "the loader for crash can't be built: no compiler\\x1b[2J"


@pytest.mark.parametrize("words", [
    ["-p", "123"], ["--batch", "-ex", "vq-host"], ["--args", "qemu", "--help"], ["-nx", "--traceback"], []])
def test_gdb_gets_its_own_arguments_untouched(vqcheck, started, words):
    become(vqcheck, "gdb", *words)
    assert started == [("gdb", ["gdb", "-x", str(installed.GDB_SCRIPT), *words])]


def test_a_double_dash_reaches_the_debuggers_own_help(vqcheck, started):
    become(vqcheck, "gdb", "--", "--help")
    assert started[0][1][3:] == ["--help"]


@pytest.mark.usefixtures("loader")
def test_crash_gets_a_file_of_commands_that_is_on_no_disk(vqcheck, started):
    become(vqcheck, "crash", "-s", "vmlinux", "dump")
    (program, words), = started
    assert (program, words[:2], words[3:]) == ("crash", ["crash", "-i"], ["-s", "vmlinux", "dump"])
    assert words[2].startswith("/proc/self/fd/")
    assert pathlib.Path(words[2]).read_text() == f"extend {LOADER}\n"
    assert os.get_inheritable(int(words[2].rsplit("/", 1)[1]))


@pytest.mark.usefixtures("loader")
def test_crash_also_runs_the_users_own_file(vqcheck, started, tmp_path):
    (tmp_path / "mine").write_text("vqstate vdb\nquit\n")
    become(vqcheck, "crash", "vmlinux", "-i", tmp_path / "mine", "dump")
    words = started[0][1]
    assert pathlib.Path(words[2]).read_text() == f"extend {LOADER}\nvqstate vdb\nquit\n"
    assert words[3:] == ["vmlinux", "dump"]


@pytest.mark.usefixtures("loader", "started")
def test_the_users_own_file_is_missing(refused, tmp_path):
    assert refused("crash", "-i", tmp_path / "none", "dump") == f"{tmp_path}/none: No such file or directory"


@pytest.mark.usefixtures("no_loader")
def test_crash_without_a_loader(refused, started):
    assert refused("crash", "vmlinux", "dump").startswith("the loader for crash can't be built")
    assert started == []


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("program", ["gdb", "crash"])
def test_a_debugger_that_is_not_installed(refused, monkeypatch, tmp_path, program):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(program, "x") == f"{program} is not installed; the package is called {program}"


@pytest.mark.skipif(shutil.which("gdb") is None, reason="needs gdb (apt-get install gdb)")
def test_a_real_gdb_knows_the_command():
    done = subprocess.run([sys.executable, "-m", "vqcheck", "gdb", "-nx", "--batch", "-ex", "help vq-host"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "vq-host virtio-disk1 -o host.json" in done.stdout
