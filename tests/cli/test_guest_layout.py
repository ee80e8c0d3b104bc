"""`vqcheck guest --layout`, on a double of what opens dumps: no drgn is needed here, as it is an option."""
import sys
import types

import pytest

from tests.guest.machine import machine
from tests.layouts import BUILD_ID, SLIDE, STEXT, MemoryOnly, of_answers
from vqcheck.guest.snapshot import take
from vqcheck.render import guest_text
from vqcheck.snapshot.read import read_file
from vqcheck.target.layouts import layout
from vqcheck.target.layouts.layout_target import on_kernel
from vqcheck.target.recording import Recorder

OPENER = "vqcheck.target.by_drgn.by_layout"


@pytest.fixture
def by_layout(monkeypatch, tmp_path):
    """A layout file of what a walk through a made-up guest asks, and an opener that gives the guest's bare memory."""
    recorder = Recorder(machine())
    shown = guest_text.show(take(recorder, "vdb"), True)
    path = tmp_path / "x.vqlayout"
    path.write_bytes(layout.pack(of_answers(recorder.bundle)))
    said = {"BUILD-ID": BUILD_ID, "SYMBOL(_stext)": f"{STEXT + SLIDE:x}"}
    opened = []

    def finish(name, use):
        opened.append(name)
        return types.SimpleNamespace(target=on_kernel(use, MemoryOnly(machine()), said), notes=["cut\x1b off"])
    module = types.ModuleType(OPENER)
    module.open_dump = finish
    module.open_live = lambda use: finish("live", use)
    monkeypatch.setitem(sys.modules, OPENER, module)
    return types.SimpleNamespace(path=path, said=said, shown=shown, opened=opened)


@pytest.mark.parametrize("source, opened", [(["--vmcore", "v"], "v"), (["--live"], "live")])
def test_a_layout_stands_in_for_debug_information(vqcheck, by_layout, source, opened):
    status, out, err = vqcheck("guest", *source, "--layout", by_layout.path, "vdb")
    assert (status, err, by_layout.opened) == (0, "vqcheck guest: cut\\x1b off\n", [opened])
    unknown_without = "  target.build_id: the debugger does not tell it\n"  # a layout that fits tells it
    shown = by_layout.shown.split("in a double", 1)[1].replace(unknown_without, "")
    assert out.split("in a double with a layout file", 1)[1] == shown
    assert "entries in flight" in out and "WARNING:" not in out


def test_a_layout_of_another_build(vqcheck, refused, by_layout, tmp_path):
    by_layout.said["BUILD-ID"] = "f" * 40
    words = ["guest", "--vmcore", "v", "--layout", by_layout.path, "vdb"]
    assert f"build id {'f' * 40}). With --force it is used all the same" in refused(*words)
    status, out, _ = vqcheck(*words, "--force")
    assert status == 0
    assert "WARNING: the layout file is of 6.1.0-test" in out
    vqcheck(*words, "--force", "-o", tmp_path / "guest.json")
    (warning,) = read_file(str(tmp_path / "guest.json")).capture.warnings
    assert "by force" in warning


@pytest.mark.parametrize("words, complaint", [
    (["--force"], "--force is for a --layout of another build"),
    (["--layout", "x", "--vmlinux", "v"], "--layout stands in for debug information: it goes without --vmlinux and"),
    (["--layout", "x", "--modules", "m"], "--layout stands in for debug information: it goes without --vmlinux and"),
    (["--layout", "/no/x.vqlayout"], "/no/x.vqlayout: No such file or directory"),
    (["--layout", __file__], f"{__file__}: not a .vqlayout file, or a damaged one"),
])
def test_a_layout_that_can_not_be_used(refused, by_layout, words, complaint):
    assert refused("guest", "--live", *words).startswith(complaint)
    assert by_layout.opened == []


def test_without_drgn(refused, by_layout, monkeypatch):
    monkeypatch.delitem(sys.modules, OPENER)
    monkeypatch.delitem(sys.modules, "vqcheck.target.by_drgn.kernel", raising=False)
    monkeypatch.delitem(sys.modules, "vqcheck.target.by_drgn.target", raising=False)
    monkeypatch.setitem(sys.modules, "drgn", None)
    complaint = refused("guest", "--live", "--layout", by_layout.path)
    assert complaint == "drgn is not installed: pip install 'vqcheck[drgn]'"
