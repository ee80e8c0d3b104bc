"""Why a question to a target has no answer.

Each of these is an ordinary outcome on a partial dump or a stripped binary.  Whoever gathers a record turns it into an
absent value with the error's text as the reason.
"""
from typing import Optional


class TargetError(Exception):
    """Base of everything a target refuses or can't answer; its text is the reason that a user reads."""


class Unreadable(TargetError):
    """The bytes are not there: page not in the dump, not in the core, a bad address."""

    def __init__(self, address: int, size: int, reason: str) -> None:
        super().__init__(f"{size} bytes at {address:#x}: {reason}")
        self.address = address
        self.size = size
        self.reason = reason


class NullPointer(TargetError):
    """A pointer on the way is NULL."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is NULL")


class NoSymbol(TargetError):
    """The symbol is unknown to the debugger."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no symbol {name}")
        self.name = name


class NoType(TargetError):
    """The debugger has no debug information for a type; `why` says how to get it, where that is known."""

    def __init__(self, name: str, why: Optional[str] = None) -> None:
        super().__init__(f"no debug information for {name}" + (f": {why}" if why else ""))
        self.name = name


class NoMember(TargetError):
    """The type is known and has none of the members that were tried."""

    def __init__(self, type_name: str, *paths: str) -> None:
        super().__init__(f"{type_name} has no member {' or '.join(paths)}")


class NotSupported(TargetError):
    """This kind of target can't answer that question at all."""


class NotRecorded(TargetError):
    """A replay was asked what its recording does not hold."""


class Corrupt(TargetError):
    """What was read can't be what it should be: a list without end, a size out of range."""
