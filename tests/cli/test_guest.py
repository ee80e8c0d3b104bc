"""`vqcheck guest`, on doubles of what opens dumps and of the walker: no drgn is needed here, as it is an option."""
import sys
import types

import pytest

from tests.builders import fleet, incident
from tests.fake_target import FakeTarget
from vqcheck.cli import guest
from vqcheck.render import guest_text
from vqcheck.snapshot.write import to_json
from vqcheck.target import recording
from vqcheck.target.errors import TargetError

OPENER = "vqcheck.target.by_drgn.kernel"


@pytest.fixture
def opened(monkeypatch):
    """The calls to the opener and the walker; the opener has two notes, the walker sees the incident."""
    calls = []

    def opener(name):
        def open_it(*words):
            calls.append((name, *words))
            target = FakeTarget()
            target.notes = ["a module is missing", "\x1b[2Jan escape"]
            return target
        return open_it

    def take(target, device):
        calls.append(device)
        return (incident() if device else fleet(2, 2))[0]
    module = types.ModuleType(OPENER)
    module.open_dump, module.open_live = opener("dump"), opener("live")
    monkeypatch.setitem(sys.modules, OPENER, module)
    monkeypatch.setattr(guest, "FACE", guest.FACE._replace(take=take))
    return calls


def test_a_dump(vqcheck, opened):
    status, out, err = vqcheck("guest", "--vmcore", "v", "--vmlinux", "x", "--modules", "m", "vdb")
    assert (status, out) == (0, guest_text.show(incident()[0], True))
    assert opened == [("dump", "v", "x", "m"), "vdb"]
    assert err == "vqcheck guest: a module is missing\nvqcheck guest: \\x1b[2Jan escape\n"


def test_all_devices_in_short(vqcheck, opened):
    assert vqcheck("guest", "--vmcore", "v")[:2] == (0, guest_text.show(fleet(2, 2)[0], False))
    assert opened == [("dump", "v", None, None), None]


def test_the_running_kernel(vqcheck, opened):
    assert vqcheck("guest", "--live", "--modules", "m", "vdb", "--json")[:2] == (0, to_json(incident()[0]))
    assert opened == [("live", None, "m"), "vdb"]


def test_files(vqcheck, opened, tmp_path):
    json, vqcap = tmp_path / "guest.json", tmp_path / "guest.vqcap"
    assert vqcheck("guest", "--vmcore", "v", "vdb", "-o", json, "--capture", vqcap)[:2] == (
        0, f"snapshot of 1 device(s), 1 queue(s) written to {json}\n"
           f"recording of 1 device(s), 1 queue(s) written to {vqcap}\n")
    assert json.read_text() == to_json(incident()[0])
    assert recording.load(vqcap.read_bytes())[1] == {"side": "guest", "device": "vdb"}


def test_json_is_all_that_is_printed(vqcheck, opened, tmp_path):
    words = ["--json", "--capture", tmp_path / "guest.vqcap", "-o", tmp_path / "guest.json"]
    assert vqcheck("guest", "--vmcore", "v", "vdb", *words)[1] == to_json(incident()[0])


@pytest.mark.parametrize("words, complaint", [
    ([], "one of the arguments --vmcore --live is required (see `vqcheck guest --help`)"),
    (["--live", "--vmcore", "v"], "argument --vmcore: not allowed with argument --live (see `vqcheck guest --help`)"),
])
def test_wrong_words(refused, words, complaint):
    assert refused("guest", *words) == complaint


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
