"""`vqcheck guest`, on a double of what opens dumps: no drgn is needed here, as it is an option."""
import sys
import types

import pytest

from tests.guest.machine import LAST_USED, machine
from vqcheck.cli import guest
from vqcheck.snapshot.read import read_file
from vqcheck.target.errors import Corrupt, TargetError

OPENER = "vqcheck.target.drgn_open"


@pytest.fixture
def opened(monkeypatch):
    """The calls to the opener, whose target is a made-up guest with two notes."""
    calls = []

    def opener(name):
        def open_it(*words):
            calls.append((name, *words))
            target = machine()
            target.notes = ["a module is missing", "\x1b[2Jan escape"]
            return target
        return open_it
    module = types.ModuleType(OPENER)
    module.open_dump, module.open_live = opener("dump"), opener("live")
    monkeypatch.setitem(sys.modules, OPENER, module)
    return calls


def test_a_dump(vqcheck, opened):
    status, out, err = vqcheck("guest", "--vmcore", "v", "--vmlinux", "x", "--modules", "m", "vdb")
    assert status == 0 and opened == [("dump", "v", "x", "m")]
    assert out.startswith("guest guest (4.18.0-made-up, aarch64), dump made-up") and "requests in flight" in out
    assert err == "vqcheck guest: a module is missing\nvqcheck guest: \\x1b[2Jan escape\n"


def test_all_disks_in_short(vqcheck, opened):
    status, out, _ = vqcheck("guest", "--vmcore", "v")
    assert status == 0 and opened == [("dump", "v", None, None)]
    assert "\nvdb " in out and "requests in flight" not in out


def test_the_running_kernel(vqcheck, opened):
    assert vqcheck("guest", "--live", "--modules", "m")[0] == 0
    assert opened == [("live", None, "m")]


def test_files(vqcheck, opened, tmp_path):
    json, vqcap = tmp_path / "guest.json", tmp_path / "guest.vqcap"
    assert vqcheck("guest", "--vmcore", "v", "vdb", "-o", json, "--capture", vqcap)[:2] == (
        0, f"snapshot of 1 device(s), 1 queue(s) written to {json}\n"
           f"recording of 1 device(s), 1 queue(s) written to {vqcap}\n")
    assert vqcheck("guest", "--vmcore", "v", "vdb", "--json")[1] == json.read_text()
    assert vqcheck("replay", vqcap, "--json")[1] == json.read_text()
    assert read_file(str(json)).devices[0].queues[0].driver.last_used_idx == LAST_USED


@pytest.mark.parametrize("words, complaint", [
    ([], "one of the arguments --vmcore --live is required (see `vqcheck guest --help`)"),
    (["--live", "--vmcore", "v"], "argument --vmcore: not allowed with argument --live (see `vqcheck guest --help`)"),
])
def test_wrong_words(refused, words, complaint):
    assert refused("guest", *words) == complaint


def failing(monkeypatch, problems):
    """The walk fails so many times before it succeeds."""
    def take(target, device):
        if problems:
            raise problems.pop()
        return guest.SIDES["guest"].take(target, device)
    monkeypatch.setattr(guest, "FACE", guest.FACE._replace(take=take))


def test_an_unknown_disk(vqcheck, opened):
    status, out, err = vqcheck("guest", "--live", "vdz")
    assert (status, out) == (2, "")
    assert err.endswith("vqcheck: this guest has no virtio device 'vdz'; it has: vdb\n")
    assert len(opened) == 1


def test_a_live_kernel_that_moved_is_read_again(vqcheck, opened, monkeypatch):
    failing(monkeypatch, [Corrupt("a list that does not close")] * 2)
    status, out, _ = vqcheck("guest", "--live", "vdb")
    assert status == 0 and "requests in flight" in out


@pytest.mark.parametrize("words", [["--live"], ["--vmcore", "v"]])
def test_what_stays_broken_is_one_line(vqcheck, opened, monkeypatch, words):
    problems = [Corrupt("a list that does not close")] * 9
    failing(monkeypatch, problems)
    status, out, err = vqcheck("guest", *words)
    assert (status, out) == (2, "")
    tries = guest.ATTEMPTS if words == ["--live"] else 1
    assert len(problems) == 9 - tries
    assert "vqcheck: a list that does not close" in err.splitlines()[-1]


def test_a_dump_that_cannot_be_opened(refused, monkeypatch):
    module = types.ModuleType(OPENER)

    def open_dump(*words):
        raise TargetError("no kernel in it\nat all")
    module.open_dump = module.open_live = open_dump
    monkeypatch.setitem(sys.modules, OPENER, module)
    assert refused("guest", "--vmcore", "v") == "no kernel in it\\x0aat all"


def test_without_drgn(refused, monkeypatch):
    monkeypatch.delitem(sys.modules, OPENER, raising=False)
    monkeypatch.setitem(sys.modules, "drgn", None)
    assert refused("guest", "--vmcore", "v") == "drgn is not installed: pip install 'vqcheck[drgn]'"


def test_a_drgn_without_modules_as_objects(refused, monkeypatch):
    monkeypatch.delitem(sys.modules, OPENER, raising=False)
    old = types.ModuleType("drgn")
    old.__version__ = "0.0.30"
    monkeypatch.setitem(sys.modules, "drgn", old)
    assert refused("guest", "--live") == ("drgn does not work here: drgn 0.0.30 is too old, 0.0.31 or newer is needed: "
                                          "pip install --upgrade 'vqcheck[drgn]'")
