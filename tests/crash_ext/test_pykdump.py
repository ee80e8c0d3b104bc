"""`vqstate` under PyKdump, in a double of it and, where PYKDUMP_SO names one, in a real one."""
import json
import os
import subprocess

import pytest

from tests.crash_ext.conftest import REGISTER, ROOT, VQSTATE
from tests.crash_ext.test_dump_holes import PT_LOAD, dump
from tests.crash_ext.world import described, elf
from tests.guest.machine import AVAIL, LAST_USED, RING_USED, VRING
from tests.guest.test_module_symbols import SYMBOLS, kernel
from vqcheck.guest import snapshot
from vqcheck.render import guest_text
from vqcheck.snapshot.write import to_json
from vqcheck.target import vqcap
from vqcheck.target.recording import Replay

FOOTER = "\n ** Execution took   0.00s (real)   0.00s (CPU)\n"
VQ = f"epython {VQSTATE}"


def flat(output):
    """Text without its line breaks."""
    return " ".join(output.split())


def test_one_disk(session):
    output = session(f"{VQ} vdb")
    assert output.endswith(FOOTER)
    assert "vqcheck" in output
    assert "crash 8.0.2 (PyKdump 3.5.3)" in output
    assert "dump made-up.core" in output
    assert f"{LAST_USED}/{AVAIL}" in output


def test_the_walk_through_pykdump_sees_what_the_walk_on_the_guest_itself_sees(session, guest, tmp_path):
    session(f"{VQ} vdb -o seen.json")
    seen = json.loads((tmp_path / "seen.json").read_text())
    direct = snapshot.take(guest, "vdb")
    assert seen["devices"][0]["queues"][0]["driver"]["address"] == hex(VRING)
    assert seen["devices"] == json.loads(to_json(direct))["devices"]
    assert seen["target"]["release"] == direct.target.release


def test_a_recording_replays_to_the_same_text(session, tmp_path):
    output = session(f"{VQ} vdb", f"{VQ} vdb --capture seen.vqcap")
    recorded = vqcap.unpack((tmp_path / "seen.vqcap").read_bytes())
    assert recorded.identity.debugger == "crash 8.0.2 (PyKdump 3.5.3)"
    assert recorded.identity.machine == "x86_64"
    assert output.startswith(guest_text.show(snapshot.take(Replay(recorded), "vdb"), True))


def test_again_in_the_same_session(session):
    once = session(f"{VQ} vdb")
    assert session(f"{VQ} vdb", f"{VQ} vdb", f"{VQ} vdb") == once * 3


def test_help(session):
    output = session(f"{VQ} -h")
    assert output.startswith("usage: vqstate [-h]")
    assert "vqstate vdb -o guest.json" in output
    assert output.endswith(FOOTER), "and no sys.exit() for PyKdump to speak of"


def test_pykdump_takes_its_own_options_away(session):
    assert session(f"{VQ} vdb --debug 1 --timeout=5") == session(f"{VQ} vdb")


@pytest.mark.parametrize(("words", "says"), [
    ("vdx", "vqstate: this guest has no virtio device 'vdx'; it has: vdb"),
    ("--bogus", "vqstate: error: unrecognized arguments: --bogus"),
    ("vdb -o /nonexistent/guest.json", "No such file or directory"),
])
def test_bad_words_are_one_message(session, words, says):
    output = session(f"{VQ} {words}", f"{VQ} vdb")
    assert says in output
    assert "Traceback" not in output
    assert output.count(FOOTER) == 2


def test_an_internal_error_is_a_message_and_the_session_goes_on(session, tmp_path):
    (tmp_path / "breaks.py").write_text("import crash\ncrash.readmem = lambda *words: 1 / 0\n")
    output = session("epython breaks.py", f"{VQ} vdb", f"{VQ} vdb --traceback", f"{VQ} --help")
    assert "vqstate: internal error: ZeroDivisionError: division by zero (run it with --traceback" in output
    assert output.count("Traceback") == 1
    assert "usage: vqstate" in output


def test_a_struct_that_left_the_dump(session, guest):
    guest.forget(VRING)
    output = session(f"{VQ} vdb")
    assert "vdb, virtio-blk" in output
    assert f"at {VRING:#x}: not mapped, or left out of the dump" in flat(output)


def test_a_ring_that_an_elf_dump_leaves_out_is_not_read_as_zeros(session, guest, tmp_path):
    guest.memory[RING_USED][:] = bytes(len(guest.memory[RING_USED]))
    for name, in_file in (("whole", 0x1000), ("hole", 0)):
        elf_dump = dump(tmp_path / name, [(PT_LOAD, RING_USED - 0x1000, in_file, 0x1000)])
        output = session(f"{VQ} vdb", world=described(guest, dump=elf_dump, page_offset=0x1000))
        assert (f"at {RING_USED:#x}: left out of the dump" in output) == (name == "hole"), output


def test_a_crash_that_makes_zeros_of_what_is_missing_is_not_believed(session):
    assert session(f"{VQ} vdb", DOUBLE_ZERO_EXCLUDED="on").startswith(
        "vqstate: crash was told to read what is left out of the dump as zeros")


def test_output_that_cannot_be_written(session):
    with open("/dev/full", "wb") as full:
        assert "vqstate: cannot write: No space left on device\n" in session(f"{VQ} vdb", stdout=full)


@pytest.mark.parametrize("remark", ["  [PARTIAL DUMP]", "  [INCOMPLETE]", "  [PARTIAL DUMP] [INCOMPLETE]"])
def test_what_crash_says_of_a_dump_is_no_part_of_its_name(session, guest, tmp_path, remark):
    guest.memory[RING_USED][:] = bytes(len(guest.memory[RING_USED]))
    elf_dump = dump(tmp_path / "a hole", [(PT_LOAD, RING_USED - 0x1000, 0, 0x1000)])
    output = session(f"{VQ} vdb", world=described(guest, dump=f"{elf_dump}{remark}", page_offset=0x1000))
    assert "dump a hole at" in flat(output)
    assert f"at {RING_USED:#x}: left out of the dump" in output


def test_what_crash_says_of_a_kernel_is_no_part_of_its_name(session, guest, debug_folder):
    world = described(guest, kernel=f"{debug_folder}/vmlinux  [LIVEPATCH]  [TAINTED]")
    assert f"{LAST_USED}/{AVAIL}" in session(f"{VQ} vdb", world=world, VQCHECK_MODULES="")


MEMBERS = """
import sys
sys.path.append({root!r})
from crash_ext import pykdump_types
for path in ("list", "cons.hvc", "cons.inner.deep", "cons.nosuch", "same.flags", "list.next"):
    print(path, pykdump_types.member("struct port", path), flush=True)
"""


def test_two_structs_of_one_name(session, guest, tmp_path):
    """`struct console` is one thing in virtio_console.c and another in include/linux/console.h."""
    guest.types["struct console"] = (104, {"flags": (64, 2)})
    guest.types["struct port"] = (72, {"list": (0, 16), "cons": (16, 40), "cons.hvc": (32, 8),
                                       "cons.inner.deep": (40, 4), "same": (56, 104), "same.flags": (120, 2)})
    (tmp_path / "members.py").write_text(MEMBERS.format(root=str(ROOT)))
    named = {"struct port": {"cons": "struct console", "same": "struct console"}}
    output = session("epython members.py", world=described(guest, named=named))
    assert output.splitlines()[:6] == [
        "list Member(offset=0, size=16)", "cons.hvc Member(offset=32, size=8)",
        "cons.inner.deep Member(offset=40, size=4)", "cons.nosuch None", "same.flags Member(offset=120, size=2)",
        "list.next None"]


NAMES = """
import sys
sys.path.append({root!r})
from crash_ext.pykdump_target import PykdumpTarget
target = PykdumpTarget()
print([(target.symbol_name(at), target.symbol(name)) for name, at in {symbols}.items()], flush=True)
"""


class TestModules:
    """The debug information of modules."""

    def test_missing(self, session, tmp_path):
        output = session(f"{VQ} vdb", VQCHECK_MODULES=str(tmp_path / "nowhere"))
        assert ("no debug information for struct vring_virtqueue: that of module virtio_ring was not found. Install "
                "linux-image-6.1.0-0-made-amd64-dbg (Debian); where it lies elsewhere, load it by `mod -s virtio_ring "
                "FILE`, or set VQCHECK_MODULES to its folder before crash is started") in flat(output)

    def test_loaded_by_hand_afterwards(self, session, tmp_path, debug_folder):
        by_hand = [f"mod -s {name} {debug_folder / name}.ko.debug" for name in ("virtio_blk", "virtio_ring")]
        output = session(f"{VQ} vdb", *by_hand, f"{VQ} vdb", VQCHECK_MODULES=str(tmp_path / "nowhere"))
        assert "no debug information" in output
        assert f"{LAST_USED}/{AVAIL}" in output

    def test_stripped_modules_are_passed_over(self, session, debug_folder):
        (debug_folder / "virtio_ring.ko.debug").write_bytes(elf(".text"))
        assert "that of module virtio_ring was not found" in flat(session(f"{VQ} vdb"))

    def test_debug_information_of_something_else(self, session, guest, debug_folder):
        guest.types["struct vring_virtqueue"] = (0, {})
        assert f"{debug_folder}/virtio_ring.ko.debug did not bring it. Install" in flat(session(f"{VQ} vdb"))

    def test_built_in(self, session, guest, tmp_path):
        world = described(guest, modules=())
        assert f"{LAST_USED}/{AVAIL}" in session(f"{VQ} vdb", world=world, VQCHECK_MODULES=str(tmp_path / "nowhere"))

    def test_a_crash_that_does_not_know_the_modules_still_gets_their_types(self, session, guest, tmp_path):
        world = described(guest, crash_knows=False)
        assert f"{LAST_USED}/{AVAIL}" in session(f"{VQ} vdb", world=world)
        output = session(f"{VQ} vdb", world=world, VQCHECK_MODULES=str(tmp_path / "nowhere"))
        assert "(Debian); where it lies elsewhere, set VQCHECK_MODULES" in flat(output)

    def test_a_crash_that_does_not_know_the_modules_still_gets_their_symbols(self, session, tmp_path):
        (tmp_path / "names.py").write_text(NAMES.format(root=str(ROOT), symbols=SYMBOLS))
        output = session("epython names.py", world=described(kernel(), ["virtio_blk"], crash_knows=False))
        assert output.splitlines()[0] == str([(name, address) for name, address in SYMBOLS.items()])

    def test_no_such_driver(self, session, guest):
        del guest.types["struct vring_virtqueue"]
        output = session(f"{VQ} vdb", world=described(guest, modules=("virtio_blk",)))
        assert "vmlinux does not hold it, and virtio_ring is not among this kernel's modules" in flat(output)

    def test_found_beside_vmlinux(self, session, guest, debug_folder):
        world = described(guest, kernel=str(debug_folder / "vmlinux"))
        assert f"{LAST_USED}/{AVAIL}" in session(f"{VQ} vdb", world=world, VQCHECK_MODULES="")


class TestRegistering:
    """register.py"""

    def test_alias(self, session):
        assert f"{LAST_USED}/{AVAIL}" in session(f"epython {REGISTER}", "vqstate vdb")

    def test_command(self, session):
        folder = str(ROOT / "crash_ext")
        output = session("epython register.py", "vqstate vdb", "help vqstate", PYKDUMPPATH=folder)
        assert f"{LAST_USED}/{AVAIL}" in output
        assert "state of virtio queues\n[-h]" in output
        assert output.rstrip().endswith("that the environment variable VQCHECK_MODULES names.")

    def test_alias_by_hand_and_a_symbolic_link(self, session, tmp_path):
        (tmp_path / "link.py").symlink_to(VQSTATE)
        assert f"{LAST_USED}/{AVAIL}" in session(f"epython {tmp_path}/link.py vdb")
        assert f"{LAST_USED}/{AVAIL}" in session(f"alias vqstate epython {VQSTATE}", "vqstate vdb")


@pytest.mark.pykdump
@pytest.mark.lab
def test_in_a_real_pykdump(tmp_path):
    """PyKdump and the loader make the same snapshot of the same dump."""
    from tests.lab import capture, sides, vm  # noqa: PLC0415
    with vm.Machine(tmp_path / "vm") as machine:
        machine.wait_load()
        vmcore = capture.take(machine).vmcore
    by_loader, _ = sides.guest(tmp_path, vmcore)
    stem = tmp_path / "pykdump"
    output = _with_pykdump(tmp_path, vmcore, [
        f"vqstate vdb -o {stem}.json", f"vqstate vdb --capture {stem}.vqcap", "vqstate", "vqstate vdx"])
    assert "Traceback" not in output
    assert "this guest has no virtio device 'vdx'" in output
    seen, expected = (json.loads(path.read_text()) for path in (stem.with_suffix(".json"), by_loader.json))
    assert "(PyKdump " in seen.pop("producer")["debugger"]
    assert "(loader)" in expected.pop("producer")["debugger"]
    assert seen == expected
    assert vqcap.unpack(stem.with_suffix(".vqcap").read_bytes()).asked["device"] == "vdb"


def _with_pykdump(folder, vmcore, commands):
    from tests.lab.kernel import kernel as lab_kernel  # noqa: PLC0415
    script = folder / "pykdump.crash"
    script.write_text("\n".join([f"extend {os.environ['PYKDUMP_SO']}", f"epython {REGISTER}", *commands, "quit\n"]))
    environment = {**os.environ, "VQCHECK_MODULES": str(lab_kernel().debug_modules)}
    return subprocess.run(["crash", "-s", "-i", str(script), str(lab_kernel().vmlinux), str(vmcore)], env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=True).stdout
