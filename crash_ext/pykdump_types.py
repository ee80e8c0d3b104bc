"""What gdb inside crash knows of types, through PyKdump.

Asked of the module `crash` itself.  pykdump.API has member_offset() and member_size(), but the latter does not follow
paths, and it takes two unnamed structs at the same offset of a union for one: so lie `split` and `packed` in the
vring_virtqueue of Linux 5.0 to 5.19.
"""
from typing import Any, Dict, Optional

import crash

from vqcheck.target.target import Member

from .kept import Kept

Info = Dict[str, Any]
"""gdb's description of a type, or of a member with its type."""

_kept = Kept()


def refresh(modules: str) -> None:
    """Take notice of modules whose debug information was loaded since; `modules` is what crash says of them."""
    _kept.refresh(modules)


def forget_missing() -> None:
    """Ask again for what was not found."""
    _kept.forget_missing()


def size(type_name: str) -> Optional[int]:
    """The size of a type."""
    info = _kept.get(_typeinfo, type_name)
    return _bytes(info) or None if info else None  # 0: declared and not defined


def member(type_name: str, path: str) -> Optional[Member]:
    """Where a member lies."""
    info: Optional[Info] = _kept.get(_typeinfo, type_name)
    offset, place = 0, f"(*({type_name} *) 0)"
    for name in path.split("."):
        inside = info and _inside(info, place)
        info = inside and _find(inside, name)
        if not info or "bitsize" in info:
            return None
        offset += info["bitoffset"] // 8
        place += "." + name
    return Member(offset, _bytes(info)) if info else None


def _typeinfo(expression: str) -> Optional[Info]:
    """Of a type by its name, or of the type of an expression."""
    try:
        info: Info = crash.gdb_typeinfo(expression)
        return info
    except crash.error:
        return None


def _inside(info: Info, place: str) -> Optional[Info]:
    """The struct that a member is, with its own members; None for what is no struct.  `place` is it as an expression.

    Another struct may have the same name: `struct console` of drivers/char/virtio_console.c is not that of
    include/linux/console.h.  The expression is asked for only then, as gdb takes twice as long over it.
    """
    if "body" in info:
        return info
    if "stars" in info or "dims" in info or not info["basetype"].startswith(("struct ", "union ")):
        return None
    inside: Optional[Info] = _kept.get(_typeinfo, info["basetype"])
    if not inside or inside["typelength"] != info["typelength"]:
        inside = _kept.get(_typeinfo, place)
    return inside if inside and "body" in inside else None


def _find(struct: Info, name: str) -> Optional[Info]:
    """A member by its name, which may lie in unnamed structs; bitoffset counts from the start of `struct`."""
    for one in struct.get("body", ()):
        if one["fname"] == name:
            found: Info = one
            return found
        if not one["fname"] and "body" in one:
            inner = _find(one, name)
            if inner:
                return dict(inner, bitoffset=one["bitoffset"] + inner["bitoffset"])
    return None


def _bytes(info: Info) -> int:
    total: int = info["typelength"]
    for count in info.get("dims", ()):
        total *= max(count, 0)
    return total
