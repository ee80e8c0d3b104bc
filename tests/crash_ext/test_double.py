"""The double of PyKdump fails as the real one was measured to."""
import subprocess
import sys

import pytest

from tests.crash_ext.conftest import DOUBLE, ROOT
from tests.crash_ext.world import described
from tests.guest.machine import QUEUE, VIRTIO_BLK

PROBE = """
import sys, crash
from pykdump import API
try:
    print({expression})
except Exception as problem:
    print(type(problem).__name__, problem)
sys.stdout.flush()
"""


@pytest.fixture
def probe(session, tmp_path):
    """What an expression is, or what it raises, in a program of the double."""
    def ask(expression, before=()):
        (tmp_path / "probe.py").write_text(PROBE.format(expression=expression))
        return session(*before, "epython probe.py").split("\n ** Execution")[-2].strip().split("\n")[-1]
    return ask


@pytest.mark.parametrize(("expression", "answer"), [
    ("crash.readmem(0, 8)", "IndexError readPtr NULL pointer"),
    ("crash.readmem(0, 8, crash.PHYSADDR)", "IndexError readPtr NULL pointer"),
    ("crash.readmem(5, 8)", "error readmem error at addr 0x5, reading 8 bytes"),
    (f"crash.readmem({QUEUE}, 0)", f"error readmem error at addr {QUEUE:#x}, reading 0 bytes"),
    ("crash.sym2addr('nosuch')", "0"),
    ("crash.addr2sym(5)", "None"),
    ("API.getSizeOf('struct request_queue')", "8"),
    ("API.getSizeOf('request_queue')", "-1"),
    ("API.member_offset('struct nosuch', 'x')", "-1"),
    ("API.member_size('struct request_queue', 'x')", "-1"),
    ("API.member_size('struct nosuch', 'x')", "TypeError no type struct nosuch"),
    ("crash.gdb_typeinfo('struct nosuch')", "error PyKdump/GDB error"),
    ("crash.gdb_typeinfo('(*(struct request_queue *) 0).queuedata')['typelength']", "8"),
    ("crash.gdb_typeinfo('(*(struct request_queue *) 0).nosuch')", "error PyKdump/GDB error"),
    (f"API.readSU('struct request_queue', {QUEUE}).queuedata == {VIRTIO_BLK}", "True"),
    (f"hasattr(API.readSU('struct request_queue', {QUEUE}), 'nosuch')",
     f"KeyError '<struct request_queue {QUEUE:#x}> does not have a field <nosuch>'"),
    ("__import__('json')", "ModuleNotFoundError No module named 'json'"),
    ("__import__('html.parser')", "ModuleNotFoundError No module named 'html'"),
    ("'x'.encode('unicode_escape')", "LookupError unknown encoding: unicode_escape"),
    ("sys.stdout.encoding", "utf-8"),
])
def test_errors(probe, expression, answer):
    assert probe(expression) == answer


def test_a_missing_type_stays_missing_until_the_types_are_purged(session, tmp_path, debug_folder):
    (tmp_path / "asks.py").write_text("from pykdump import API\n"
                                      "print(API.getSizeOf('struct virtio_blk'), flush=True)\n")
    (tmp_path / "purges.py").write_text("from pykdump import API\nAPI.purge_typeinfo()\n")
    output = session("epython asks.py", f"mod -s virtio_blk {debug_folder}/virtio_blk.ko.debug", "epython asks.py",
                     "epython purges.py", "epython asks.py")
    assert [line for line in output.split("\n") if line.lstrip("-").isdigit()] == ["-1", "-1", "16"]


def test_programs_share_main_and_modules(session, tmp_path):
    (tmp_path / "first.py").write_text("import sys\nleft = 'by the first'\nsys.modules['left'] = sys\n")
    (tmp_path / "second.py").write_text("import left\nprint(left is sys, globals()['left'] is left, __file__)\n"
                                        "sys.stdout.flush()\n")
    assert "True True PyKdumpInit" in session("epython first.py", "epython second.py")


def test_the_text_of_an_exit_is_lost(session, tmp_path):
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit('a text')\n")
    assert "a text" not in session("epython leaves.py")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(2)\n")
    assert " -- sys.exit(2) --" in session("epython leaves.py")


def test_what_is_not_flushed_is_lost(session, tmp_path):
    (tmp_path / "prints.py").write_text("print('lost')\n")
    assert "lost" not in session("epython prints.py")


WALK = """
import importlib, os, pkgutil, sys
import guard
guard.install()
sys.path.append({root!r})
for name in {names!r}:
    importlib.import_module(name)
print(*sorted(name for name in sys.modules if name.split(".")[0] in guard.MISSING))
"""

NOT_LOADED_BY_DEBUGGERS = ("read.py", "schema.py", "shape.py", "build.py")
ONLY_ELSEWHERE = ("drgn_", "loader_", "html", "json_")
"""How the names of files begin that need drgn, our loader or a whole Python."""


def test_all_that_a_debugger_loads_imports_without_what_pykdump_lacks(tmp_path, guest):
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts)
             for folder in ("vqcheck/virtio", "vqcheck/target", "vqcheck/guest", "vqcheck/host", "vqcheck/snapshot",
                            "vqcheck/render", "crash_ext")
             for path in sorted((ROOT / folder).glob("*.py"))
             if path.name not in NOT_LOADED_BY_DEBUGGERS and not path.name.startswith(ONLY_ELSEWHERE)]
    assert len(names) > 30
    (tmp_path / "world").write_text(described(guest))
    done = subprocess.run([sys.executable, "-E", "-S", "-c", WALK.format(root=str(ROOT),
                                                                         names=["vqcheck.debugger", *names])],
                          env={"PYTHONSAFEPATH": "", "DOUBLE_WORLD": str(tmp_path / "world")}, cwd=DOUBLE,
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.stderr, done.stdout) == ("", "\n")
