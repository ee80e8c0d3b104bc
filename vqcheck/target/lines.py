"""Files that are tab-separated lines of text in a gzip stream, so that `zcat` shows them.

A debugger that has no json module can read and write them.  The first line names the format and its version.
"""
import binascii
import codecs
import zlib
from typing import Iterable, List, NamedTuple, Optional, Sequence, Type

from .errors import TargetError

ABSENT = "-"

Line = Sequence[Optional[object]]
Words = List[Optional[str]]

DAMAGE = (ValueError, IndexError, TypeError, binascii.Error)
"""What parsing the words of a damaged line ends in."""


class Format(NamedTuple):
    """A kind of file."""

    name: str
    """The first word of the file, and its suffix."""
    version: str
    error: Type[TargetError]
    """What is raised for a file that is none, or a damaged one."""


def pack(kind: Format, lines: Iterable[Line]) -> bytes:
    """The lines as the bytes of a file."""
    text = "".join("\t".join(map(_word, line)) + "\n" for line in ((kind.name, kind.version), *lines))
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)  # 31: with a gzip header
    return packer.compress(text.encode("ascii")) + packer.flush()


def unpack(kind: Format, raw: bytes, limit: int) -> List[Words]:
    """The words of all lines but the first.

    The file may unpack to at most `limit` bytes.  Raises the format's error.
    """
    first, _, rest = _text(kind, raw, limit).partition("\n")
    if first.split("\t")[0] != kind.name:
        raise kind.error(f"not a .{kind.name} file: its first line is something else")
    if first != f"{kind.name}\t{kind.version}":
        version = first[len(kind.name) + 1:]
        raise kind.error(f"a .{kind.name} file of version {version}; this vqcheck reads version {kind.version}")
    try:
        return [[_value(word) for word in line.split("\t")] for line in rest.splitlines()]
    except DAMAGE as problem:
        raise unreadable_line(kind, problem)


def unreadable_line(kind: Format, problem: Exception) -> TargetError:
    """The format's error for a line whose words make no sense."""
    return kind.error(f"a line of the .{kind.name} file can't be read ({problem})")


def number(word: Optional[str]) -> Optional[int]:
    """A number, or None for what is absent.  Raises ValueError."""
    return None if word is None else int(word)


def _text(kind: Format, raw: bytes, limit: int) -> str:
    if not raw:
        raise kind.error(f"not a .{kind.name} file: it is empty")
    unpacker = zlib.decompressobj(31)
    try:
        text = unpacker.decompress(raw, limit).decode("ascii")
    except (zlib.error, UnicodeDecodeError) as problem:
        raise kind.error(f"not a .{kind.name} file, or a damaged one ({problem})")
    if not unpacker.eof:
        raise kind.error(f"the .{kind.name} file unpacks to more than {limit >> 20} MiB" if unpacker.unconsumed_tail
                         else f"the .{kind.name} file is cut off")
    return text


def _word(value: Optional[object]) -> str:
    """A value as a word of a line; None is a dash, and a real dash is escaped."""
    if value is None:
        return ABSENT
    if isinstance(value, int):
        return f"{value:d}"
    text = codecs.unicode_escape_encode(str(value))[0].decode("ascii")  # PyKdump's Python lacks the codec by name
    return "\\x2d" if text == ABSENT else text


def _value(word: str) -> Optional[str]:
    return None if word == ABSENT else codecs.unicode_escape_decode(word.encode("ascii"))[0]
