"""How the targets find sizes and members; the loader's module is a double here."""
import importlib
import re
import sys
import types

import pytest

from crash_ext.kept import Kept
from vqcheck.target.target import Member

KNOWN = {
    ("outer", None): (64, -1, 0, None, 0),
    ("outer", "inner"): (64, 64, 32, "inner_type", 3),
    ("outer", "unnamed"): (64, 320, 16, None, 3),
    ("outer", "pointer"): (64, 448, 8, None, 1),
    ("outer", "bits"): (64, 452, 4, "unsigned int", 8),
    ("outer", "nothing"): (64, -1, 0, None, 0),
    ("inner_type", "deep"): (32, 128, 4, "u32", 23),
    ("inner_type", "nameless"): (32, 192, 8, None, 3),
    ("outer", "defined"): (64, 384, 8, "defined_t", 23),
    ("defined_t", "x"): (8, 32, 4, "unsigned int", 8),
    ("defined_t", None): (8, -1, 0, None, 0),
    ("inner_type", None): (32, -1, 0, None, 0),
    ("outer", "namesake"): (64, 256, 8, "console", 3),
    ("console", None): (96, -1, 0, None, 0),
    ("console", "x"): (96, 64, 4, "int", 8),
    ("declared", None): (0, -1, 0, None, 0),
}

STRUCTS = {"struct outer": {"unnamed.x": "44 4 ", "namesake.x": "36 4 "}, "struct inner_type": {"nameless.x": "28 4 "}}
"""What gdb's expressions reach."""


class Gdb:
    """Evaluates what the loader asks of it."""

    def __init__(self):
        self.variables = {}

    def __call__(self, command):
        setting = re.fullmatch(r"set (\$\w+) = \((.*) \*\) 0", command)
        if setting:
            self.variables[setting[1]] = STRUCTS[setting[2]]
            return ""
        asked = re.fullmatch(r'printf "%lu %lu ", &(\$\w+)->(\S+), sizeof\(\1->\2\)', command)
        if asked:
            return self.variables[asked[1]].get(asked[2])
        return {'printf "%lu ", sizeof(u64)': "8 "}.get(command)


@pytest.fixture
def loader_types(monkeypatch):
    """crash_ext.loader_types over a double of _vqcrash, which notes what it is asked."""
    asked, evaluate = [], Gdb()

    def datatype(name, member):
        asked.append((name, member))
        return KNOWN.get((name, member))

    def gdb(command):
        asked.append(command)
        return evaluate(command)
    double = types.SimpleNamespace(datatype=datatype, gdb=gdb, modules=lambda: dict(double.loaded), asked=asked,
                                   loaded={"virtio_blk": False})
    monkeypatch.setitem(sys.modules, "_vqcrash", double)
    monkeypatch.delitem(sys.modules, "crash_ext.loader_types", raising=False)
    module = importlib.import_module("crash_ext.loader_types")
    yield module
    del sys.modules["crash_ext.loader_types"]


def test_sizes(loader_types):
    assert loader_types.size("struct outer") == 64
    assert loader_types.size("struct declared") is None
    assert loader_types.size("struct unknown") is None
    assert loader_types.size("u64") == 8
    assert loader_types.size("u63") is None


@pytest.mark.parametrize(("path", "found"), [
    ("inner", Member(8, 32)), ("inner.deep", Member(24, 4)), ("inner.nosuch", None), ("unnamed.x", Member(44, 4)),
    ("inner.nameless.x", Member(36, 4)), ("defined.x", Member(52, 4)),
    ("namesake.x", Member(36, 4)), ("unnamed.nosuch", None),
    ("pointer", Member(56, 8)), ("pointer.x", None), ("bits", None), ("nothing", None),
])
def test_members(loader_types, path, found):
    assert loader_types.member("struct outer", path) == found


def test_no_type_is_asked_for_twice(loader_types):
    double = sys.modules["_vqcrash"]
    for _ in range(2):
        loader_types.refresh()
        loader_types.member("struct outer", "inner.deep")
        loader_types.size("struct unknown")
    assert double.asked == [("outer", "inner"), ("inner_type", None), ("inner_type", "deep"), ("unknown", None)]
    double.loaded["virtio_blk"] = True
    loader_types.refresh()
    loader_types.member("struct outer", "inner.deep")
    loader_types.size("struct unknown")
    assert double.asked[4:] == [("unknown", None)], "what was missing may have come with the module"


def test_kept_asks_again_only_for_what_was_missing_and_only_after_a_change():
    kept, asked = Kept(), []

    def question(word):
        asked.append(word)
        return {"there": 0}.get(word)
    for state in (1, 1, 2):
        kept.refresh(state)
        assert (kept.get(question, "there"), kept.get(question, "missing")) == (0, None)
    assert asked == ["there", "missing", "missing"]
