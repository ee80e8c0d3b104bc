"""The questions that a walker asks a debugger.

gdb, crash with PyKdump, crash with our own loader, and a replay file differ only in how they answer these.  A walker
never touches a debugger's own values.
"""
import struct
from functools import partial
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .errors import Corrupt, NoMember, NoSymbol, NotSupported, NoType

INTEGERS: Dict[int, str] = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""Bytes of an unsigned integer to its code in the module struct."""


class Member(NamedTuple):
    """Where a member lies in its type; both in bytes."""

    offset: int
    size: int


class Thread(NamedTuple):
    """A thread and the functions that it stands in, innermost first."""

    id: int
    """The kernel's thread id."""
    name: Optional[str]
    functions: Optional[Tuple[str, ...]]
    """None when its stack can't be unwound; then `reason` says why."""
    reason: Optional[str] = None


class Identity(NamedTuple):
    """What is being read, and how."""

    debugger: str
    """Name and version of the debugger, as in `gdb 13.1`."""
    method: str
    """`live`, `core` (of a process) or `dump` (of a machine's memory)."""
    source: Optional[str] = None
    """Base name of the file that is being read, if there is one."""
    pid: Optional[int] = None
    build_id: Optional[str] = None
    machine: Optional[str] = None
    """Architecture, as uname -m has it."""
    time: Optional[float] = None
    """Seconds since the epoch at which the state was caught, as far as the debugger knows."""
    time_source: Optional[str] = None
    warning: Optional[str] = None
    """Why what is read may be wrong: a layout of another build was used."""
    runs: Optional[bool] = None
    """Whether it goes on running while it is read."""
    monotonic_ns: Optional[int] = None
    """CLOCK_MONOTONIC of the machine at that time, in nanoseconds, where a live process of it is read."""


class Target:
    """A debugger on one target.

    A subclass answers with None where a symbol, type or member does not exist, and raises TargetError (most often
    Unreadable) where it can't tell.  It never writes to the target and never lets it run.
    """

    byte_order: str = "little"
    pointer_size: int = 8

    def symbol(self, name: str) -> Optional[int]:
        """The address of a symbol."""
        raise NotImplementedError

    def symbol_name(self, address: int) -> Optional[str]:
        """The name of the symbol that starts exactly at an address."""
        raise NotImplementedError

    def type_size(self, type_name: str) -> Optional[int]:
        """The size of a type in bytes; C's spelling, `struct request` or a typedef's name."""
        raise NotImplementedError

    def member(self, type_name: str, path: str) -> Optional[Member]:
        """Where a member lies; the path may lead through embedded structs (`split.vring.num`), never pointers."""
        raise NotImplementedError

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        """Exactly `size` bytes at a virtual (or physical) address.  Raises Unreadable."""
        raise NotImplementedError

    def threads(self) -> Sequence[Thread]:
        """All threads of the target with their stacks."""
        raise NotSupported("this debugger does not list threads")

    def unwind(self, registers: Mapping[str, int]) -> Sequence[str]:
        """The functions of a stack that no thread stands in, innermost first, as that of a coroutine that waits.

        registers: those that a function must preserve, the stack pointer and the program counter, by gdb's names.
        """
        raise NotSupported("this debugger does not unwind other stacks than those of threads")

    def tls_offset(self, name: str) -> Optional[int]:
        """How many bytes a thread-local variable lies above its thread's thread pointer; None if there is none."""
        raise NotSupported("this debugger does not say where thread-local variables lie")

    def eventfd_count(self, fd: int) -> Optional[int]:
        """The counter of an eventfd of a live process, read without touching the process; None if it is no eventfd."""
        raise NotSupported("an eventfd's counter is known for a live process only")

    def auxv(self) -> Dict[int, int]:
        """The auxiliary vector of a process, AT_... to value (getauxval(3); Linux include/uapi/linux/auxvec.h)."""
        raise NotSupported("this debugger does not show the auxiliary vector")

    def identity(self) -> Identity:
        """What is being read, and how."""
        raise NotImplementedError

    def why_no_type(self, type_name: str) -> Optional[str]:
        """Why there is no debug information for a type and what would bring it; None if nothing is known of that."""
        return None

    # What follows is the same for every target.

    def address_of(self, name: str) -> int:
        """The address of a symbol.  Raises NoSymbol."""
        address = self.symbol(name)
        if address is None:
            raise NoSymbol(name)
        return address

    def size_of(self, type_name: str) -> int:
        """The size of a type.  Raises NoType."""
        size = self.type_size(type_name)
        if size is None:
            raise NoType(type_name, self.why_no_type(type_name))
        return size

    def member_of(self, type_name: str, *paths: str) -> Member:
        """The first of several members that exists: a field that was renamed is one more name tried."""
        for path in paths:
            found = self.member(type_name, path)
            if found is not None:
                return found
        self.size_of(type_name)
        raise NoMember(type_name, *paths)

    def places(self, type_name: str) -> "Places":
        """Where the members of a type lie; the same object at every call.  Raises NoType."""
        known: Dict[str, Places] = self.__dict__.setdefault("_places", {})
        if type_name not in known:
            known[type_name] = Places(self, type_name)
        return known[type_name]

    def read_uint(self, address: int, size: int) -> int:
        """An unsigned integer in the target's byte order."""
        return self.decode_uint(self.read(address, size))

    def decode_uint(self, raw: bytes) -> int:
        """An unsigned integer from bytes in the target's byte order."""
        return int.from_bytes(raw, "big" if self.byte_order == "big" else "little")

    def decode_pointers(self, raw: bytes, stride: int = 0, offset: int = 0) -> List[int]:
        """The pointers in an array of pointers, or at `offset` in each struct of an array with that `stride`."""
        return self.decode_uints(raw, stride or self.pointer_size, Member(offset, self.pointer_size))

    def decode_uints(self, raw: bytes, stride: int, member: Member) -> List[int]:
        """A member of each struct of an array, as unsigned integers; an incomplete struct at the end is ignored.

        stride: bytes from one struct to the next.  Raises Corrupt when the member is no integer inside the struct.
        """
        behind = stride - member.offset - member.size
        code = INTEGERS.get(member.size)
        if code is None or member.offset < 0 or behind < 0:
            raise Corrupt(f"{member.size} bytes at {member.offset} are no integer in a struct of {stride} bytes")
        order = ">" if self.byte_order == "big" else "<"
        each = struct.Struct(f"{order}{member.offset}x{code}{behind}x")
        return [value for (value,) in each.iter_unpack(raw[:len(raw) - len(raw) % stride])]

    def read_pointer(self, address: int) -> int:
        """A pointer of the target."""
        return self.read_uint(address, self.pointer_size)

    def read_string(self, address: int, limit: int = 256) -> str:
        """A NUL-terminated string of at most `limit` bytes; bytes that are no UTF-8 come back escaped."""
        raw = b""
        while len(raw) < limit:
            # Up to the end of a block at a time: the string may be the last thing before a page that is not there.
            step = min(limit - len(raw), 64 - (address + len(raw)) % 64)
            raw += self.read(address + len(raw), step)
            if b"\0" in raw:
                break
        return decode_text(raw)


class Places(Dict[Tuple[str, ...], Member]):
    """Where members of one type lie, by the names to try for each: each is asked for once."""

    def __init__(self, target: Target, type_name: str) -> None:
        super().__init__()
        self.size = target.size_of(type_name)
        self.integer: Callable[..., int] = partial(int.from_bytes, byteorder="big" if target.byte_order == "big" else
                                                   "little")
        self._target = target
        self._type_name = type_name

    def __missing__(self, paths: Tuple[str, ...]) -> Member:
        found = self[paths] = self._target.member_of(self._type_name, *paths)
        return found


def decode_text(raw: bytes) -> str:
    """The text before the first NUL; bytes that are no UTF-8 come back escaped."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
