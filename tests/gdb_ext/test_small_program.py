"""Coroutines and thread-locals through a real gdb, live and on a core."""
import pathlib
import re
import shutil
import subprocess

import pytest

from tests import small_program
from tests.gdb_ext.test_in_gdb import gdb, lines

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(not shutil.which("gdb"), reason="gdb is not installed: apt-get install gdb"),
    pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed: apt-get install gcc libc6-dev"),
]

PROBE = f"""
python
import sys
sys.path.append({str(ROOT)!r})
from gdb_ext.target import GdbTarget
from vqcheck.host.coroutine import stack
from vqcheck.target.errors import TargetError
target = GdbTarget()
before = gdb.selected_frame().name(), gdb.selected_thread().num
print("COROUTINE", stack(target, target.symbol("waiting")))
try:
    print("RUNNING", stack(target, target.symbol("running")))
except TargetError as problem:
    print("RUNNING", "absent:", problem)
print("TLS", target.tls_offset("own") == int(gdb.parse_and_eval("distance")), target.tls_offset("nothing"))
print("THREADS", [thread.functions for thread in target.threads()])
print("KEPT", before == (gdb.selected_frame().name(), gdb.selected_thread().num))
end
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return small_program.build(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def core(program):
    path = program.with_name("core")
    gdb(str(program), "-ex", "break caught", "-ex", "run", "-ex", f"gcore {path}", "-ex", "kill")
    return path


@pytest.fixture(params=["live", "core"])
def found(request, program, tmp_path):
    if request.param == "live":
        script = "break caught\nrun\nup\n" + PROBE + "\nkill\n"
        return lines(gdb(str(program), script=script, tmp_path=tmp_path))
    return lines(gdb(str(program), str(request.getfixturevalue("core")), script="up\n" + PROBE, tmp_path=tmp_path))


def test_a_coroutine_that_waits_is_unwound_to_where_it_began(found):
    assert found["COROUTINE"] == "['wait_for_disk', 'blk_aio_write_entry']"


def test_a_coroutine_is_unwound_while_the_thread_stands_in_an_inlined_function(program, tmp_path):
    script = "break inlined\nrun\n" + PROBE + "\nkill\n"
    found = lines(gdb(str(program), script=script, tmp_path=tmp_path))
    assert "'inlined', 'caught', 'main'" in found["THREADS"]
    assert found["COROUTINE"] == "['wait_for_disk', 'blk_aio_write_entry']"


def test_one_that_runs_has_no_stack_of_its_own_to_be_seen(found):
    assert found["RUNNING"].startswith("absent: the coroutine is running")


def test_thread_locals_lie_where_the_program_says(found):
    assert found["TLS"] == "True None"


def test_threads_are_unwound_and_the_user_stays_where_they_were(found):
    assert "'caught', 'main'" in found["THREADS"]
    assert "'sleeps_for_good', 'thread'" in found["THREADS"]
    assert found["KEPT"] == "True"


def test_functions_of_a_stripped_copy_are_the_programs_own(program, core, tmp_path):
    """As on a machine that has neither the debug information nor the binary in its place: a layout names them."""
    copy = tmp_path / "copy"
    subprocess.run(["strip", "-o", str(copy), str(program)], check=True)
    script = (PROBE.partition("before =")[0] + "print('STANDS', [thread.functions[0] for thread in target.threads()])\n"
              "end\n")
    stands = lines(gdb(str(copy), str(core), script=script, tmp_path=tmp_path))["STANDS"]
    assert re.search("'0x[0-9a-f]+'", stands) and "in small" not in stands
