"""C declarations as text, laid out as a compiler would, so that a made-up guest has the offsets of a real one.

    struct vring { u32 num; ptr desc; ptr avail; ptr used; }
    union rings  { split split; packed packed; }

`part` declares a struct that has no name of its own in C.  A member named `_` is unnamed: what it holds counts as the
outer struct's.  `name[4]` is an array, `name[]` one without a length.  Pointers, longs and list_heads are as wide as
the target's.
"""
import re
from typing import Dict, List, NamedTuple, Tuple

from tests.fake_target import FakeTarget
from vqcheck.target.target import Member

DECLARATION = re.compile(r"(struct|union|part)\s+(\w+)\s*\{([^{}]*)\}")
MEMBER = re.compile(r"(\w+)\s+(\w+)(?:\[(\d*)\])?$")

FIXED = {"u8": 1, "bool": 1, "char": 1, "u16": 2, "u32": 4, "u64": 8}


class Kind(NamedTuple):
    """What a member can be."""

    size: int
    align: int
    members: Dict[str, Member]


class Types:
    """The types of one target."""

    def __init__(self, target: FakeTarget) -> None:
        self._target = target
        width = target.pointer_size
        self._kinds = {name: Kind(size, size, {}) for name, size in FIXED.items()}
        self._kinds.update({name: Kind(width, width, {}) for name in ("ptr", "long")})
        self._kinds["list"] = Kind(2 * width, width, {})

    def declare(self, text: str) -> None:
        """All declarations in a text; a later one of the same name takes the place of an earlier one."""
        for keyword, name, body in DECLARATION.findall(text):
            lines = [line.strip() for line in body.split(";") if line.strip()]
            kind = self._kinds[name] = self._lay_out(lines, keyword == "union")
            if keyword == "struct":
                self._target.types[f"struct {name}"] = (kind.size, dict(kind.members))

    def _lay_out(self, lines: List[str], overlaid: bool) -> Kind:
        end, align, members = 0, 1, {}
        for line in lines:
            name, kind, size = self._member(line)
            at = 0 if overlaid else _up(end, kind.align)
            if name != "_":
                members[name] = Member(at, size)
            for path, (offset, width) in kind.members.items():
                members[path if name == "_" else f"{name}.{path}"] = Member(at + offset, width)
            end, align = max(end, at + size), max(align, kind.align)
        return Kind(_up(end, align), align, members)

    def _member(self, line: str) -> Tuple[str, Kind, int]:
        found = MEMBER.match(line)
        assert found, line
        kind = self._kinds[found.group(1)]
        count = 1 if found.group(3) is None else int(found.group(3) or 0)
        return found.group(2), kind, kind.size * count


def _up(offset: int, align: int) -> int:
    return -(-offset // align) * align
