"""The guard between the walker and QEMU: what is not allowed is not sent."""
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from .allowed import (
    ARGUMENTS,
    BLOCK_COMMANDS,
    BY_QEMU,
    BY_QEMU_OR_VHOST,
    BY_VHOST,
    CHILD,
    COMMANDS,
    LINES,
    NEVER_VHOST,
    PROPERTIES,
    QEMUS_CRYPTO,
    TAP,
)
from .ask import Ask, Qom, human

NETWORK = re.compile(r"(?: \\ )?(.+): index=([0-9]{1,4}),type=([a-z0-9-]+),")
"""A line of `info network` (QEMU net/net.c, print_net_client())."""

UNKNOWN = "unknown"
"""The type of a backend that is not listed, or under several types."""


class Backend(NamedTuple):
    """What is behind a device that vhost may serve."""

    kind: str
    """A NetClientDriver, or the QOM type of a crypto backend."""
    name: str
    pairs: List[int]
    """Numbers of the pairs of queues that a network backend has."""


class Forbidden(Exception):
    """A question that must not be put: a fault of whoever asks it, never of QEMU's."""


class Careful:
    """Puts questions that change nothing, and keeps in mind what decides whether the next one is such."""

    def __init__(self, ask: Ask, block: bool = False) -> None:
        """`block`: the user wants BLOCK_COMMANDS too."""
        self._ask = ask
        self.block = block
        self._kinds: Dict[str, str] = {}
        self._without_vhost: Dict[str, bool] = {}
        """Path to whether its status had no trace of vhost."""
        self._never_vhost: Set[str] = set()
        self._ram: List[Tuple[int, int]] = []

    def execute(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """What the command returns.  Raises Forbidden, Refused."""
        problem = self._problem(command, arguments)
        if problem:
            raise Forbidden(f"{command} {dict(arguments)}: {problem}")
        answer = self._ask.execute(command, arguments)
        self._learn(command, arguments, answer)
        return answer

    def _problem(self, command: str, arguments: Mapping[str, Any]) -> Optional[str]:
        if command not in COMMANDS and not (self.block and command in BLOCK_COMMANDS):
            return "not on the list of what may be asked"
        if set(arguments) != ARGUMENTS.get(command, frozenset()):
            return "with other arguments than it may have"
        if command == "qom-get" and not _may_be_got(arguments["property"]):
            return "not a property that may be asked for"
        if command == "human-monitor-command":
            return self._problem_of_line(arguments["command-line"])
        if command.startswith("x-query-virtio-"):
            return self._problem_of_device(command, arguments["path"])
        return None

    def _problem_of_device(self, command: str, path: str) -> Optional[str]:
        kind = self._kinds.get(path, "thing of an unknown type")
        if command == "x-query-virtio-queue-status":
            if not self._without_vhost.get(path):
                return "vhost serves it, or whether it does was not asked"
            return None if kind in BY_QEMU or path in self._never_vhost else "vhost might come to serve it"
        kinds = BY_QEMU if command == "x-query-virtio-status" else BY_VHOST
        return None if kind in kinds | BY_QEMU_OR_VHOST else f"it is a {kind}"

    def _problem_of_line(self, line: str) -> Optional[str]:
        words = line.split()
        pattern = LINES.get(words[0]) if words else None
        if pattern is None or not pattern.fullmatch(line):
            return "not a line that may be asked"
        if words[0] == "xp":
            start, size = int(words[2], 16), int(words[1][1:-2])
            if not any(low <= start and start + size <= low + most for low, most in self._ram):
                return "not known to be RAM"
        return None

    def _learn(self, command: str, arguments: Mapping[str, Any], answer: Any) -> None:
        if command == "qom-get" and arguments["property"] == "type" and isinstance(answer, str):
            self._kinds[arguments["path"]] = answer
        if command == "x-query-virtio-status" and isinstance(answer, dict):
            features = answer.get("backend-features")
            traces = isinstance(features, dict) and any(features.values())
            self._without_vhost[arguments["path"]] = answer.get("vhost-started") is False and not traces

    def is_ram(self, address: int, size: int) -> None:
        """Note that this is RAM: gpa2hva has said so of its first byte and its last."""
        self._ram.append((address, size))

    def network_backend(self, path: str) -> Optional[Backend]:
        """What is behind a network card whose status was asked; None for nothing."""
        name = Qom(self).text(path, "netdev")
        matches = [match for match in map(NETWORK.match, human(self, "info network").splitlines()) if match]
        kinds = {match.group(3) for match in matches if match.group(1) == name}
        kind = kinds.pop() if len(kinds) == 1 else UNKNOWN
        if not name or kind in NEVER_VHOST or (kind == TAP and self._without_vhost.get(path)):
            self._never_vhost.add(path)
        pairs = {int(match.group(2)) for match in matches if match.group(1) == name}
        return Backend(kind, name, sorted(pairs)) if name else None

    def crypto_backend(self, path: str) -> Backend:
        """What is behind a crypto device."""
        backend = Qom(self).text(path, "cryptodev")
        kind = Qom(self).kind(backend) if backend else "nothing"
        if kind in QEMUS_CRYPTO:
            self._never_vhost.add(path)
        return Backend(kind, backend, [])

    def queues_may_be_asked(self, path: str) -> bool:
        """Whether x-query-virtio-queue-status may be put for a device."""
        return self._problem_of_device("x-query-virtio-queue-status", path) is None


def _may_be_got(name: str) -> bool:
    return name in PROPERTIES or CHILD.fullmatch(name) is not None
