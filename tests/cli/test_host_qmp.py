"""`vqcheck host --qmp`: options and connections, on doubles of QEMU's socket and of virsh."""
import importlib.util
import json
import os
import stat
import sys

import pytest

from tests.cli.qmp_double import GREETING, answering, babbling, closing, listening, saying
from tests.qmp_transcript import FOLDER, Replay, load
from vqcheck.host.by_qmp.careful import Careful
from vqcheck.host.by_qmp.snapshot import take
from vqcheck.render import host_text
from vqcheck.snapshot.read import read

REAL = "7.2-lost-kick"
DISK = "virtio-disk1"

needs_qemu_qmp = pytest.mark.skipif(importlib.util.find_spec("qemu") is None, reason="needs the package qemu.qmp")


@pytest.fixture(name="path")
def _path(tmp_path_factory):
    """Where a socket may be: a path of at most 107 bytes."""
    return tmp_path_factory.mktemp("s") / "q"


def devices_of(text):
    """The devices of a snapshot as JSON: when it was taken differs."""
    return read(text.encode()).devices


EXPECTED = take(Careful(Replay(load(REAL))), DISK, "q")


@needs_qemu_qmp
def test_one_device_in_full(vqcheck, path):
    with listening(answering(REAL), path) as where:
        status, out, err = vqcheck("host", "--qmp", where, DISK)
    assert (status, err) == (0, "")
    same_time = EXPECTED._replace(capture=EXPECTED.capture._replace(time="2026-01-02T03:04:05Z"))
    assert out.split("\n")[3:] == host_text.show(same_time, True).split("\n")[3:]
    assert "live q at" in out and "QMP of QEMU 7.2.22" in out


@needs_qemu_qmp
def test_a_snapshot_as_json(vqcheck, path):
    with listening(answering(REAL), path) as where:
        status, out, _ = vqcheck("host", "--qmp", where, DISK, "--json")
    assert status == 0 and devices_of(out) == EXPECTED.devices


@needs_qemu_qmp
def test_a_file(vqcheck, path, tmp_path):
    file = tmp_path / "host.json"
    with listening(answering(REAL), path) as where:
        assert vqcheck("host", "--qmp", where, DISK, "-o", file) == (
            0, f"snapshot of 1 device(s), 1 queue(s) written to {file}\n", "")
    assert devices_of(file.read_text()) == EXPECTED.devices
    file.unlink()
    path.unlink()
    with listening(answering(REAL), path) as where:
        status, out, _ = vqcheck("host", "--qmp", where, DISK, "-o", file, "--json")
    assert status == 0 and devices_of(out) == devices_of(file.read_text()) == EXPECTED.devices


@needs_qemu_qmp
def test_over_tcp_and_with_the_block_layer(vqcheck):
    with listening(answering(REAL)) as where:
        status, out, _ = vqcheck("host", "--qmp", where, DISK, "--block", "--json")
    assert status == 0
    (disk,) = devices_of(out)
    assert disk.host.block.node == "disk1"
    assert json.loads(out)["capture"]["source"] == where


@needs_qemu_qmp
def test_an_unknown_device(refused, path):
    with listening(answering("7.2-vhost-user-net"), path) as where:
        assert refused("host", "--qmp", where, "vda") == (
            "this QEMU has no virtio device 'vda'; its virtio devices: 0: nic0, 1: nic1")


# Nobody who answers.

STUCK = ("QEMU does not answer on {} within 3 s: its main loop or the big lock is stuck; read it with "
         "`vqcheck host --pid`")


@needs_qemu_qmp
@pytest.mark.parametrize("silent_at, asked", [("qmp_capabilities", ""), ("x-query-virtio", " (asked: x-query-virtio)"),
                                              ("query-cpus-fast", " (asked: query-cpus-fast)")])
def test_a_main_loop_that_is_stuck(refused, path, silent_at, asked):
    with listening(answering(REAL, silent_at), path) as where:
        assert refused("host", "--qmp", where, DISK, "--timeout", "3") == STUCK.format(where) + asked


@needs_qemu_qmp
def test_a_socket_on_which_nobody_greets(refused, path):
    with listening(saying(b""), path) as where:
        said = refused("host", "--qmp", where, "--timeout", "0.5")
    assert said.startswith(f"nobody greets on {where} within 0.5 s: such a socket takes one client at a time, and "
                           "somebody else may have it, as libvirt has those of its VMs (then: --qmp virsh:DOMAIN)")
    assert said.endswith("or QEMU as a whole is stopped or stuck (read it with `vqcheck host --pid`)")


@needs_qemu_qmp
@pytest.mark.parametrize("talk, complaint", [
    (closing, "it was closed before QEMU greeted"),
    (saying(b"QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) "), "does not speak QMP"),
    (saying(b"{}\n"), "does not speak QMP"), (saying(b"\xff\xfe\n"), "does not speak QMP"),
    (saying(b'{"QMP": 5}\n'), "does not speak QMP"),
    (saying(json.dumps(GREETING).encode() + b'\n{"error": {"class": "x", "desc": "y"}}\n'), "does not speak QMP"),
])
def test_somebody_who_speaks_something_else(refused, path, talk, complaint):
    with listening(talk, path) as where:
        said = refused("host", "--qmp", where, "--timeout", "5")
    assert said.startswith(f"{where}: ") and complaint in said


@needs_qemu_qmp
@pytest.mark.parametrize("raw", [b"", b"no JSON\n", b"[1]\n", b'{"return": {}}' * 2 + b"\n", b"\n" * 3,
                                 b'{"error": "x", "id": "__qmp#00000"}\n', b'{"id": "__qmp#00000"}\n'])
def test_a_qemu_that_goes_away_or_begins_to_babble(refused, path, raw):
    with listening(babbling(raw), path) as where:
        said = refused("host", "--qmp", where, "--timeout", "5")
    assert said.startswith(f"{where}: QEMU closed the connection, or what it says is not QMP")
    assert said.endswith("asked: x-query-virtio)")


@needs_qemu_qmp
def test_addresses_that_lead_nowhere(refused, tmp_path):
    assert refused("host", "--qmp", tmp_path / "none") == f"{tmp_path}/none: No such file or directory"
    assert refused("host", "--qmp", "127.0.0.1:1") == "127.0.0.1:1: Connection refused"
    assert refused("host", "--qmp", "no.such.host.invalid:1").startswith("no.such.host.invalid:1: ")
    assert refused("host", "--qmp", "localhost:70000") == "localhost:70000: there is no port 70000"
    (tmp_path / "file").write_text("")
    assert refused("host", "--qmp", tmp_path / "file").startswith(f"{tmp_path}/file: Connection refused")
    assert "too long" in refused("host", "--qmp", "/" + "x" * 200)


# Options.

@pytest.mark.parametrize("words, complaint", [
    (["--qmp", "x", "--capture", "f"],
     "--capture records what a debugger reads, and QMP is none: -o keeps the snapshot"),
    *((["--qmp", "x", *words], "--stop, --exe, --layout and --force are for debuggers: they go without --qmp")
      for words in (["--stop"], ["--exe", "y"], ["--layout", "y"], ["--force"])),
    (["--pid", "1", "--block"], "--block and --timeout go with --qmp"),
    (["--core", "x", "--timeout", "3"], "--block and --timeout go with --qmp"),
    (["--qmp", "x", "--pid", "1"], "argument --pid: not allowed with argument --qmp (see `vqcheck host --help`)"),
    (["--qmp", "x", "--timeout", "0"],
     "argument --timeout: not a number of seconds: '0' (see `vqcheck host --help`)"),
    (["--qmp", "x", "--timeout", "nan"],
     "argument --timeout: not a number of seconds: 'nan' (see `vqcheck host --help`)"),
    (["--qmp", "virsh:"], "--qmp virsh:DOMAIN needs the name of a domain; `virsh list` shows them"),
])
def test_wrong_words(refused, words, complaint):
    assert refused("host", *words) == complaint


def test_without_the_package(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "qemu", None)
    assert refused("host", "--qmp", "x") == (
        "qemu.qmp is not installed: pip install 'vqcheck[qmp]'; --qmp virsh:DOMAIN does without")


def test_help(vqcheck):
    status, out, _ = vqcheck("host", "--help")
    assert status == 0 and "--qmp SOCKET" in out and "virsh:DOMAIN" in out


# libvirt, by a double of virsh.

VIRSH = """#!{python}
import json, sys, time
sys.path[:0] = {path!r}
from tests.qmp_transcript import Replay, load
from vqcheck.host.by_qmp.ask import Refused
words = sys.argv[1:]
assert words[:4] == ["--quiet", "qemu-monitor-command", "--domain", "-vm"], words
assert words[4] == "--cmd" and len(words) == 6, words
request = json.loads(words[5])
try:
    reply = {{"return": Replay(load({name!r})).execute(request["execute"], request.get("arguments", {{}}))}}
except Refused as problem:
    reply = {{"error": {{"class": problem.kind, "desc": problem.text}}}}
print(json.dumps({{**reply, "id": "libvirt-42"}}))
"""


@pytest.fixture(name="virsh")
def _virsh(tmp_path, monkeypatch):
    """Put a double of virsh, which is a Python program, before the real one."""
    def make(text):
        program = tmp_path / "virsh"
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return make


def test_a_domain_of_libvirts(vqcheck, virsh, monkeypatch):
    root = str(FOLDER.parents[2])
    virsh(VIRSH.format(python=sys.executable, path=[root], name=REAL))
    monkeypatch.setitem(sys.modules, "qemu", None)  # it does without
    status, out, err = vqcheck("host", "--qmp", "virsh:-vm", DISK, "--json", "--timeout", "60")
    assert (status, err) == (0, "")
    assert devices_of(out) == EXPECTED.devices
    assert json.loads(out)["capture"]["source"] == "virsh:-vm"


@pytest.mark.parametrize("text, complaint", [
    ("echo 'error: failed to get domain x' >&2; echo >&2; exit 1", "virsh: error: failed to get domain x"),
    ("exit 3", "virsh: ended with 3"),
    ("echo no JSON", "what virsh hands on from QEMU is not QMP (asked: x-query-virtio)"),
    ("echo '[1]'", "what virsh hands on from QEMU is not QMP (asked: x-query-virtio)"),
    ("echo '{\"return\": 5}'", "QEMU's answer to x-query-virtio is not a list, or far too long"),
    ("echo '{\"error\": {\"class\": \"GenericError\", \"desc\": \"Virtio is disabled\"}}'",
     "QEMU refuses x-query-virtio: Virtio is disabled"),
    ("echo '{\"error\": 5}'", "QEMU refuses x-query-virtio: None"),
])
def test_a_virsh_that_fails(refused, virsh, text, complaint):
    virsh(f"#!/bin/sh\n{text}\n")
    assert refused("host", "--qmp", "virsh:x") == complaint


def test_a_virsh_that_hangs(refused, virsh):
    virsh("#!/bin/sh\nexec sleep 60\n")
    assert refused("host", "--qmp", "virsh:x", "--timeout", "0.5").startswith(
        "virsh does not answer within 0.5 s: QEMU's main loop or the big lock is stuck, or another command holds the")


def test_no_virsh(refused, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused("host", "--qmp", "virsh:x").startswith("virsh is not installed; the package is called libvirt-cl")
