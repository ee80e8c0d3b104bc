"""QEMU's own data structures: linked lists, QOM objects, QAPI enumerations.

Source: QEMU include/qemu/queue.h, qom/object.c (struct TypeImpl), include/qapi/util.h (QEnumLookup).
"""
from typing import Iterator, List, Set

from ..target.errors import Corrupt
from ..target.target import Target
from ..target.view import View

MAX_ENTRIES = 65536
MAX_DEPTH = 32


def chain(target: Target, first: int, type_name: str, following: str) -> Iterator[View]:
    """Views on the entries of a list, by the member that points at the next.  Raises Corrupt on one without end."""
    at = first
    seen: Set[int] = set()
    while at != 0:
        if at in seen or len(seen) >= MAX_ENTRIES:
            raise Corrupt(f"the list of {type_name} at {first:#x} has no end")
        seen.add(at)
        entry = View(target, type_name, at)
        yield entry
        at = entry.pointer(following)


def type_names(target: Target, address: int) -> List[str]:
    """The QOM type of an object and its ancestors, nearest first."""
    its_class = View(target, "struct Object", address).follow("struct ObjectClass", "class")
    kind = its_class.follow("struct TypeImpl", "type")
    names: List[str] = []
    for _ in range(MAX_DEPTH):
        names.append(kind.string("name") or "?")
        if kind.pointer("parent_type") == 0:
            return names
        kind = kind.follow("struct TypeImpl", "parent_type")
    raise Corrupt(f"the ancestors of the object at {address:#x} have no end")


def enum_name(target: Target, enumeration: str, value: int) -> str:
    """The name that QAPI gives to a value, as QMP prints it."""
    lookup = View(target, "struct QEnumLookup", target.address_of(enumeration + "_lookup"))
    if not 0 <= value < lookup.uint("size"):
        return f"{enumeration} {value}"
    return target.read_string(target.read_pointer(lookup.pointer("array") + value * target.pointer_size))


def static_pointer(target: Target, name: str) -> int:
    """The value of a variable that is a pointer."""
    return target.read_pointer(target.address_of(name))


