"""Tables that fit."""
from hypothesis import given
from hypothesis import strategies as st

from vqcheck.render.wide import CELL, fitting, said_once
from vqcheck.render.words import WIDTH

HEADERS = ("name", "a\nb", "c", "d", "e", "f")

CELLS = st.none() | st.integers(-(1 << 200), 1 << 200) | st.text(max_size=2 * CELL) | st.booleans()


def test_a_column_without_a_value_is_left_out_unless_all_are_wanted():
    rows = [("x", None, 1), ("y", None, None)]
    assert fitting(rows, ("n", "a", "b")).splitlines()[0] == "n  b"
    assert fitting(rows, ("n", "a", "b"), every=True).splitlines()[0] == "n  a  b"


def test_no_rows():
    assert fitting([], ("n", "a")) == "n  a\n-  -"


def test_what_does_not_fit_goes_below_with_the_row_s_name():
    rows = [("x", "1" * 40, "2" * 40, "3" * 20), ("y", "4", None, None)]
    first, second = fitting(rows, ("name", "a", "b", "c")).split("\n\n")
    assert first.splitlines()[0].split() == ["name", "a", "b"]
    assert [line.split() for line in first.splitlines()[2:]] == [["x", "1" * 40, "2" * 40], ["y", "4", "-"]]
    assert [line.split() for line in second.splitlines()[2:]] == [["x", "3" * 20]]


def test_a_column_may_just_fit():
    rows = [("x" * 40, "1" * 40, "2" * 14)]
    assert len(fitting(rows, ("n", "a", "b")).splitlines()[0]) <= WIDTH
    assert "\n\n" not in fitting(rows, ("n", "a", "b"))
    assert "\n\n" in fitting([("x" * 40, "1" * 40, "2" * 17)], ("n", "a", "b"))


@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS, CELLS, CELLS), max_size=4), st.booleans())
def test_no_line_is_too_wide_and_nothing_is_a_command(rows, every):
    lines = fitting(rows, HEADERS, every=every).split("\n")
    assert all(len(line) <= WIDTH and line.isprintable() for line in lines)


def test_what_all_rows_share_is_said_once():
    rows = [("x", "block", "idle"), ("y", "block", None)]
    assert said_once(rows, ("n", "kind", "state"), ["kind", "state"]) == (
        [["x", None, "idle"], ["y", None, None]], {"kind": "block"})
    assert said_once([("x", "\x1b", 1)], ("n", "kind", "s"), ["kind"])[1] == {"kind": "\\x1b"}
