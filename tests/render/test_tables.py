"""Tables: aligned, safe, and the same with tabulate and without."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcheck.render import tables
from vqcheck.render.tables import table

EXPECTED = """\
name          head  age
               tag
------------  ----  -----
vdb              7  1.5 s
virtio-disk1   128  -"""

ROWS = [("vdb", 7, "1.5 s"), ("virtio-disk1", 128, None)]
HEADERS = ("name", "head\ntag", "age")

CELL = st.none() | st.integers() | st.booleans() | st.text(max_size=12)


@pytest.fixture(params=["tabulate", "plain"])
def way(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(tables, "_tabulate", None)
    else:
        assert tables._tabulate is not None, "the package tabulate belongs to the tests: pip install vqcheck[test]"
    return request.param


@pytest.mark.usefixtures("way")
def test_columns():
    assert table(ROWS, HEADERS) == EXPECTED


@pytest.mark.usefixtures("way")
def test_no_rows():
    assert table([], ("disk", "queue")) == "disk  queue\n----  -----"


@pytest.mark.usefixtures("way")
def test_zero_is_shown_and_unknown_is_a_dash():
    assert table([(0, None, "", False)], "abcd").splitlines()[-1].split() == ["0", "-", "-", "False"]


@pytest.mark.usefixtures("way")
def test_a_hostile_name_breaks_nothing():
    lines = table([("\x1b[2J\n\r\t\u202e\x00", 1), ("vdb", 22)], ("disk", "n")).splitlines()
    assert lines[2:] == ["\\x1b[2J\\x0a\\x0d\\x09\\u202e\\x00   1", "vdb                            22"]


@pytest.mark.usefixtures("way")
def test_text_that_looks_like_a_number_stays_as_it_is():
    assert table([("0x10",), ("1e5",), ("007",)], ("x",)).splitlines()[2:] == ["0x10", "1e5", "007"]


@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=5))
def test_both_ways_draw_the_same(rows):
    with_tabulate = table(rows, ("a", "b\nc", "d"))
    known, tables._tabulate = tables._tabulate, None
    try:
        assert table(rows, ("a", "b\nc", "d")) == with_tabulate
    finally:
        tables._tabulate = known


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_one_line_a_row_whatever_is_in_it(rows):
    drawn = table(rows, ("a", "b"))
    assert len(drawn.split("\n")) == len(rows) + 2
    assert drawn.replace("\n", "").isprintable()
