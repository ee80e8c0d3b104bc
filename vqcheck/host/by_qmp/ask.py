"""Who answers over QMP, and how answers are read.

They come from a program of any version, perhaps a hostile one: every member is checked for its type and its range.
"""
from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol, TypeVar

from ...target.errors import Corrupt, TargetError

MOST_ITEMS = 4096
"""Of a list: more than any QEMU has of anything that is asked for."""

U8, U16, U32, U64 = 0xFF, 0xFFFF, 0xFFFFFFFF, (1 << 64) - 1

COMMAND_NOT_FOUND = "CommandNotFound"
"""The class of QMP's error for a command that this QEMU does not have."""

Found = TypeVar("Found")


class Ask(Protocol):
    """Whoever can put a question to QEMU."""

    def execute(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """What the command returns.  Raises Refused where QEMU answers with an error."""


class Refused(TargetError):
    """QEMU answered with an error."""

    def __init__(self, command: str, kind: str, text: str) -> None:
        super().__init__(f"QEMU refuses {command}: {text}")
        self.kind = kind
        self.text = text


class Answer:
    """A JSON object of QEMU's.  Reading a member that is not there, or not what it should be, raises Corrupt."""

    def __init__(self, what: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise Corrupt(f"QEMU's answer to {what} is not an object")
        self._what = what
        self._members: Dict[str, Any] = value

    def has(self, name: str) -> bool:
        """Whether there is such a member."""
        return self._members.get(name) is not None

    def text(self, name: str) -> str:
        """A string."""
        return self._take(name, "a string", lambda value: value if isinstance(value, str) else None)

    def number(self, name: str, most: int = U64) -> int:
        """An integer from 0 up to `most`."""
        def number(value: Any) -> Optional[int]:
            return value if type(value) is int and 0 <= value <= most else None  # a bool is an int to isinstance
        return self._take(name, f"a number up to {most}", number)

    def flag(self, name: str) -> bool:
        """True or false."""
        return self._take(name, "true or false", lambda value: value if isinstance(value, bool) else None)

    def texts(self, name: str) -> List[str]:
        """A list of strings."""
        def texts(value: Any) -> Optional[List[str]]:
            fits = isinstance(value, list) and len(value) <= MOST_ITEMS and all(isinstance(one, str) for one in value)
            return value if fits else None
        return self._take(name, "a list of strings", texts)

    def record(self, name: str) -> "Answer":
        """An object."""
        value = self._take(name, "an object", lambda value: value if isinstance(value, dict) else None)
        return Answer(f"{self._what} ({name})", value)

    def records(self, name: str) -> "List[Answer]":
        """A list of objects."""
        return records(f"{self._what} ({name})", self._members.get(name))

    def _take(self, name: str, kind: str, convert: Callable[[Any], Optional[Found]]) -> Found:
        found = convert(self._members.get(name))
        if found is None:
            raise Corrupt(f"QEMU's answer to {self._what} should have {kind} as its {name}")
        return found


def ask_record(ask: Ask, command: str, arguments: Optional[Mapping[str, Any]] = None) -> Answer:
    """The object that a command returns.  Raises Refused and Corrupt."""
    return Answer(command, ask.execute(command, arguments or {}))


def ask_records(ask: Ask, command: str, arguments: Optional[Mapping[str, Any]] = None) -> List[Answer]:
    """The list of objects that a command returns.  Raises Refused and Corrupt."""
    return records(command, ask.execute(command, arguments or {}))


def records(what: str, value: Any) -> List[Answer]:
    """A list of objects.  Raises Corrupt."""
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        raise Corrupt(f"QEMU's answer to {what} is not a list, or far too long")
    return [Answer(what, one) for one in value]


class Qom:
    """QEMU's object tree."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get(self, path: str, name: str) -> Any:
        """The value of a property.  Raises Refused where there is none of that name."""
        return self._ask.execute("qom-get", {"path": path, "property": name})

    def text(self, path: str, name: str) -> str:
        """The value of a property that is a string: a name, a link's path, empty for a link that leads nowhere."""
        value = self.get(path, name)
        if not isinstance(value, str):
            raise Corrupt(f"the property {name} of {path} should be a string")
        return value

    def number(self, path: str, name: str) -> int:
        """The value of a property that is a number."""
        value = self.get(path, name)
        if type(value) is not int or not 0 <= value <= U64:
            raise Corrupt(f"the property {name} of {path} should be a number")
        return value

    def flag(self, path: str, name: str) -> bool:
        """The value of a property that is true or false."""
        value = self.get(path, name)
        if not isinstance(value, bool):
            raise Corrupt(f"the property {name} of {path} should be true or false")
        return value

    def kind(self, path: str) -> str:
        """The type of an object."""
        return self.text(path, "type")

    def properties(self, path: str) -> List[Answer]:
        """Names and types of an object's properties; children and links are among them."""
        return ask_records(self._ask, "qom-list", {"path": path})


def human(ask: Ask, line: str) -> str:
    """What the human monitor prints for a line.  Raises Corrupt."""
    text = ask.execute("human-monitor-command", {"command-line": line})
    if not isinstance(text, str):
        raise Corrupt(f"QEMU's answer to the monitor's {line.split(maxsplit=1)[0]} is not text")
    return text
