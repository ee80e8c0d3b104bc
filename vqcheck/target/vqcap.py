"""The .vqcap bundle: every answer that a debugger gave, in a small file.

A gzip stream of text lines, tab-separated, so that `zcat` shows it.  A debugger that has no json module can write it:

    vqcap       1
    target      little  8
    identity    KEY     VALUE
    ask         NAME    VALUE           what the walker was asked for
    symbol      NAME    ADDRESS | -
    name        ADDRESS NAME | -
    size        TYPE    BYTES | -
    member      TYPE    PATH    OFFSET  BYTES | -
    memory      virtual | physical      ADDRESS HEX
    unreadable  virtual | physical      ADDRESS SIZE    REASON
    thread      ID      NAME | -        REASON | -      FUNCTION ...
    stack       REGISTERS       FUNCTION ...
    tls         NAME    OFFSET | -      of a thread-local variable from the thread pointer
    eventfd     FD      COUNT | -
    auxv        TYPE    VALUE
    refused     QUESTION        REASON
"""
import binascii
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from . import lines
from .errors import TargetError
from .lines import number
from .target import Identity, Member, Thread

MAX_BYTES = 256 << 20
"""What a bundle may unpack to; a larger one is refused, as it comes from somebody else."""

Span = Tuple[bool, int]
"""(physical?, address)"""


class BadBundle(TargetError):
    """The file is no bundle, or a damaged one."""


FORMAT = lines.Format("vqcap", "1", BadBundle)


class Bundle(NamedTuple):
    """All answers of one run."""

    byte_order: str
    pointer_size: int
    identity: Identity
    asked: Dict[str, str]
    symbols: Dict[str, Optional[int]]
    names: Dict[int, Optional[str]]
    sizes: Dict[str, Optional[int]]
    members: Dict[Tuple[str, str], Optional[Member]]
    memory: Dict[Span, bytes]
    unreadable: Dict[Tuple[bool, int, int], str]
    threads: List[Thread]
    eventfds: Dict[int, Optional[int]]
    refused: Dict[str, str]
    stacks: Dict[str, Tuple[str, ...]]
    """By recording.stack_key()."""
    tls: Dict[str, Optional[int]]
    auxv: Dict[int, int]


def empty(byte_order: str, pointer_size: int, identity: Identity) -> Bundle:
    """A bundle that holds no answers yet."""
    return Bundle(byte_order, pointer_size, identity, {}, {}, {}, {}, {}, {}, {}, [], {}, {}, {}, {}, {})


def pack(bundle: Bundle) -> bytes:
    """The bundle as the bytes of a .vqcap file."""
    return lines.pack(FORMAT, _lines(bundle))


def unpack(raw: bytes) -> Bundle:
    """The bundle in the bytes of a .vqcap file.  Raises BadBundle."""
    found = lines.unpack(FORMAT, raw, MAX_BYTES)
    try:
        return _parse(found)
    except lines.DAMAGE as problem:
        raise lines.unreadable_line(FORMAT, problem)


def _lines(bundle: Bundle) -> Iterator[lines.Line]:
    yield "target", bundle.byte_order, bundle.pointer_size
    for key, value in zip(bundle.identity._fields, bundle.identity):
        if value is not None:
            yield "identity", key, value
    for key, answer in bundle.asked.items():
        yield "ask", key, answer
    for name, address in bundle.symbols.items():
        yield "symbol", name, address
    for address, name_there in bundle.names.items():
        yield "name", address, name_there
    for type_name, size in bundle.sizes.items():
        yield "size", type_name, size
    for (type_name, path), member in bundle.members.items():
        yield ("member", type_name, path, *(member or (None,)))
    for name, offset in bundle.tls.items():
        yield "tls", name, offset
    yield from _state(bundle)


def _state(bundle: Bundle) -> Iterator[lines.Line]:
    """What is true of one moment only."""
    for (physical, start), raw in bundle.memory.items():
        yield "memory", "physical" if physical else "virtual", start, binascii.hexlify(raw).decode("ascii")
    for (physical, start, length), reason in bundle.unreadable.items():
        yield "unreadable", "physical" if physical else "virtual", start, length, reason
    for thread in bundle.threads:
        yield ("thread", thread.id, thread.name, thread.reason, *(thread.functions or ()))
    for registers, functions in bundle.stacks.items():
        yield ("stack", registers, *functions)
    for fd, count in bundle.eventfds.items():
        yield "eventfd", fd, count
    for key_number, value in bundle.auxv.items():
        yield "auxv", key_number, value
    for question, reason in bundle.refused.items():
        yield "refused", question, reason


def _flag(word: str) -> bool:
    return word == "1"


def _parse(found: Sequence[lines.Words]) -> Bundle:
    if not found or found[0][0] != "target":
        raise ValueError("no target line")
    known: Dict[str, Any] = {"debugger": "unknown", "method": "unknown"}
    bundle = empty(str(found[0][1]), int(str(found[0][2])), Identity("", ""))
    for at, (kind, *words) in enumerate(found[1:], 3):
        if kind == "identity":
            known[str(words[0])] = words[1]
        else:
            try:
                _PARSERS[str(kind)](bundle, words)
            except KeyError:
                raise ValueError(f"line {at} begins with {kind}")
    known = {key: value for key, value in known.items() if key in Identity._fields}
    for key, kind_of in (("pid", int), ("time", float), ("monotonic_ns", int),
                         ("runs", _flag)):
        if known.get(key) is not None:
            known[key] = kind_of(known[key])
    return bundle._replace(identity=Identity(**known))


Words = List[Any]


def _parse_member(bundle: Bundle, words: Words) -> None:
    found = Member(int(words[2]), int(words[3])) if words[2] is not None else None
    bundle.members[(words[0], words[1])] = found


def _parse_memory(bundle: Bundle, words: Words) -> None:
    bundle.memory[(words[0] == "physical", int(words[1]))] = binascii.unhexlify(words[2] or "")


def _parse_unreadable(bundle: Bundle, words: Words) -> None:
    bundle.unreadable[(words[0] == "physical", int(words[1]), int(words[2]))] = words[3]


def _parse_thread(bundle: Bundle, words: Words) -> None:
    functions = None if words[2] is not None else tuple(words[3:])
    bundle.threads.append(Thread(int(words[0]), words[1], functions, words[2]))


_PARSERS: Dict[str, Callable[[Bundle, Words], None]] = {
    "ask": lambda bundle, words: bundle.asked.__setitem__(words[0], words[1]),
    "symbol": lambda bundle, words: bundle.symbols.__setitem__(words[0], number(words[1])),
    "name": lambda bundle, words: bundle.names.__setitem__(int(words[0]), words[1]),
    "size": lambda bundle, words: bundle.sizes.__setitem__(words[0], number(words[1])),
    "member": _parse_member,
    "memory": _parse_memory,
    "unreadable": _parse_unreadable,
    "thread": _parse_thread,
    "stack": lambda bundle, words: bundle.stacks.__setitem__(words[0], tuple(words[1:])),
    "tls": lambda bundle, words: bundle.tls.__setitem__(words[0], number(words[1])),
    "eventfd": lambda bundle, words: bundle.eventfds.__setitem__(int(words[0]), number(words[1])),
    "auxv": lambda bundle, words: bundle.auxv.__setitem__(int(words[0]), int(words[1])),
    "refused": lambda bundle, words: bundle.refused.__setitem__(words[0], words[1]),
}
