"""The published schema: it is what the records say, and it and the reader judge alike."""
import hashlib
import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import incident
from tests.snapshot.documents import changed, places, plain, snapshots, without
from vqcheck.snapshot import schema
from vqcheck.snapshot.device_model import DeviceState
from vqcheck.snapshot.model import SCHEMA_VERSION, RingState, Snapshot
from vqcheck.snapshot.read import BadSnapshot, read
from vqcheck.snapshot.shape import descriptions, element_kind, fields, is_record

PUBLISHED = schema.schema()
VALIDATOR = jsonschema.Draft202012Validator(PUBLISHED)

DOCUMENTS = [plain(snapshot) for snapshot in snapshots()]

VALUES = (st.none() | st.booleans() | st.integers(-70000, 70000) | st.integers() | st.text(max_size=5)
          | st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: not value.is_integer())
          | st.from_regex(r"0x[0-9a-fA-F]{0,34}", fullmatch=True)
          | st.sampled_from([[], {}, [1], {"a": 1}, {"a": "b"}]))


def schema_takes(document):
    return VALIDATOR.is_valid(document)


def reader_takes(document):
    try:
        read(json.dumps(document).encode())
        return True
    except BadSnapshot:
        return False


def records(record=Snapshot):
    """Every record that can be inside one, and itself."""
    found = {record}
    for field in fields(record):
        kind = element_kind(field.kind) or field.kind
        if is_record(kind):
            found |= records(kind)
    return found


def test_the_published_file_is_what_the_records_say():
    assert schema.generate() == schema.text(), "run python3 -m vqcheck.snapshot.schema, or make a new version"


def test_it_is_a_schema_of_2020_12():
    jsonschema.Draft202012Validator.check_schema(PUBLISHED)
    assert PUBLISHED["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert PUBLISHED["$id"] == f"urn:vqcheck:snapshot:{SCHEMA_VERSION}"


@pytest.mark.parametrize("version, digest", [
    (1, "9770f02b3a796e58f10c82d459aed9c27869037d5c3efc88dc4987cddc7dc6ec"),
    (2, "9cc8117230223172b2b158ef442b4db9e485f7785ad90490e5aa65a6dff11ef8"),
])
def test_an_older_version_never_changes(version, digest):
    published = schema.PATH.with_name(f"snapshot-{version}.json").read_bytes()
    assert hashlib.sha256(published).hexdigest() == digest


@pytest.mark.parametrize("record", sorted(records(), key=lambda record: record.__name__))
def test_every_field_is_described_and_no_other(record):
    assert sorted(descriptions(record)) == sorted(record._fields)


def test_who_writes_which_event_index_stands_in_the_schema():
    ring = PUBLISHED["$defs"]["RingState"]["properties"]
    assert ring["used_event"]["description"] == descriptions(RingState)["used_event"]
    assert "written by the driver" in ring["used_event"]["description"]
    assert "written by the device" in ring["avail_event"]["description"]


def test_optional_fields_may_be_null():
    state = PUBLISHED["$defs"][DeviceState.__name__]["properties"]
    assert state["used_idx"]["type"] == ["integer", "null"]
    assert PUBLISHED["$defs"]["Queue"]["properties"]["irq"]["anyOf"] == [{"$ref": "#/$defs/Irq"}, {"type": "null"}]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_valid_documents_pass_both(document):
    VALIDATOR.validate(document)
    assert reader_takes(document)


@settings(max_examples=600)
@given(st.data())
def test_one_changed_value_is_judged_alike(data):
    document = data.draw(st.sampled_from(DOCUMENTS))
    mutated = changed(document, data.draw(st.sampled_from(list(places(document)))), data.draw(VALUES))
    assert reader_takes(mutated) == schema_takes(mutated)


@pytest.mark.parametrize("number", range(len(DOCUMENTS)))
def test_every_missing_member_is_judged_alike(number):
    document = DOCUMENTS[number]
    verdicts = {place: (reader_takes(without(document, place)), schema_takes(without(document, place)))
                for place in places(document)}
    assert [place for place, (reader, validator) in verdicts.items() if reader != validator] == []
    assert {reader for reader, _ in verdicts.values()} == {True, False}


@pytest.mark.parametrize("place, value", [
    (("devices", 0, "queues", 0, "size"), 128.0),
    (("devices", 0, "queues", 0, "rings", "desc"), "0x1\n"),
])
def test_where_the_reader_is_stricter_on_purpose(place, value):
    mutated = changed(plain(incident()[0]), place, value)
    assert (schema_takes(mutated), reader_takes(mutated)) == (True, False)
