"""A target that passes questions on to another one, for those that answer some of them in their own way."""
from typing import Dict, Mapping, Optional, Sequence

from .target import Identity, Member, Target, Thread


class Through(Target):
    """Every answer is another target's."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.byte_order = target.byte_order
        self.pointer_size = target.pointer_size

    def symbol(self, name: str) -> Optional[int]:
        return self.target.symbol(name)

    def symbol_name(self, address: int) -> Optional[str]:
        return self.target.symbol_name(address)

    def type_size(self, type_name: str) -> Optional[int]:
        return self.target.type_size(type_name)

    def member(self, type_name: str, path: str) -> Optional[Member]:
        return self.target.member(type_name, path)

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        return self.target.read(address, size, physical)

    def threads(self) -> Sequence[Thread]:
        return self.target.threads()

    def unwind(self, registers: Mapping[str, int]) -> Sequence[str]:
        return self.target.unwind(registers)

    def tls_offset(self, name: str) -> Optional[int]:
        return self.target.tls_offset(name)

    def eventfd_count(self, fd: int) -> Optional[int]:
        return self.target.eventfd_count(fd)

    def auxv(self) -> Dict[int, int]:
        return self.target.auxv()

    def identity(self) -> Identity:
        return self.target.identity()

    def why_no_type(self, type_name: str) -> Optional[str]:
        return self.target.why_no_type(type_name)
