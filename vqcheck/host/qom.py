"""QEMU's object tree, by way of glib's hash tables, for which there is hardly ever debug information.

Source: QEMU qom/object.c (struct Object, struct ObjectProperty); glib/ghash.c (struct _GHashTable).
"""
import struct
from typing import Dict, Iterator, NamedTuple

from ..target.errors import Corrupt, NotSupported, NullPointer
from ..target.target import Member, Target
from ..target.view import View

MAX_DEPTH = 64
MAX_PROPERTIES = 1 << 16

FIRST_REAL_HASH = 2
"""0 marks a slot that was never used, 1 one that was emptied."""

TABLE_BYTES = 56


class _Shape(NamedTuple):
    """Where a hash table of 64-bit glib has what matters."""

    size: str
    """How many slots, as struct has it: it comes first."""
    mask: int
    used: int
    keys: int
    hashes: int
    values: int


SHAPES = (
    _Shape("<Q", 12, 16, 32, 40, 48),  # newer ones, seen with glib 2.74
    _Shape("<I", 8, 12, 24, 32, 40),
)


class _Table(NamedTuple):
    slots: int
    keys: int
    hashes: int
    values: int


def root_of(target: Target, address: int) -> View:
    """The root of the tree that an object hangs in."""
    at = View(target, "struct Object", address)
    for _ in range(MAX_DEPTH):
        if at.pointer("parent") == 0:
            return at
        at = at.follow("struct Object", "parent")
    raise Corrupt(f"the parents of the object at {address:#x} have no end")


def child(parent: View, name: str) -> View:
    """A child of an object by its name.  Raises NotSupported where it has none of that name."""
    for one in children(parent):
        if one.name == name:
            return one.object
    raise NotSupported(f"QEMU's object tree has no {name} there")


class Child(NamedTuple):
    """An object in another one."""

    name: str
    type: str
    object: View


def children(parent: View) -> Iterator[Child]:
    """The objects in an object."""
    target = parent.target
    for entry in _values(target, parent.pointer("properties")):
        held = View(target, "struct ObjectProperty", entry)
        kind = held.string("type") or ""
        if kind.startswith("child<"):
            yield Child(held.string("name") or "?", kind[len("child<"):-1], held.follow("struct Object", "opaque"))


def _values(target: Target, address: int) -> Iterator[int]:
    """The values of a hash table whose values are pointers."""
    if address == 0:
        raise NullPointer("the table of an object's properties")
    table = _table(target, address)
    hashes = target.decode_uints(target.read(table.hashes, 4 * table.slots), 4, Member(0, 4))
    values = target.decode_pointers(target.read(table.values, target.pointer_size * table.slots))
    for marker, value in zip(hashes, values):
        if marker >= FIRST_REAL_HASH and value:
            yield value


def _table(target: Target, address: int) -> _Table:
    if target.pointer_size != 8 or target.byte_order != "little":
        raise NotSupported("glib's hash tables are understood on 64-bit little-endian hosts only")
    raw = target.read(address, TABLE_BYTES)
    for shape in SHAPES:
        (slots,) = struct.unpack_from(shape.size, raw, 0)
        mask, used = (struct.unpack_from("<I", raw, at)[0] for at in (shape.mask, shape.used))
        if 0 < slots <= MAX_PROPERTIES and slots & slots - 1 == 0 and mask == slots - 1 and used <= slots:
            return _Table(slots, *(struct.unpack_from("<Q", raw, at)[0]
                                   for at in (shape.keys, shape.hashes, shape.values)))
    raise Corrupt(f"what should be a table of properties at {address:#x} is none that is known")


def iothreads(target: Target, anywhere: int) -> Dict[str, View]:
    """The iothreads of the process (struct IOThread) by their ids; `anywhere` is the address of any of its objects."""
    objects = child(root_of(target, anywhere), "objects")
    return {one.name: View(target, "struct IOThread", one.object.address)
            for one in children(objects) if one.type == "iothread"}
