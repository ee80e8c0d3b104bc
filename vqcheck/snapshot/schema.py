"""The published JSON Schema of a snapshot, generated from the records and their docstrings.

One immutable file a version: what changes the meaning or the form of a member needs a new version and a new file.
Run as `python3 -m vqcheck.snapshot.schema` it writes the file; a test holds file and records together.
"""
import json
import pathlib
from typing import Any, Dict, Type

from .kinds import Hex
from .model import SCHEMA_VERSION, Snapshot
from .shape import HEX_PATTERN, RANGES, Field, element_kind, fields, is_reasons, is_record, summary
from .write import to_json, write_file

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PATH = pathlib.Path(__file__).parent / "schema" / f"snapshot-{SCHEMA_VERSION}.json"

Json = Dict[str, Any]


def text() -> str:
    """The schema as it is published."""
    return PATH.read_text(encoding="ascii")


def schema() -> Json:
    """The schema as it is published, for a validator."""
    parsed: Json = json.loads(text())
    return parsed


def generate() -> str:
    """The schema as the records have it now, as JSON text."""
    return document(Snapshot, f"urn:vqcheck:snapshot:{SCHEMA_VERSION}", "vqcheck snapshot")


def document(record: Type[Any], identity: str, title: str) -> str:
    """The schema of a record and all that is in it, as JSON text."""
    definitions: Json = {}
    _define(record, definitions)
    return to_json({
        "$schema": DIALECT,
        "$id": identity,
        "title": title,
        **definitions.pop(record.__name__),
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    })


def _define(record: Type[Any], definitions: Json) -> None:
    """Put a record and those inside it under their names; unknown members are allowed, as readers ignore them."""
    definitions[record.__name__] = {}
    members = fields(record)
    definitions[record.__name__] = {
        "description": summary(record),
        "type": "object",
        "required": [field.name for field in members if field.required and not field.optional],
        "properties": {field.name: _property(field, definitions) for field in members},
    }


def _property(field: Field, definitions: Json) -> Json:
    described: Json = {"description": field.text}
    if len(field.allowed) == 1:
        return {**described, "const": field.allowed[0]}
    if field.allowed:
        return {**described, "enum": list(field.allowed)}
    of_kind = _schema(field.kind, definitions)
    if not field.optional:
        return {**described, **of_kind}
    if "type" in of_kind:
        return {**described, **of_kind, "type": [of_kind["type"], "null"]}
    return {**described, "anyOf": [of_kind, {"type": "null"}]}


def _schema(kind: Any, definitions: Json) -> Json:
    if is_record(kind):
        if kind.__name__ not in definitions:
            _define(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if element_kind(kind) is not None:
        return {"type": "array", "items": _schema(element_kind(kind), definitions)}
    if is_reasons(kind):
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if kind in RANGES:
        low, high = RANGES[kind]
        return {"type": "integer", "minimum": low, "maximum": high}
    simple: Dict[Any, Json] = {
        bool: {"type": "boolean"}, str: {"type": "string"}, Hex: {"type": "string", "pattern": HEX_PATTERN}}
    return simple[kind]


def main() -> None:
    """Write the file."""
    PATH.parent.mkdir(exist_ok=True)
    write_file(str(PATH), generate().encode("ascii"))


if __name__ == "__main__":
    main()
