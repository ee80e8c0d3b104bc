"""The loader for a crash without PyKdump, in a double of crash that is built against crash's own header.

The double answers and fails as crash does; that the real crash 8.0.2 takes the loader is the lab's to show.
"""
import os
import pathlib
import shlex
import signal
import subprocess
import textwrap
from typing import NamedTuple

import pytest

from crash_ext import build

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]

PROBE = """
import signal, sys, _vqcrash

def help_data():
    return ["vqstate", "a probe", "[WORDS]", "Only for tests."]

def main(words):
    class Output:
        def write(self, text):
            _vqcrash.write(text)
        def flush(self):
            pass
    sys.stdout = Output()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(words[0]) as file:
        exec(file.read())
"""


class Built(NamedTuple):
    """A folder with the loader and the double, and the crash that both are of."""

    folder: pathlib.Path
    version: str


def definitions(*words):
    """What `make` defines for the compiler."""
    output = subprocess.run(["make", *words, "-n"], capture_output=True, text=True, check=True).stdout
    return [word for word in shlex.split(output) if word.startswith("-D")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The loader and the double, built once."""
    absent = build.missing()
    if absent:
        pytest.skip(f"the loader can't be built without {', '.join(absent)}: "
                    "apt-get install crash python3-dev gcc make")
    folder = tmp_path_factory.mktemp("loader")
    make = ["make", "--always-make", "-C", str(build.SOURCES), f"BUILD={folder}"]
    done = subprocess.run([*make, "-s"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), "and no warnings"
    defines = definitions(*make[1:])
    (version,) = (word.split('"')[1] for word in defines if word.startswith("-DVQCHECK_CRASH="))
    subprocess.run(["cc", "-fexceptions", "-rdynamic", "-w", "-isystem", "/usr/include/crash", *defines,
                    "-o", str(folder / "stub_crash"), str(HERE / "stub_crash.c"), "-ldl"], check=True)
    return Built(folder, version)


@pytest.fixture
def probe(tmp_path):
    """A package crash_ext whose program runs a file."""
    package = tmp_path / "crash_ext"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "loader_main.py").write_text(PROBE)
    return tmp_path


@pytest.fixture
def stub(built, probe):
    """Start the double with commands."""
    def start(*commands, root=probe, version=built.version):
        words = [str(built.folder / "stub_crash"), version, str(built.folder / build.NAME), *commands]
        return subprocess.Popen(words, cwd=probe, env={"PATH": os.environ["PATH"], "VQCHECK_PATH": str(root)},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return start


@pytest.fixture
def crash(stub):
    """What the double prints for commands."""
    def run(*commands, **options):
        process = stub(*commands, **options)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output
    return run


@pytest.fixture
def python(probe, crash):
    """What a piece of Python prints inside the double, and what commands after it print."""
    def run(program, *after):
        (probe / "program").write_text(textwrap.dedent(program))
        return crash("vqstate program", *after)
    return run


def test_questions(python):
    output = python("""
        print(_vqcrash.readmem(0x1001, 3, False), _vqcrash.readmem(0, 2, True), _vqcrash.readmem(0x1000, 300, False),
              _vqcrash.readmem(0x1000, 0, False), _vqcrash.readmem(0x1000, -1, False),
              _vqcrash.readmem(2 ** 64 - 1, 8, False), _vqcrash.readmem(0x1000, 1 << 40, False))
        print(_vqcrash.symbol("here"), _vqcrash.symbol("nowhere"))
        print(_vqcrash.symbol_name(0x1000), _vqcrash.symbol_name(0x1001), _vqcrash.symbol_name(0x5000))
        print(_vqcrash.datatype("thing", "part"), _vqcrash.datatype("thing", None), _vqcrash.datatype("nothing", None))
        print(_vqcrash.gdb("printf 1"), _vqcrash.gdb("bad"))
        print(_vqcrash.physical(0x1234), _vqcrash.physical(5), _vqcrash.physical(0xdead))
    """)
    assert output == textwrap.dedent("""\
        b'\\x01\\x02\\x03' b'\\xff\\xfe' None None None None None
        4096 None
        here None None
        (24, 64, 16, 'part_type', 3) (24, -1, 0, None, 0) None
        <printf 1> None
        564 None None
    """)


def test_facts(python, built):
    assert python("print(_vqcrash.facts())") == str({
        "crash": built.version, "release": "6.1.0-made-up", "machine": "x86_64", "kernel": "/boot/vmlinux",
        "dump": "/dumps/made-up.core", "live": False}) + "\n"


def test_what_is_left_out_of_a_dump_is_never_zeros_and_crash_keeps_its_setting(probe, crash):
    (probe / "program").write_text("print(_vqcrash.readmem(0x9000, 8, False), _vqcrash.readmem(0x1000, 2, False))\n")
    assert crash("vqstate program", "zero_excluded", "vqstate program", "zero_excluded") == (
        "None b'\\x00\\x01'\n" "off\n" "None b'\\x00\\x01'\n" "on\n")


def test_modules(python):
    assert python("""
        print(_vqcrash.modules())
        print(_vqcrash.load_module("virtio_blk", "/debug/virtio_blk.ko"), _vqcrash.load_module("virtio_ring", "/x"),
              _vqcrash.load_module("nosuch", "/x"))
        print(_vqcrash.modules())
    """) == ("{'virtio_blk': False, 'virtio_ring': False}\nTrue False False\n"
             "{'virtio_blk': True, 'virtio_ring': False}\n")


@pytest.mark.parametrize("how", ["jump", "throw"])
def test_a_call_that_crash_does_not_return_from(python, how):
    output = python(f"""
        for _ in range(100):
            answers = (_vqcrash.symbol("{how}"), _vqcrash.gdb("{how}"), _vqcrash.datatype("{how}", None),
                       _vqcrash.load_module("virtio_blk", "{how}"), _vqcrash.readmem(0xdead, 8, False))
        print(answers)
    """, "vqstate program", "handler")
    assert output == "(None, None, None, False, None)\n" * 2 + "crash's\n"


def test_a_call_in_which_crash_closes_the_output(probe, crash):
    (probe / "program").write_text("print('before')\n_vqcrash.symbol('tear down')\nprint('after')\n")
    (probe / "next").write_text("print('the next command')\n")
    assert crash("vqstate program > output", "vqstate next") == "back at the main loop\nthe next command\n"
    assert (probe / "output").read_text() == "before\n"
    output = crash("vqstate program", "vqstate next")
    assert output.startswith("before\ncrash gave up in the middle: ")
    assert output.endswith("\nback at the main loop\nthe next command\n")


@pytest.mark.parametrize(("program", "says"), [
    ("1 / 0", "failed: division by zero"),
    ("import sys; sys.exit(3)", "failed: 3"),
    ("raise SystemExit", "failed: "),
    ("raise KeyboardInterrupt", "failed: "),
    ("_vqcrash.readmem('x', 8, False)", "failed: argument 1 must be int, not str"),
])
def test_a_python_exception_is_a_message(python, program, says):
    output = python(program, "help")
    assert says in output
    assert output.endswith("Only for tests.\n")


@pytest.mark.parametrize("program", [
    "while True: pass",
    "while True: _vqcrash.symbol('here')",
    "while True: _vqcrash.datatype('thing', 'part')",
])
def test_an_interrupt(stub, probe, program):
    (probe / "program").write_text(f"try:\n    print('ready')\n    {program}\nexcept KeyboardInterrupt:\n"
                                   "    print('interrupted')\n")
    process = stub("vqstate program", "handler", "help")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert output.startswith("interrupted\ncrash's\n")


def test_output_goes_where_crash_sends_it(probe, crash):
    (probe / "program").write_text("_vqcrash.write('caf\\u00e9\\n')\nprint(words[1:])\n")
    assert crash("vqstate program some words > output") == ""
    assert (probe / "output").read_text() == "café\n['some', 'words']\n"


def test_output_that_cannot_be_written(python):
    assert python("""
        import os
        reader, writer = os.pipe()
        os.close(reader)
        kept = os.dup(1)
        os.dup2(writer, 1)
        try:
            _vqcrash.write("x")
        except BrokenPipeError as problem:
            os.dup2(kept, 1)
            print("gone:", problem)
    """, "handler") == "gone: [Errno 32] Broken pipe\ncrash's\n"


class TestTheRealProgram:
    """What the loader runs when it is not a probe."""

    def test_help(self, crash):
        output = crash("help", "vqstate -h", root=ROOT)
        name, summary, synopsis, *description = output.splitlines()
        assert (name, summary) == ("vqstate", "state of virtio queues")
        assert synopsis.startswith("[-h] ") and "[-o FILE]" in synopsis
        assert synopsis.endswith("[NAME]")
        assert "  examples:" in description
        assert "usage: vqstate [-h]" in output

    def test_a_kernel_that_lacks_everything(self, crash):
        output = crash("vqstate vdb", "vqstate --json", root=ROOT)
        assert output.count("vqstate: no symbol ") == 2
        assert "Traceback" not in output

    def test_bad_words(self, crash):
        assert "vqstate: error: unrecognized arguments: --bogus" in crash("vqstate --bogus", root=ROOT)


class TestOtherArchitectures:
    """crash may be built for dumps of another architecture than its own."""

    def test_the_target_is_what_crash_says(self, built, tmp_path):
        crash = tmp_path / "crash"
        crash.write_text("#!/bin/sh\n[ $1 = --buildinfo ] && echo '    build_target: ARM64' || crash $1\n")
        crash.chmod(0o755)
        make = ["--always-make", "-C", str(build.SOURCES), f"BUILD={tmp_path}"]
        assert "-DARM64" in definitions(*make, f"CRASH={crash}")
        assert {*definitions(*make)} >= {"-D_FILE_OFFSET_BITS=64", f'-DVQCHECK_CRASH="{built.version}"'}

    @pytest.mark.parametrize("target", ["X86_64", "ARM64", "S390X", "PPC64", "RISCV64", "LOONGARCH64", "ARM", "X86"])
    @pytest.mark.usefixtures("built")
    def test_the_source_is_of_no_architecture(self, tmp_path, target):
        """As far as this machine's compiler can tell."""
        words = definitions("--always-make", "-C", str(build.SOURCES), f"BUILD={tmp_path}", f"ARCH={target}")
        assert f"-D{target}" in words
        python = subprocess.run(["/usr/bin/python3", "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
                                capture_output=True, text=True, check=True).stdout.strip()
        done = subprocess.run(["cc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-fexceptions", *words,
                               "-isystem", "/usr/include/crash", "-I", python,
                               *map(str, build.SOURCES.glob("*.c"))], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


class TestLoading:
    """When the loader refuses."""

    def test_another_major_version_of_crash(self, crash, built):
        assert crash("help", version="99.0.2") == (
            f"built for crash {built.version}, and this is crash 99.0.2: build it again\ncommand not found: help\n")

    def test_no_package(self, crash, tmp_path):
        output = crash("help", root=tmp_path / "nowhere" / "at" / "all")
        assert "cannot import crash_ext.loader_main (VQCHECK_PATH names the folder that holds it)" in output
        assert "command not found: help" in output
