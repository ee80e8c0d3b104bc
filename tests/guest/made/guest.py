"""A made-up guest's memory: structs on pages of their own, each with a label that says what it is."""
import copy
from typing import Dict, Optional, Sequence, Union

from tests.fake_target import FakeTarget

from .declare import Types
from .kernels import KERNELS

PAGE = 0x1000
FIRST_FREE = 0x1000000


class Guest(FakeTarget):
    """Types of one kernel release, and an address for whatever is put into memory."""

    def __init__(self, release: str, byte_order: str = "little", pointer_size: int = 8) -> None:
        super().__init__(byte_order, pointer_size)
        self.kernel = KERNELS[release]
        self.labels: Dict[int, str] = {}
        Types(self).declare(self.kernel.text(pointer_size))
        self._next = FIRST_FREE

    def new(self, label: str, raw: bytes, at: Optional[int] = None) -> int:
        """Bytes in memory; returns their address."""
        if at is None:
            at, self._next = self._next, self._next + PAGE * (1 + len(raw) // PAGE)
        self.labels[at] = label
        return self.put(at, raw)

    def struct(self, kind: str, label: str, at: Optional[int] = None, **values: Union[int, bytes, str]) -> int:
        """A struct in memory, zero but for `values`; a dot in a path is written as two underscores."""
        at = self.new(label, bytes(self.type_size(f"struct {kind}") or 0), at)
        self.set(kind, at, **values)
        return at

    def set(self, kind: str, at: int, **values: Union[int, bytes, str]) -> None:
        """Members of a struct; a str is what a `char *` points at."""
        members = self.types[f"struct {kind}"][1]
        for path, value in values.items():
            offset, width = members.get(path) or members[path.replace("__", ".")]
            plain = self.string(value) if isinstance(value, str) else value
            self.poke(at + offset, self.encode(plain, width) if isinstance(plain, int) else plain)

    def poke(self, at: int, raw: bytes) -> None:
        """Other bytes at an address that has some."""
        start = at if at in self.memory else max(start for start in self.memory if start <= at)
        assert at + len(raw) <= start + len(self.memory[start]), hex(at)
        self.memory[start][at - start:at - start + len(raw)] = raw

    def copy(self) -> "Guest":
        """Another guest like this one, to be damaged."""
        other = copy.copy(self)
        other.memory = {at: bytearray(raw) for at, raw in self.memory.items()}
        other.types = {name: (size, dict(members)) for name, (size, members) in self.types.items()}
        other.symbols, other.labels, other.reads = dict(self.symbols), dict(self.labels), []
        return other

    def string(self, text: str) -> int:
        """A text in memory."""
        return self.new(f"the text {text}", text.encode() + bytes(64 - len(text) % 64))

    def pointer(self, value: int) -> bytes:
        """A pointer's bytes."""
        return self.encode(value, self.pointer_size)

    def offset(self, name: str, path: str) -> int:
        """Where a member lies in its struct."""
        return self.types[f"struct {name}"][1][path].offset

    def link(self, head: int, nodes: Sequence[int]) -> None:
        """A list_head and what is on its list."""
        ring = [head, *nodes]
        for at, following, before in zip(ring, [*ring[1:], head], [ring[-1], *ring]):
            self.poke(at, self.pointer(following) + self.pointer(before))
