"""Writing: JSON that everybody reads, and files that are whole or not there."""
import json
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import incident
from vqcheck.snapshot.kinds import Hex, hex_or_none
from vqcheck.snapshot.model import Producer, TargetInfo
from vqcheck.snapshot.write import to_json, to_plain, write_file

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


@given(JSON)
def test_the_writer_agrees_with_the_standard_one(value):
    text = to_json(value)
    assert json.loads(text) == value
    assert text == json.dumps(value, indent=2) + "\n"


def test_a_lone_surrogate_survives():
    assert json.loads(to_json("\ud800")) == "\ud800"


def test_numbers_beyond_javascript_are_hex_strings():
    assert to_plain([Hex(8868790272), hex_or_none(None), hex_or_none(15)]) == ["0x2109f0000", None, "0xf"]
    assert repr(Hex(255)) == "0xff"


def test_absent_fields_are_null_when_a_reason_is_given_and_left_out_otherwise():
    info = TargetInfo("linux", absent={"uuid": "not in the report"})
    assert to_plain(info) == {"kind": "linux", "uuid": None, "absent": {"uuid": "not in the report"}}
    assert to_plain(Producer("vqcheck", "1")) == {"name": "vqcheck", "version": "1"}


def test_the_text_is_ascii_and_the_same_every_time():
    text = to_json(incident()[0])
    assert text.isascii()
    assert text == to_json(incident()[0])
    assert text.endswith("}\n")


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "guest.json"
    path.write_text("old")
    write_file(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["guest.json"]


def test_what_can_not_be_written_leaves_nothing_behind(tmp_path):
    path = tmp_path / "guest.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_file(str(path), "no bytes")
    with pytest.raises(OSError):
        write_file(str(tmp_path / "no" / "folder.json"), b"new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["guest.json"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    write_file(str(tmp_path / "link.json"), b"new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_bytes() == b"new"


def test_a_device_is_written_to_and_never_replaced():
    write_file("/dev/null", b"new")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_file(str(tmp_path), b"new")
