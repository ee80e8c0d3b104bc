"""The .vqlayout file: where symbols and members of one build lie, for machines that lack its debug information.

Text lines in a gzip stream (see lines.py), one kind each; nothing in it is of Linux alone:

    vqlayout    1
    target      little  8
    about       KEY     VALUE                   kind, build_id, release, machine, producer
    part        NAME    BUILD-ID | -            each further file that the types come from: a kernel module
    symbol      NAME    ADDRESS | -             as linked: what moves with the load address
    fixed       NAME    ADDRESS                 what does not: an offset into each CPU's area, an absolute symbol
    function    NAME    ADDRESS BYTES           what an address on a stack may lie in
    tls         NAME    OFFSET | -              of a thread-local variable from the thread pointer
    size        TYPE    BYTES | -
    member      TYPE    PATH    OFFSET  BYTES   TYPE OF THE MEMBER | -

A dash in place of an address or a size: this build has no such symbol or type.  Of each type all members are there,
those of unnamed structs in it with their whole path; a member that is a struct with a name leads on to that type.
"""
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .. import lines
from ..errors import TargetError
from ..target import Member

MAX_BYTES = 64 << 20
"""What a layout may unpack to; a whole kernel's takes some hundred KiB."""

MAX_TYPE = 1 << 26
"""Bytes of the largest type; those of the largest known (a kernel's struct pglist_data) are less than 2^18."""

LINUX, QEMU = "linux", "qemu"


class BadLayout(TargetError):
    """The file is no layout, or a damaged one."""


class NotInLayout(TargetError):
    """The layout was made without asking for this."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the layout file does not hold {what}: save it again with this vqcheck")


FORMAT = lines.Format("vqlayout", "1", BadLayout)


class Slot(NamedTuple):
    """A member in its type; offset and size in bytes."""

    offset: int
    size: int
    type_name: Optional[str]
    """The member's own type, where that is a struct or union with a name."""


class Function(NamedTuple):
    """A function's code, as linked; in bytes."""

    address: int
    size: int
    name: str


class About(NamedTuple):
    """Which build a layout is of."""

    kind: str
    """`linux` or `qemu`."""
    build_id: Optional[str] = None
    """GNU build id in hex, by which the target is known to be of the same build."""
    release: Optional[str] = None
    """For a kernel what uname -r says."""
    machine: Optional[str] = None
    """Architecture, as uname -m has it."""
    producer: Optional[str] = None
    """Name and version of what saved it."""


class Layout(NamedTuple):
    """Symbols and types of one build."""

    byte_order: str
    pointer_size: int
    about: About
    parts: Dict[str, Optional[str]]
    symbols: Dict[str, Optional[int]]
    fixed: Dict[str, int]
    functions: List[Function]
    """By ascending addresses."""
    tls: Dict[str, Optional[int]]
    sizes: Dict[str, Optional[int]]
    members: Dict[Tuple[str, str], Slot]

    def type_size(self, type_name: str) -> Optional[int]:
        """The size of a type in bytes; None where the build has no such type.  Raises NotInLayout."""
        if type_name not in self.sizes:
            raise NotInLayout(type_name)
        return self.sizes[type_name]

    def member(self, type_name: str, path: str) -> Optional[Member]:
        """Where a member lies, through embedded structs too; None where the type lacks it.  Raises NotInLayout."""
        if self.type_size(type_name) is None:
            return None
        offset, at, rest = 0, type_name, path.split(".")
        while True:
            slot, names = self._longest(at, rest)
            if slot is None:
                return None
            offset, rest = offset + slot.offset, rest[names:]
            if not rest:
                return Member(offset, slot.size)
            if slot.type_name is None:
                return None
            at = slot.type_name

    def _longest(self, type_name: str, names: Sequence[str]) -> Tuple[Optional[Slot], int]:
        """The member of that type with which a path begins, and how many of the path's names it takes."""
        for count in range(len(names), 0, -1):
            slot = self.members.get((type_name, ".".join(names[:count])))
            if slot is not None:
                return slot, count
        return None, 0


def empty(byte_order: str, pointer_size: int, about: About) -> Layout:
    """A layout that holds nothing yet."""
    return Layout(byte_order, pointer_size, about, {}, {}, {}, [], {}, {}, {})


def pack(layout: Layout) -> bytes:
    """The layout as the bytes of a .vqlayout file."""
    return lines.pack(FORMAT, _lines(layout))


def unpack(raw: bytes) -> Layout:
    """The layout in the bytes of a .vqlayout file.  Raises BadLayout."""
    found = lines.unpack(FORMAT, raw, MAX_BYTES)
    try:
        return _checked(_parse(found))
    except lines.DAMAGE as problem:
        raise lines.unreadable_line(FORMAT, problem)


def read_file(path: str) -> Layout:
    """The layout in a file.  Raises BadLayout and OSError."""
    with open(path, "rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise BadLayout(f"{path}: larger than {MAX_BYTES >> 20} MiB, which no layout is")
    try:
        return unpack(raw)
    except BadLayout as problem:
        raise BadLayout(f"{path}: {problem}")


def _lines(layout: Layout) -> Iterator[lines.Line]:
    yield "target", layout.byte_order, layout.pointer_size
    for key, value in zip(layout.about._fields, layout.about):
        if value is not None:
            yield "about", key, value
    for name, build_id in sorted(layout.parts.items()):
        yield "part", name, build_id
    for name, address in sorted(layout.symbols.items()):
        yield "symbol", name, address
    for name, address in sorted(layout.fixed.items()):
        yield "fixed", name, address
    for one in sorted(layout.functions):
        yield "function", one.name, one.address, one.size
    for name, offset in sorted(layout.tls.items()):
        yield "tls", name, offset
    for type_name, size in sorted(layout.sizes.items()):
        yield "size", type_name, size
    for (type_name, path), slot in layout.members.items():
        yield ("member", type_name, path, *slot)


def _parse(found: List[lines.Words]) -> Layout:
    (kind, order, pointer_size), rest = found[0][:3], found[1:]
    if kind != "target" or order not in ("little", "big") or pointer_size not in ("4", "8"):
        raise ValueError("no target line, or one that makes no sense")
    known: Dict[str, Any] = {"kind": ""}
    layout = empty(order, int(pointer_size), About(""))
    for at, words in enumerate(rest, 3):
        if words[0] == "about":
            known[str(words[1])] = words[2]
        elif not _take(layout, words):
            raise ValueError(f"line {at} begins with {words[0]}")
    about = About(**{key: value for key, value in known.items() if key in About._fields})
    return layout._replace(about=about)


def _take(layout: Layout, words: List[Any]) -> bool:
    """Add what a line says; False for a line of an unknown kind."""
    kind, name = words[0], words[1]
    if kind == "symbol":
        layout.symbols[name] = lines.number(words[2])
    elif kind == "fixed":
        layout.fixed[name] = int(words[2])
    elif kind == "function":
        layout.functions.append(Function(int(words[2]), int(words[3]), str(name)))
    elif kind == "tls":
        layout.tls[name] = lines.number(words[2])
    elif kind == "size":
        layout.sizes[name] = lines.number(words[2])
    elif kind == "member":
        layout.members[(name, words[2])] = Slot(int(words[3]), int(words[4]), words[5])
    elif kind == "part":
        layout.parts[name] = words[2]
    else:
        return False
    return True


def _checked(layout: Layout) -> Layout:
    """The layout, whose numbers lead no reader astray.  Raises ValueError."""
    if not layout.about.kind:
        raise ValueError("it does not say what it is of")
    layout.functions.sort()
    for name, address in [*layout.symbols.items(), *layout.fixed.items(),
                          *((one.name, one.address) for one in layout.functions)]:
        if address is not None and not 0 <= address < 1 << 8 * layout.pointer_size:
            raise ValueError(f"the address of {name} is outside the address space")
    for name, size in layout.sizes.items():
        if size is not None and not 0 <= size <= MAX_TYPE:
            raise ValueError(f"{name} has {size} bytes")
    for (type_name, path), slot in layout.members.items():
        size = layout.sizes.get(type_name)
        if size is None or slot.offset < 0 or slot.size < 0 or slot.offset + slot.size > size:
            raise ValueError(f"{type_name}.{path} does not lie in its type")
    return layout
