"""A process in drgn, live and as a core: the small program that has what QEMU has (tests/small_program.py)."""
import pathlib
import subprocess
from typing import Iterator, List

import pytest

from tests import small_program
from vqcheck.host.coroutine import stack
from vqcheck.target.errors import NotSupported, TargetError, Unreadable

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return small_program.build(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def process(program: pathlib.Path) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen([str(program), "stay"], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stdout.readline() == "READY\n"
        yield running
        running.kill()


@pytest.fixture(scope="module")
def core(process: "subprocess.Popen[str]", program: pathlib.Path) -> pathlib.Path:
    path = program.with_name("core")
    subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-p", str(process.pid),
                    "-ex", f"gcore {path}"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return path


@pytest.fixture(params=["live", "core"])
def target(request: pytest.FixtureRequest):
    from vqcheck.target.by_drgn.process import open_core, open_pid  # noqa: PLC0415 - only the lab has drgn
    if request.param == "live":
        return open_pid(request.getfixturevalue("process").pid)
    return open_core(str(request.getfixturevalue("core")))


def test_a_coroutine_that_waits_is_unwound_to_where_it_began(target) -> None:
    assert stack(target, target.symbol("waiting")) == ["wait_for_disk", "blk_aio_write_entry"]
    with pytest.raises(NotSupported, match="is running"):
        stack(target, target.symbol("running"))


def test_thread_locals_lie_where_the_program_says(target) -> None:
    distance = target.read_uint(target.symbol("distance"), 8)
    assert target.tls_offset("own") == distance - (1 << 64) and target.tls_offset("nothing") is None


def test_every_thread_sleeps_where_it_sleeps(target) -> None:
    threads = target.threads()
    stacks: List[str] = [" < ".join(thread.functions or ()) for thread in threads]
    assert len(stacks) == 2 and all("sleeps_for_good" in one for one in stacks)
    assert "main" in stacks[0] and "thread" in stacks[1]
    assert [thread.id for thread in threads] == sorted(thread.id for thread in threads)


def test_what_is_only_in_the_programs_file_is_read_from_there(target) -> None:
    assert target.read_string(target.read_pointer(target.symbol("literal"))) == "in the program's own file"


def test_what_is_nowhere_is_unreadable(target) -> None:
    for address in (8, 1 << 63, (1 << 64) - 8):
        with pytest.raises(Unreadable):
            target.read(address, 8)


def test_identity(target, request: pytest.FixtureRequest) -> None:
    identity = target.identity()
    live = identity.method == "live"
    assert identity.build_id and identity.machine == "x86_64" and identity.pid
    assert (identity.runs, identity.monotonic_ns is not None) == ((True, True) if live else (None, False))
    assert target.auxv()[25]  # AT_RANDOM


def test_an_eventfd_is_known_live_only(target) -> None:
    fd = target.read_uint(target.symbol("fd"), 4)
    if target.identity().method == "live":
        assert target.eventfd_count(fd) == 3
        assert target.eventfd_count(1) is None
        with pytest.raises(NotSupported, match="No such file"):
            target.eventfd_count(999)
    else:
        with pytest.raises(NotSupported, match="not in a core"):
            target.eventfd_count(fd)


def test_a_running_thread_says_so(tmp_path: pathlib.Path) -> None:
    from vqcheck.target.by_drgn.process import open_pid  # noqa: PLC0415
    (tmp_path / "busy.c").write_text("int main(void) { for (;;) ; }")
    subprocess.run(["gcc", "-g", "-o", str(tmp_path / "busy"), str(tmp_path / "busy.c")], check=True)
    with subprocess.Popen([str(tmp_path / "busy")]) as busy:
        try:
            (thread,) = open_pid(busy.pid).threads()
        finally:
            busy.kill()
    assert thread.functions is None and thread.reason is not None and "it was running" in thread.reason


def test_the_same_program_at_another_path_reads_the_same_core(core: pathlib.Path, program: pathlib.Path,
                                                              tmp_path: pathlib.Path) -> None:
    from vqcheck.target.by_drgn.process import open_core  # noqa: PLC0415
    moved = tmp_path / "elsewhere"
    moved.write_bytes(program.read_bytes())
    hidden = program.rename(program.with_name("hidden"))
    try:
        target = open_core(str(core), str(moved))
        assert target.read_string(target.read_pointer(target.symbol("literal") or 0)) == "in the program's own file"
    finally:
        hidden.rename(program)


def test_what_can_not_be_opened_is_one_line(core: pathlib.Path, program: pathlib.Path, tmp_path: pathlib.Path) -> None:
    from vqcheck.target.by_drgn.process import CannotOpen, open_core, open_pid  # noqa: PLC0415
    stripped, other, text = tmp_path / "stripped", tmp_path / "other", tmp_path / "text"
    subprocess.run(["strip", "-o", str(stripped), str(program)], check=True)
    (tmp_path / "other.c").write_text("int main(void) { return 0; }")
    subprocess.run(["gcc", "-g", "-o", str(other), str(tmp_path / "other.c")], check=True)
    text.write_text("no ELF file")
    hidden = program.rename(program.with_name("hidden"))
    try:
        for words, complaint in (((str(core), str(other)), "is another one"),
                                 ((str(core), str(text)), "not an ELF file"),
                                 ((str(core), str(stripped)), "which is no QEMU"), ((str(text),), "no core")):
            with pytest.raises(CannotOpen, match=complaint):
                open_core(*words)
    finally:
        hidden.rename(program)
    with pytest.raises(CannotOpen, match="no process"):
        open_pid(1 << 22)
    with pytest.raises(TargetError):
        open_core(str(other))
