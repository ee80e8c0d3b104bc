"""A QEMU made up of answers: what a test says of single commands, the rest from a real conversation."""
import json
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Union

from tests.qmp_transcript import Replay, load
from vqcheck.host.by_qmp.ask import Refused

PATH = "/machine/peripheral/virtio-disk1/virtio-backend"
REAL = "7.2-lost-kick"

Changed = Union[Any, Callable[[Any], Any]]


class Each(NamedTuple):
    """An answer that depends on the arguments."""
    answer: Callable[[Mapping[str, Any]], Any]


class Forgiving(Replay):
    """Refuses what nobody ever asked: to that a changed answer may lead."""

    def execute(self, command: str, arguments: Mapping[str, Any]) -> Any:
        try:
            return super().execute(command, arguments)
        except AssertionError:
            raise Refused(command, "GenericError", "no such thing")


class Made:
    """Answers a real hung disk's, but for what `changes` has: a command's answer, or a function from the real one."""

    def __init__(self, changes: Mapping[str, Changed], name: str = REAL) -> None:
        self._real = Forgiving(load(name))
        self._changes = dict(changes)
        self.asked: List[str] = []

    def execute(self, command: str, arguments: Mapping[str, Any]) -> Any:
        key = arguments.get("command-line") or arguments.get("property") or command
        self.asked.append(key)
        for name in (key, key.split()[0], command):
            if name in self._changes:
                return self._answer(self._changes[name], command, arguments)
        return self._real.execute(command, arguments)

    def _answer(self, change: Changed, command: str, arguments: Mapping[str, Any]) -> Any:
        if isinstance(change, Refused):
            raise change
        if isinstance(change, Each):
            return change.answer(arguments)
        return change(self._copy(command, arguments)) if callable(change) else change

    def _copy(self, command: str, arguments: Mapping[str, Any]) -> Any:
        return json.loads(json.dumps(self._real.execute(command, arguments)))


def with_members(**members: Any) -> Callable[[Any], Any]:
    """A change of an object's members; `_` stands for the dash of QMP's names."""
    def change(real: Any) -> Any:
        found: Dict[str, Any] = {**real, **{name.replace("_", "-"): value for name, value in members.items()}}
        return found
    return change
