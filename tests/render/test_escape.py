"""Nothing from a snapshot reaches the terminal as a command."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcheck.render.escape import escape, shortened


@pytest.mark.parametrize("hostile, shown", [
    ("\x1b]0;title\x07", "\\x1b]0;title\\x07"), ("a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"), ("\x9b31m", "\\x9b31m"),
    ("disk\u202egnp.exe", "disk\\u202egnp.exe"), ("\u2066x\u2069", "\\u2066x\\u2069"),
    ("\u200b\ufeff", "\\u200b\\ufeff"),
    ("\ud800", "\\ud800"), ("\U000e0041", "\\U000e0041"), ("\u2028", "\\u2028"), ("\x7f", "\\x7f")])
def test_what_is_not_visible_is_spelled_out(hostile, shown):
    assert escape(hostile) == shown


@pytest.mark.parametrize("harmless", ["", "vdb", "/dev/dm-65", "a b", "Festplatte für Ümläute", "磁盘", "\\x1b"])
def test_honest_names_stay(harmless):
    assert escape(harmless) == harmless


@given(st.text())
def test_the_result_is_visible_and_stable(text):
    assert escape(text).isprintable()
    assert escape(escape(text)) == escape(text)


@given(st.text(max_size=500), st.integers(20, 100))
def test_a_long_text_keeps_its_ends(text, limit):
    cut = shortened(text, limit)
    assert len(cut) <= limit
    assert cut == escape(text) or (" ... " in cut and escape(text).startswith(cut.split(" ... ")[0]))
