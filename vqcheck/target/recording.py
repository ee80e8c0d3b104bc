"""Recording a run against a debugger, and running the same walker again from the recording."""
import bisect
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

from . import vqcap
from .errors import NotRecorded, NotSupported, TargetError, Unreadable
from .target import Identity, Member, Target, Thread
from .through import Through

Answer = TypeVar("Answer")


class Recorder(Through):
    """Passes every question on to another target, and keeps the answers.

    It is also a cache: the same question is asked of the debugger once, which is right because a target stands still
    while it is read.
    """

    def __init__(self, target: Target, asked: Optional[Dict[str, str]] = None) -> None:
        super().__init__(target)
        self.bundle = vqcap.empty(target.byte_order, target.pointer_size, target.identity())
        self.bundle.asked.update(asked or {})
        self.reads = 0
        """How often memory of the debugger's target was read."""

    def forget_memory(self) -> None:
        """Have everything but symbols and types asked anew: the target did not stand still."""
        for answers in (self.bundle.memory, self.bundle.unreadable, self.bundle.eventfds, self.bundle.refused,
                        self.bundle.stacks):
            answers.clear()
        self.bundle.threads.clear()

    def symbol(self, name: str) -> Optional[int]:
        if name not in self.bundle.symbols:
            self.bundle.symbols[name] = self.target.symbol(name)
        return self.bundle.symbols[name]

    def symbol_name(self, address: int) -> Optional[str]:
        if address not in self.bundle.names:
            self.bundle.names[address] = self.target.symbol_name(address)
        return self.bundle.names[address]

    def unwind(self, registers: Mapping[str, int]) -> Sequence[str]:
        key = stack_key(registers)
        if key not in self.bundle.stacks:
            self.bundle.stacks[key] = tuple(self._asked(f"stack {key}", self.target.unwind, registers))
        return self.bundle.stacks[key]

    def tls_offset(self, name: str) -> Optional[int]:
        if name not in self.bundle.tls:
            self.bundle.tls[name] = self._asked(f"tls {name}", self.target.tls_offset, name)
        return self.bundle.tls[name]

    def _asked(self, question: str, ask: Callable[..., Answer], *words: object) -> Answer:
        """The answer to a question that not every debugger takes; a refusal is kept too."""
        try:
            return ask(*words)
        except TargetError as problem:
            self.bundle.refused[question] = str(problem)
            raise

    def type_size(self, type_name: str) -> Optional[int]:
        if type_name not in self.bundle.sizes:
            self.bundle.sizes[type_name] = self.target.type_size(type_name)
        return self.bundle.sizes[type_name]

    def member(self, type_name: str, path: str) -> Optional[Member]:
        key = (type_name, path)
        if key not in self.bundle.members:
            self.bundle.members[key] = self.target.member(type_name, path)
        return self.bundle.members[key]

    def why_no_type(self, type_name: str) -> Optional[str]:
        reason = self.target.why_no_type(type_name)
        if reason is not None:
            self.bundle.refused[f"type {type_name}"] = reason
        return reason

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        known = self.bundle.memory.get((physical, address), b"")
        if len(known) >= size:
            return known[:size]
        reason = self.bundle.unreadable.get((physical, address, size))
        if reason is not None:
            raise Unreadable(address, size, reason)
        self.reads += 1
        try:
            raw = self.target.read(address, size, physical)
        except Unreadable as problem:
            self.bundle.unreadable[(physical, address, size)] = problem.reason
            raise
        self.bundle.memory[(physical, address)] = raw
        return raw

    def threads(self) -> Sequence[Thread]:
        if not self.bundle.threads:
            self.bundle.threads.extend(self._asked("threads", self.target.threads))
        return self.bundle.threads

    def eventfd_count(self, fd: int) -> Optional[int]:
        if fd not in self.bundle.eventfds:
            self.bundle.eventfds[fd] = self._asked(f"eventfd {fd}", self.target.eventfd_count, fd)
        return self.bundle.eventfds[fd]

    def auxv(self) -> Dict[int, int]:
        if not self.bundle.auxv:
            self.bundle.auxv.update(self._asked("auxv", self.target.auxv))
        return self.bundle.auxv

    def identity(self) -> Identity:
        return self.bundle.identity


def stack_key(registers: Mapping[str, int]) -> str:
    """What a stack is known by in a recording: its registers in words."""
    return " ".join(f"{name}={value:#x}" for name, value in sorted(registers.items()))


class Replay(Target):
    """Answers from a recording.  What it does not hold raises NotRecorded, never a guess."""

    def __init__(self, bundle: vqcap.Bundle) -> None:
        self.bundle = bundle
        self.byte_order = bundle.byte_order
        self.pointer_size = bundle.pointer_size
        self._starts: Dict[bool, List[int]] = {
            physical: sorted(start for space, start in bundle.memory if space == physical)
            for physical in (False, True)}
        self._longest = max(map(len, bundle.memory.values()), default=0)

    def symbol(self, name: str) -> Optional[int]:
        if name not in self.bundle.symbols:
            raise NotRecorded(f"the recording does not hold the symbol {name}")
        return self.bundle.symbols[name]

    def symbol_name(self, address: int) -> Optional[str]:
        if address not in self.bundle.names:
            raise NotRecorded(f"the recording does not hold the name of {address:#x}")
        return self.bundle.names[address]

    def unwind(self, registers: Mapping[str, int]) -> Sequence[str]:
        key = stack_key(registers)
        self._refuse(f"stack {key}")
        if key not in self.bundle.stacks:
            raise NotRecorded("the recording does not hold this stack")
        return self.bundle.stacks[key]

    def tls_offset(self, name: str) -> Optional[int]:
        self._refuse(f"tls {name}")
        if name not in self.bundle.tls:
            raise NotRecorded(f"the recording does not hold the thread-local variable {name}")
        return self.bundle.tls[name]

    def type_size(self, type_name: str) -> Optional[int]:
        if type_name not in self.bundle.sizes:
            raise NotRecorded(f"the recording does not hold the size of {type_name}")
        return self.bundle.sizes[type_name]

    def member(self, type_name: str, path: str) -> Optional[Member]:
        if (type_name, path) not in self.bundle.members:
            raise NotRecorded(f"the recording does not hold {type_name}.{path}")
        return self.bundle.members[(type_name, path)]

    def why_no_type(self, type_name: str) -> Optional[str]:
        return self.bundle.refused.get(f"type {type_name}")

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        found = self._recorded(address, size, physical)
        if found is not None:
            return found
        for (space, start, length), reason in self.bundle.unreadable.items():
            if space == physical and start <= address and address + size <= start + length:
                raise Unreadable(address, size, reason)
        raise Unreadable(address, size, "not in the recording")

    def _recorded(self, address: int, size: int, physical: bool) -> Optional[bytes]:
        starts = self._starts[physical]
        at = bisect.bisect_right(starts, address) - 1
        while at >= 0 and starts[at] + self._longest >= address + size:
            raw = self.bundle.memory[(physical, starts[at])]
            if address + size <= starts[at] + len(raw):
                return raw[address - starts[at]:address - starts[at] + size]
            at -= 1
        return None

    def threads(self) -> Sequence[Thread]:
        self._refuse("threads")
        return self.bundle.threads

    def eventfd_count(self, fd: int) -> Optional[int]:
        self._refuse(f"eventfd {fd}")
        if fd not in self.bundle.eventfds:
            raise NotRecorded(f"the recording does not hold the eventfd {fd}")
        return self.bundle.eventfds[fd]

    def auxv(self) -> Dict[int, int]:
        self._refuse("auxv")
        if not self.bundle.auxv:
            raise NotRecorded("the recording does not hold the auxiliary vector")
        return self.bundle.auxv

    def _refuse(self, question: str) -> None:
        if question in self.bundle.refused:
            raise NotSupported(self.bundle.refused[question])

    def identity(self) -> Identity:
        return self.bundle.identity


def load(raw: bytes) -> Tuple[Replay, Dict[str, str]]:
    """A replay target, and what its walker was asked for.  Raises BadBundle."""
    bundle = vqcap.unpack(raw)
    return Replay(bundle), bundle.asked
