"""The command and the target inside a real gdb, on a small program: what a user sees when there is no QEMU."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
VQ_HOST = ROOT / "gdb_ext" / "vq_host.py"

needs_gdb = pytest.mark.skipif(not shutil.which("gdb"), reason="gdb is not installed: apt-get install gdb")
needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed: apt-get install gcc libc6-dev")
pytestmark = needs_gdb

PROGRAM = """
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/eventfd.h>

struct inner { int a; union { long b; struct { char c[4]; int d; }; }; unsigned bits : 3; };
struct outer { char first; struct inner nested; };

static struct outer thing = { 'x', { 7, { 0x1122334455667788 }, 5 } };
static char *kept, *left_out;
static const char *literal = "in the program's own file";
static int fd;

static void caught(void) { }

int main(void)
{
    kept = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    left_out = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(kept, "kept");
    strcpy(left_out, "left out");
    madvise(left_out, 4096, MADV_DONTDUMP);
    fd = eventfd(3, 0);
    caught();
    return thing.first == 0;
}
"""

PROBE = """
python
import sys
sys.path.append({root!r})
from gdb_ext.target import GdbTarget
from vqcheck.target.errors import TargetError
target = GdbTarget()
print("METHOD", target.identity().method, target.identity().debugger)
print("SIZE", target.type_size("struct outer"), target.type_size("struct nothing"))
print("MEMBER", target.member("struct outer", "nested.d"), target.member("struct outer", "nested.bits"))
thing = target.symbol("thing")
place = target.member("struct outer", "nested.b")
print("VALUE", hex(target.read_uint(thing + place.offset, place.size)), target.symbol_name(thing))
print("KEPT", target.read_string(target.read_pointer(target.symbol("kept"))))
for name, question in (("LEFT", lambda: target.read_string(target.read_pointer(target.symbol("left_out")))),
                       ("NULL", lambda: target.read(8, 8)),
                       ("EVENTFD", lambda: target.eventfd_count(target.read_uint(target.symbol("fd"), 4)))):
    try:
        print(name, question())
    except TargetError as problem:
        print(name, "absent:", problem)
print("STACK", [thread.functions for thread in target.threads()])
end
"""


def gdb(*words, script=None, tmp_path=None):
    """What a gdb prints that runs these commands; it must not fail."""
    command = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off"]
    if script is not None:
        path = tmp_path / "probe.gdb"
        path.write_text(script)
        words = (*words, "-x", str(path))
    done = subprocess.run([*command, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def lines(output):
    """The probe's lines, by their first word."""
    return {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in output.splitlines()
            if line.split(" ", 1)[0].isupper() and " " in line}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("program")
    (path / "program.c").write_text(PROGRAM)
    subprocess.run(["gcc", "-g", "-O0", "-o", str(path / "program"), str(path / "program.c")], check=True)
    return path / "program"


@pytest.fixture(scope="module")
def core(program):
    path = program.with_name("core")
    gdb(str(program), "-ex", "break caught", "-ex", "run", "-ex", f"gcore {path}", "-ex", "kill")
    return path


def test_without_a_process_it_says_what_to_do():
    assert "vq-host: there is nothing to look at: attach" in gdb("-ex", f"source {VQ_HOST}", "-ex", "vq-host")


def test_help_has_the_options_and_examples():
    output = gdb("-ex", f"source {VQ_HOST}", "-ex", "help vq-host", "-ex", "vq-host -h")
    assert output.count("usage: vq-host") == 2 and output.count("vq-host virtio-disk1 -o host.json") == 2


def test_a_wrong_option_is_one_usage_message():
    output = gdb("-ex", f"source {VQ_HOST}", "-ex", "vq-host --nonsense", "-ex", "echo still here")
    assert "unrecognized arguments: --nonsense" in output and "still here" in output


@needs_gcc
def test_a_program_that_is_no_qemu_gets_a_hint(core, program):
    output = gdb(str(program), str(core), "-ex", f"source {VQ_HOST}", "-ex", "vq-host")
    assert "no symbol vm_change_state_head" in output and "dbgsym" in output


@needs_gcc
def test_the_target_on_a_live_process(program, tmp_path):
    script = "break caught\nrun\n" + PROBE.format(root=str(ROOT)) + "\nkill\n"
    found = lines(gdb(str(program), script=script, tmp_path=tmp_path))
    assert found["METHOD"].startswith("live gdb ")
    assert found["SIZE"] == "32 None" and found["MEMBER"] == "Member(offset=20, size=4) None"
    assert found["VALUE"] == "0x1122334455667788 thing"
    assert (found["KEPT"], found["LEFT"], found["EVENTFD"]) == ("kept", "left out", "3")
    assert "absent: 8 bytes at 0x8" in found["NULL"]
    assert "'caught', 'main'" in found["STACK"]


@needs_gcc
def test_the_target_on_a_core_knows_what_the_core_left_out(program, core, tmp_path):
    found = lines(gdb(str(program), str(core), script=PROBE.format(root=str(ROOT)), tmp_path=tmp_path))
    assert found["METHOD"].startswith("core gdb ")
    assert found["KEPT"] == "kept"
    assert "absent" in found["LEFT"] and "not in the core" in found["LEFT"]
    assert "absent" in found["EVENTFD"] and "not in a core" in found["EVENTFD"]
    assert "'caught', 'main'" in found["STACK"]


@needs_gcc
def test_the_same_program_at_another_path_reads_the_same_core(program, core, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copy(program, moved)
    text = """python
import sys
sys.path.append({root!r})
from gdb_ext.target import GdbTarget
target = GdbTarget()
print("LITERAL", target.read_string(target.read_pointer(target.symbol("literal"))))
end
"""
    found = lines(gdb(str(moved), str(core), script=text.format(root=str(ROOT)), tmp_path=tmp_path))
    assert found["LITERAL"] == "in the program's own file"


def test_a_failure_is_gdbs_failure():
    done = subprocess.run(["gdb", "-nx", "-batch", "-ex", f"source {VQ_HOST}", "-ex", "vq-host"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "vq-host: there is nothing to look at" in done.stderr


def test_the_lines_for_gdbinit_are_passed_over_where_there_is_no_python(tmp_path):
    init = tmp_path / "gdbinit"
    for guard, expected in (("$_strlen", "usage: vq-host"), ("$_no_such_function", "Undefined command")):
        init.write_text(f"if ! $_isvoid({guard})\n  source {VQ_HOST}\nend\n")
        assert expected in gdb("-ex", f"source {init}", "-ex", "vq-host -h")
