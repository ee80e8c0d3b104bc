"""Snapshots as JSON text.

The writer is our own because PyKdump's Python has no json module, and one writer everywhere means one form.
"""
import os
import re
from typing import Any, List, Match

from .kinds import Hex

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_NOT_PLAIN = re.compile(r'[^ !#-\[\]-~]')


def to_plain(value: Any) -> Any:
    """Records as dictionaries, `Hex` as strings; what is None and not said to be absent is left out."""
    fields = getattr(value, "_fields", None)
    if fields is not None:
        absent = getattr(value, "absent", {})
        return {key: to_plain(field) for key, field in zip(fields, value)
                if (field is not None or key in absent) and (key != "absent" or field)}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Hex):
        return f"{int(value):#x}"
    return value


def to_json(value: Any) -> str:
    """A record, or plain data, as indented JSON text in ASCII, ending in a newline."""
    return _text(to_plain(value), "\n") + "\n"


def _text(value: Any, newline: str) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _quoted(value)
    deeper = newline + "  "
    if isinstance(value, dict):
        items = [f"{_quoted(key)}: {_text(item, deeper)}" for key, item in value.items()]
        return _wrapped("{", items, "}", newline)
    return _wrapped("[", [_text(item, deeper) for item in value], "]", newline)


def _wrapped(opening: str, items: List[str], closing: str, newline: str) -> str:
    if not items:
        return opening + closing
    deeper = newline + "  "
    return opening + deeper + ("," + deeper).join(items) + newline + closing


def _quoted(text: str) -> str:
    return '"' + _NOT_PLAIN.sub(_escaped, text) + '"'


def _escaped(match: Match[str]) -> str:
    one = match.group()
    code = ord(one)
    if one in _ESCAPES:
        return _ESCAPES[one]
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


def write_file(path: str, content: bytes) -> None:
    """Write a file whole or not at all: into a neighbour first, then renamed.  Raises OSError.

    What is no regular file (`/dev/null`, a pipe) is written to, never replaced: crash is mostly run by root.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as out:
            out.write(content)
        return
    whole = os.path.realpath(path)
    incoming = f"{whole}.{os.getpid()}.part"
    try:
        with open(incoming, "wb") as out:
            out.write(content)
        os.rename(incoming, whole)
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, path)  # the name that the user gave, not that of the neighbour
    finally:
        if os.path.exists(incoming):
            os.unlink(incoming)
