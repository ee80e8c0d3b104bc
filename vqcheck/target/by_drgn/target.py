"""A drgn program as a Target: an independent witness for what crash and gdb read.

Needs the drgn package (`pip install vqcheck[drgn]`); nothing else imports this module.
"""
import os
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import drgn

from ..errors import NotSupported, Unreadable
from ..target import Identity, Member, Target, Thread

if not hasattr(drgn, "RelocatableModule"):
    raise ImportError(f"drgn {drgn.__version__} is too old, 0.0.31 or newer is needed", name="vqcheck")

MACHINES: Dict["drgn.Architecture", Tuple[str, str]] = {
    drgn.Architecture.X86_64: ("x86_64", "x86_64"),
    drgn.Architecture.I386: ("i686", "i686"),
    drgn.Architecture.AARCH64: ("aarch64", "aarch64_be"),
    drgn.Architecture.ARM: ("armv7l", "armv7b"),
    drgn.Architecture.PPC64: ("ppc64le", "ppc64"),
    drgn.Architecture.RISCV64: ("riscv64", "riscv64"),
    drgn.Architecture.RISCV32: ("riscv32", "riscv32"),
    drgn.Architecture.S390X: ("s390x", "s390x"),
}
"""Architectures as uname -m has them, little-endian and big-endian."""

STRUCTS = (drgn.TypeKind.STRUCT, drgn.TypeKind.UNION, drgn.TypeKind.CLASS)


def machine_name(platform: "Optional[drgn.Platform]") -> Optional[str]:
    """An architecture as uname -m has it; None for one that is not known here."""
    if platform is None or platform.arch not in MACHINES:
        return None
    return MACHINES[platform.arch][not platform.flags & drgn.PlatformFlags.IS_LITTLE_ENDIAN]


class Caught(NamedTuple):
    """How and when a guest's memory was caught that lies in another process's; as in Identity."""

    method: str
    source: Optional[str]
    time: Optional[float]
    time_source: Optional[str]
    runs: Optional[bool]


class DrgnTarget(Target):
    """Answers from a drgn.Program that has its memory and its debug information."""

    def __init__(self, program: "drgn.Program", source: Optional[str] = None, build_id: Optional[str] = None,
                 caught: Optional[Caught] = None) -> None:
        self.program = program
        self._caught = caught
        self.notes: List[str] = []
        """What is missing, for the user to know; a line each."""
        self._source = source
        self._build_id = build_id
        platform = program.platform
        if platform is not None:
            self.byte_order = "little" if platform.flags & drgn.PlatformFlags.IS_LITTLE_ENDIAN else "big"
            self.pointer_size = 8 if platform.flags & drgn.PlatformFlags.IS_64_BIT else 4

    def symbol(self, name: str) -> Optional[int]:
        try:
            return int(self.program.symbol(name).address)
        except LookupError:
            return None

    def symbol_name(self, address: int) -> Optional[str]:
        try:
            symbol = self.program.symbol(address)
        except LookupError:
            return None
        return str(symbol.name) if symbol.address == address else None

    def type_size(self, type_name: str) -> Optional[int]:
        try:
            return int(drgn.sizeof(self.program.type(type_name)))
        except (LookupError, SyntaxError, TypeError):  # the last of an incomplete type
            return None

    def member(self, type_name: str, path: str) -> Optional[Member]:
        try:
            offset, at = 0, self.program.type(type_name)
            for name in path.split("."):
                while at.kind == drgn.TypeKind.TYPEDEF:
                    at = at.type
                if at.kind not in STRUCTS:  # a pointer or an array: what lies behind it has no place in this type
                    return None
                found = at.member(name)
                if found.bit_field_size is not None:
                    return None
                offset, at = offset + found.offset, found.type
        except (LookupError, SyntaxError):
            return None
        try:
            return Member(offset, drgn.sizeof(at))
        except TypeError:  # an array without a length has no size
            return Member(offset, 0)

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        try:
            return bytes(self.program.read(address, size, physical))
        except (drgn.FaultError, ValueError, OverflowError) as problem:
            raise Unreadable(address, size, str(problem))

    def threads(self) -> Sequence[Thread]:
        raise NotSupported("the stacks of a guest's CPUs are not in its memory")

    def identity(self) -> Identity:
        if self._caught is not None:
            return self._identity(self._caught)
        kernel = bool(self.program.flags & drgn.ProgramFlags.IS_LINUX_KERNEL)
        live = bool(self.program.flags & drgn.ProgramFlags.IS_LIVE)
        method = "live" if live else "dump" if kernel else "core"
        source = os.path.basename(self._source) if self._source else None
        return self._identity(Caught(method, source, None, None, live or None))

    def _identity(self, caught: Caught) -> Identity:
        return Identity(
            debugger=f"drgn {drgn.__version__}",
            method=caught.method,
            source=caught.source,
            build_id=self._build_id,
            machine=machine_name(self.program.platform),
            time=caught.time,
            time_source=caught.time_source,
            runs=caught.runs,
        )
