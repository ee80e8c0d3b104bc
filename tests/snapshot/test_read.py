"""Reading what somebody else sent: round trips, and one clear line for everything that can be wrong."""
import json
import pathlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import fleet, incident
from tests.snapshot.documents import changed, places, plain, snapshots, without
from vqcheck.snapshot import read as reading
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.model import SCHEMA_VERSION
from vqcheck.snapshot.read import BadSnapshot, read, read_file
from vqcheck.snapshot.write import to_json

QUEUE = ("devices", 0, "queues", 0)
AVAIL_IDX = (*QUEUE, "ring", "avail_idx")
NO_INDEX = "devices[0].queues[0].ring.avail_idx: expected an integer 0..65535, found "


def encoded(document):
    return json.dumps(document).encode()


def complaint(raw):
    """The one line that a bad document gets."""
    with pytest.raises(BadSnapshot) as caught:
        read(raw)
    text = str(caught.value)
    assert text.isascii()
    assert "\n" not in text
    assert len(text) < 300
    return text


@pytest.mark.parametrize("snapshot", snapshots())
def test_what_is_written_reads_back(snapshot):
    assert read(to_json(snapshot).encode()) == snapshot


def test_hex_strings_become_numbers_again():
    found = read(to_json(incident()[0]).encode()).devices[0].queues[0].rings.desc
    assert (type(found), found) == (Hex, 0x2109F0000)


def test_unknown_members_are_ignored_everywhere():
    document = plain(incident()[1])
    for place in [*places(document), ("here",)]:
        if isinstance(place[-1], str) and "absent" not in place:
            document = changed(document, (*place[:-1], "from_the_future"), [{"x": None}])
    assert read(encoded(document)) == incident()[1]


def test_a_byte_order_mark_is_ignored():
    assert read(b"\xef\xbb\xbf" + to_json(incident()[0]).encode()) == incident()[0]


@pytest.mark.parametrize("place, value, expected", [
    (AVAIL_IDX, "abc", NO_INDEX + '"abc"'),
    (AVAIL_IDX, 65536, NO_INDEX + "65536"),
    (AVAIL_IDX, -1, NO_INDEX + "-1"),
    (AVAIL_IDX, True, NO_INDEX + "true"),
    (AVAIL_IDX, None, NO_INDEX + "null"),
    (AVAIL_IDX, 1.5, NO_INDEX + "1.5"),
    ((*QUEUE, "driver", "broken"), 1, "devices[0].queues[0].driver.broken: expected true or false, found 1"),
    ((*QUEUE, "driver", "callback"), [], "devices[0].queues[0].driver.callback: expected a string, found a list"),
    ((*QUEUE, "used", 2, "id"), {},
     "devices[0].queues[0].used[2].id: expected an integer 0..4294967295, found an object"),
    ((*QUEUE, "in_flight"), {}, "devices[0].queues[0].in_flight: expected a list, found an object"),
    ((*QUEUE, "rings", "desc"), 8868790272,
     'devices[0].queues[0].rings.desc: expected a hex string like "0x1f" of at most 32 digits, found 8868790272'),
    (("devices", 0, "queues"), None, "devices[0].queues: expected a list, found null"),
    (("devices", 0), 7, "devices[0]: expected an object, found 7"),
    (("side",), "middle", 'side: expected "guest" or "host", found "middle"'),
    (("schema",), 4, "schema: version 4; this vqcheck reads version 1, 2 and 3"),
    (("schema",), "1", 'schema: expected 3, found "1"'),
    (("schema",), 10**50, "schema: version a far larger number; this vqcheck reads version 1, 2 and 3"),
    (("target", "absent"), ["pid"], "target.absent: expected an object of reasons, found a list"),
    (("target", "absent", "pid"), 3, "target.absent.pid: expected a string, found 3"),
    (("target", "absent", "\x1b[2J"), 3, 'target.absent["\\u001b[2J"]: expected a string, found 3'),
    (("producer", "name"), None, "producer.name: expected a string, found null"),
])
def test_the_place_and_what_was_expected(place, value, expected):
    assert complaint(encoded(changed(plain(incident()[0]), place, value))) == expected


@pytest.mark.parametrize("text", [
    "0x", "1f", "0X1F", "0x1F", "0x1g", "0x" + "1" * 33, "", " 0x1", "0x1 ", "0x1\n", "-0x1"])
def test_strings_that_are_no_hex(text):
    document = changed(plain(incident()[0]), (*QUEUE, "rings", "used"), text)
    assert complaint(encoded(document)).startswith("devices[0].queues[0].rings.used: expected a hex string")


def test_the_largest_mask():
    document = changed(plain(incident()[0]), ("devices", 0, "features", "negotiated"), "0x" + "f" * 32)
    assert read(encoded(document)).devices[0].features.negotiated == 2**128 - 1


@pytest.mark.parametrize("place", [
    ("side",), ("producer",), ("devices",), ("devices", 0, "name"), (*QUEUE, "ring", "used_event")])
def test_required_members(place):
    expected = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    assert complaint(encoded(without(plain(incident()[0]), place))) == (
        f"{expected}: expected a value, as it is required, found none")


@pytest.mark.parametrize("raw, expected", [
    (b"", "not JSON, or cut off: Expecting value at line 1, column 1"),
    (b"\xff\xfe", "not JSON: no UTF-8 text at byte 0"),
    (b"{}", "not a vqcheck snapshot: it has no member `schema`"),
    (b"[]", "not a vqcheck snapshot: expected an object, found a list"),
    (b"null", "not a vqcheck snapshot: expected an object, found null"),
    (b'"\x1b"', "not JSON, or cut off: Invalid control character at at line 1, column 2"),
    (b'{"schema": NaN}', "not JSON: NaN stands where a value should"),
    (b'{"schema": -Infinity}', "not JSON: -Infinity stands where a value should"),
    (b'{"schema": 1, "side": "guest", "side": "host"}', 'expected an object, found the member "side" twice'),
    (b'{"schema": ' + b"9" * 5000 + b"}", "a number in it has thousands of digits"),
    (b"\x1f\x8b\x08rubbish", "compressed, not JSON; `vqcheck replay` reads a .vqcap recording"),
])
def test_what_is_no_snapshot_at_all(raw, expected):
    assert complaint(raw) == expected


def test_a_member_that_appears_twice_is_found_at_its_place():
    text = to_json(incident()[0]).replace('"avail_idx": 43936', '"avail_idx": 43936, "avail_idx": 1')
    assert complaint(text.encode()) == (
        'devices[0].queues[0].ring: expected an object, found the member "avail_idx" twice')


@pytest.mark.parametrize("nesting", [b"[", b'{"a":', b'{"schema":1,"x":' + b"["])
def test_nesting_without_end(nesting):
    started = time.process_time()
    assert complaint(nesting * (100_000_000 // len(nesting))) == "nested deeper than any snapshot"
    assert time.process_time() - started < 10


def test_a_file_that_is_cut_off_anywhere():
    raw = to_json(incident()[0]).strip().encode()
    for length in range(0, len(raw), 7):
        assert "not JSON, or cut off" in complaint(raw[:length])


def test_a_long_string_is_not_repeated_in_full():
    text = complaint(encoded(changed(plain(incident()[0]), (*QUEUE, "size"), "x" * 10_000)))
    assert text.startswith('devices[0].queues[0].size: expected an integer 0..65535, found "xxx')


@given(st.binary(max_size=60))
def test_no_bytes_make_a_traceback(raw):
    complaint(raw)


@given(st.data())
def test_one_changed_value_is_read_or_refused_with_its_place(data):
    document = plain(incident()[data.draw(st.integers(0, 1))])
    place = data.draw(st.sampled_from(list(places(document))))
    value = data.draw(st.none() | st.booleans() | st.integers() | st.text() | st.just([]) | st.just({}))
    try:
        assert read(encoded(changed(document, place, value))).schema == SCHEMA_VERSION
    except BadSnapshot as problem:
        assert str(problem).startswith(str(place[0]))


def test_a_snapshot_of_version_1_is_read_as_one_of_today():
    old = (pathlib.Path(__file__).parent / "version-1.json").read_bytes()
    assert json.loads(old)["schema"] == 1
    snapshot = read(old)
    assert snapshot.schema == SCHEMA_VERSION
    queue = snapshot.devices[0].queues[0]
    assert (queue.driver.last_used_idx, queue.ring.used_idx, queue.in_flight[0].head) == (2291, 2295, 0)
    assert queue.in_flight[0].token is None  # what that version did not have


def test_files(tmp_path):
    path = tmp_path / "guest.json"
    path.write_text(to_json(incident()[0]))
    assert read_file(str(path)) == incident()[0]


def test_files_that_can_not_be_read(tmp_path, monkeypatch):
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    for path, expected in [(bad, "not a vqcheck snapshot: it has no member `schema`"), (tmp_path, "Is a directory"),
                           (tmp_path / "none.json", "No such file or directory")]:
        with pytest.raises(BadSnapshot) as caught:
            read_file(str(path))
        assert str(caught.value) == f"{path}: {expected}"
    monkeypatch.setattr(reading, "SIZE_LIMIT", 1)
    with pytest.raises(BadSnapshot, match="larger than"):
        read_file(str(bad))


def test_a_file_without_end_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(reading, "SIZE_LIMIT", 1000)
    with pytest.raises(BadSnapshot, match="/dev/zero: larger than"):
        read_file("/dev/zero")


def test_ten_thousand_queues_are_read_in_seconds():
    raw = to_json(fleet(100, 100)[1]).encode()
    started = time.process_time()
    found = read(raw)
    assert time.process_time() - started < 10  # about one on an idle machine; slow machines have their time
    assert sum(len(device.queues) for device in found.devices) == 10_000
