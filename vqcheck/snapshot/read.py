"""Snapshots from JSON text that somebody else sent: whatever is wrong with it is one clear line.

Each record's decoder is built once from its annotations.  A decoder raises _Wrong with the place seen from itself; on
the way out every enclosing record puts its own part in front, so that a good document pays nothing for its paths.

What reader and JSON Schema judge differently, on purpose: the reader refuses a number written with a fraction or an
exponent (`1.0`), a member that appears twice, and a hex string with a newline behind it.
"""
import functools
import json
import os
import re
from typing import Any, Callable, Dict, List, Tuple, Type

from .kinds import Hex
from .model import OLDER_VERSIONS, SCHEMA_VERSION, Snapshot
from .shape import HEX_PATTERN, RANGES, Field, element_kind, fields, is_reasons, is_record

SIZE_LIMIT = 1 << 30
"""In bytes; the largest real snapshots, of ten thousand queues, have tens of megabytes."""

Decoder = Callable[[Any], Any]

_HEX = re.compile(HEX_PATTERN[:-1] + r"\Z")
_PLAIN_NAME = re.compile(r"\w+\Z", re.ASCII)


class BadSnapshot(ValueError):
    """The text is no snapshot; the message names the place in the document and what was expected there."""


class _Wrong(Exception):
    """Something is not as it should be at `path`, whose parts are gathered from the inside out."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.path: List[str] = []


class _Ambiguous(Dict[str, Any]):
    """A JSON object in which `member` appears twice."""

    member = ""


def read_file(path: str) -> Snapshot:
    """The snapshot in a file.  Raises BadSnapshot, also for a file that can't be read."""
    try:
        with open(path, "rb") as source:
            size = os.fstat(source.fileno()).st_size
            raw = source.read(SIZE_LIMIT + 1) if size <= SIZE_LIMIT else b""
    except OSError as problem:
        raise BadSnapshot(f"{path}: {problem.strerror or problem}")
    if max(size, len(raw)) > SIZE_LIMIT:
        raise BadSnapshot(f"{path}: larger than {SIZE_LIMIT >> 20} MiB, which no snapshot is")
    try:
        return read(raw)
    except BadSnapshot as problem:
        raise BadSnapshot(f"{path}: {problem}")


def read(raw: bytes) -> Snapshot:
    """The snapshot in JSON text.  Raises BadSnapshot."""
    try:
        document = _parse(raw)
        _check_version(document)
        snapshot: Snapshot = _record_decoder(Snapshot)(document)
        return snapshot
    except _Wrong as wrong:
        raise BadSnapshot(f"{_path_text(wrong.path)}{wrong}")
    except MemoryError:
        raise BadSnapshot("needs more memory than there is")


def _parse(raw: bytes) -> Any:
    if raw[:2] == b"\x1f\x8b":
        raise BadSnapshot("compressed, not JSON; `vqcheck replay` reads a .vqcap recording")
    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as problem:
        raise BadSnapshot(f"not JSON: no UTF-8 text at byte {problem.start}")
    except json.JSONDecodeError as problem:
        raise BadSnapshot(f"not JSON, or cut off: {problem.msg.replace(' starting at', '')} at line {problem.lineno}, "
                          f"column {problem.colno}")
    except RecursionError:
        raise BadSnapshot("nested deeper than any snapshot")
    except BadSnapshot:
        raise
    except ValueError:  # Python refuses to convert so many digits
        raise BadSnapshot("a number in it has thousands of digits")


def _object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    ambiguous = _Ambiguous(members)
    names = [name for name, _ in pairs]
    ambiguous.member = next(name for name in names if names.count(name) > 1)
    return ambiguous


def _no_constant(name: str) -> Any:
    raise BadSnapshot(f"not JSON: {name} stands where a value should")


def _check_version(document: Any) -> None:
    """Before anything else, as a document of another version may differ everywhere."""
    if not isinstance(document, dict):
        raise BadSnapshot(f"not a vqcheck snapshot: expected an object, found {_found(document)}")
    if "schema" not in document:
        raise BadSnapshot("not a vqcheck snapshot: it has no member `schema`")
    version = document["schema"]
    if type(version) is int and version in OLDER_VERSIONS:
        document["schema"] = SCHEMA_VERSION
    elif type(version) is int and version != SCHEMA_VERSION:
        older = ", ".join(map(str, OLDER_VERSIONS))
        raise BadSnapshot(f"schema: version {_found(version)}; this vqcheck reads version {older} and {SCHEMA_VERSION}")


# From annotations to decoders.

@functools.lru_cache(maxsize=None)
def _record_decoder(record: Type[Any]) -> Decoder:
    plan = [(field.name, _field_decoder(field), field.required, field.default) for field in fields(record)]

    def decode(value: Any) -> Any:
        if type(value) is not dict:
            raise _Wrong("an object", _found(value))
        decoded = []
        name = ""
        try:
            for name, decoder, required, default in plan:  # noqa: B007  (told to whoever looks for the place)
                if name in value:
                    decoded.append(decoder(value[name]))
                elif required:
                    raise _Wrong("a value, as it is required", "none")
                else:
                    decoded.append(default)
        except _Wrong as wrong:
            wrong.path.append(name)
            raise
        return record._make(decoded)

    return decode


def _field_decoder(field: Field) -> Decoder:
    decoder = _allowing(field.allowed) if field.allowed else _decoder(field.kind)
    return _or_null(decoder) if field.optional else decoder


def _decoder(kind: Any) -> Decoder:
    if is_record(kind):
        return _record_decoder(kind)
    if element_kind(kind) is not None:
        return _list_decoder(_decoder(element_kind(kind)))
    if is_reasons(kind):
        return _reasons
    return {bool: _boolean, str: _string, Hex: _hex}.get(kind) or _integer_decoder(*RANGES[kind])


def _or_null(decoder: Decoder) -> Decoder:
    def decode(value: Any) -> Any:
        return None if value is None else decoder(value)
    return decode


def _allowing(allowed: Tuple[Any, ...]) -> Decoder:
    expected = " or ".join(map(json.dumps, allowed))

    def decode(value: Any) -> Any:
        if any(type(value) is type(one) and value == one for one in allowed):
            return value
        raise _Wrong(expected, _found(value))
    return decode


def _integer_decoder(low: int, high: int) -> Decoder:
    expected = f"an integer {low}..{high}"

    def decode(value: Any) -> int:
        if type(value) is int and low <= value <= high:  # a bool is an int to isinstance
            return value
        raise _Wrong(expected, _found(value))
    return decode


def _boolean(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise _Wrong("true or false", _found(value))


def _string(value: Any) -> str:
    if type(value) is str:
        return value
    raise _Wrong("a string", _found(value))


def _hex(value: Any) -> Hex:
    if type(value) is str and _HEX.match(value):
        return Hex(int(value, 16))
    raise _Wrong('a hex string like "0x1f" of at most 32 digits', _found(value))


def _list_decoder(decoder: Decoder) -> Decoder:
    def decode(value: Any) -> List[Any]:
        if type(value) is not list:
            raise _Wrong("a list", _found(value))
        decoded: List[Any] = []
        try:
            for item in value:
                decoded.append(decoder(item))
        except _Wrong as wrong:
            wrong.path.append(f"[{len(decoded)}]")
            raise
        return decoded
    return decode


def _reasons(value: Any) -> Dict[str, str]:
    if type(value) is not dict:
        raise _Wrong("an object of reasons", _found(value))
    for name, reason in value.items():
        if type(reason) is not str:
            wrong = _Wrong("a string", _found(reason))
            wrong.path.append(name if _PLAIN_NAME.match(name) else f"[{_shortened(json.dumps(name))}]")
            raise wrong
    return value


# In words.

def _path_text(inside_out: List[str]) -> str:
    path = ""
    for part in reversed(inside_out):
        path += part if part.startswith("[") or not path else "." + part
    return path + ": " if path else ""


def _found(value: Any) -> str:
    """A value in a few words of ASCII, whatever it is."""
    if isinstance(value, _Ambiguous):
        return f"the member {_shortened(json.dumps(value.member))} twice"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if type(value) is int and value.bit_length() > 128:
        return "a far larger number"
    return _shortened(json.dumps(value))


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
