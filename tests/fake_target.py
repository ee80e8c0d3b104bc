"""A made-up target for tests: types by declaration, memory by hand.  A double, never a captured machine."""
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

from vqcheck.target.errors import Unreadable
from vqcheck.target.target import Identity, Member, Target, Thread

Fields = Sequence[Tuple[str, int]]
Values = Dict[str, Union[int, bytes]]


class FakeTarget(Target):
    """Declare types, put structs somewhere, ask."""

    def __init__(self, byte_order: str = "little", pointer_size: int = 8) -> None:
        self.byte_order = byte_order
        self.pointer_size = pointer_size
        self.symbols: Dict[str, int] = {}
        self.types: Dict[str, Tuple[int, Dict[str, Member]]] = {}
        self.memory: Dict[int, bytearray] = {}
        self.stacks: Optional[List[Thread]] = None
        self.unwound: Optional[Dict[int, Tuple[str, ...]]] = None
        """Functions of other stacks, by the program counter at their top."""
        self.thread_locals: Optional[Dict[str, int]] = None
        self.vector: Optional[Dict[int, int]] = None
        self.reads: List[Tuple[int, int]] = []

    # What tests say.

    def declare(self, name: str, fields: Fields) -> int:
        """A type whose members follow each other in the order given; returns its size."""
        at, members = 0, {}
        for path, size in fields:
            members[path] = Member(at, size)
            at += size
        self.types[name] = (at, members)
        return at

    def put(self, address: int, raw: bytes) -> int:
        """Bytes at an address; returns the address."""
        self.memory[address] = bytearray(raw)
        return address

    def put_struct(self, name: str, address: int, values: Values) -> int:
        """A struct at an address, zero but for `values`; returns the address."""
        size, members = self.types[name]
        raw = bytearray(size)
        for path, value in values.items():
            offset, width = members[path]
            whole = value if isinstance(value, bytes) else self.encode(value, width)
            raw[offset:offset + width] = whole.ljust(width, b"\0")
        return self.put(address, bytes(raw))

    def change(self, name: str, address: int, **values: int) -> None:
        """Other values for members of a struct that was put; a dot in a path is written as two underscores."""
        for path, value in values.items():
            offset, width = self.types[name][1][path.replace("__", ".")]
            self.memory[address][offset:offset + width] = self.encode(value, width)

    def encode(self, value: int, width: int) -> bytes:
        """An integer in the target's byte order."""
        return value.to_bytes(width, self.byte_order, signed=value < 0)

    def forget(self, address: int) -> None:
        """Take what was put at an address out of the dump."""
        del self.memory[address]

    # What walkers ask.

    def symbol(self, name: str) -> Optional[int]:
        return self.symbols.get(name)

    def symbol_name(self, address: int) -> Optional[str]:
        return next((name for name, at in self.symbols.items() if at == address), None)

    def type_size(self, type_name: str) -> Optional[int]:
        return self.types[type_name][0] if type_name in self.types else None

    def member(self, type_name: str, path: str) -> Optional[Member]:
        return self.types[type_name][1].get(path) if type_name in self.types else None

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        self.reads.append((address, size))
        for start, raw in self.memory.items():
            if start <= address and address + size <= start + len(raw):
                return bytes(raw[address - start:address - start + size])
        raise Unreadable(address, size, "page not in the dump")

    def threads(self) -> Sequence[Thread]:
        return super().threads() if self.stacks is None else self.stacks

    def unwind(self, registers: Mapping[str, int]) -> Sequence[str]:
        return super().unwind(registers) if self.unwound is None else self.unwound[registers["rip"]]

    def tls_offset(self, name: str) -> Optional[int]:
        return super().tls_offset(name) if self.thread_locals is None else self.thread_locals.get(name)

    def auxv(self) -> Dict[int, int]:
        return super().auxv() if self.vector is None else self.vector

    def identity(self) -> Identity:
        return Identity("a double", "dump", "made-up")
