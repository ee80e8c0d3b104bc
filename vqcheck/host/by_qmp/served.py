"""The queues of a device, by whoever serves them: only what is safe is asked, so that comes first."""
from typing import List, NamedTuple, Optional

from ...snapshot.kinds import Hex
from ...snapshot.transport_model import Vhost
from ...target.absence import Absences
from ...target.errors import NotSupported
from ...virtio import features
from . import words
from .allowed import BY_QEMU_OR_VHOST, BY_VHOST
from .ask import U16, U32, Answer, Qom, Refused
from .careful import Backend, Careful
from .devices import Found
from .memory import GuestMemory
from .process import LITTLE_ENDIAN
from .queue import UNTOLD, Pair, QueueContext, lacking, queue_of_qemu, queue_of_vhost

QUEUE_MAX = 1024
"""VIRTIO_QUEUE_MAX."""

NOT_STARTED = "vhost has not started, and until then QMP tells nothing of its queues"
QEMUS_NOT_STARTED = "has not started yet"
"""How QEMU says so."""
NOT_ASKED = ("QMP's x-query-virtio-queue-status could stop a ring of vhost-user: it is not asked of a device that "
             "vhost serves or might come to serve")
NO_KNOWN_WAY = "QMP can't be asked for the queues of such a device without danger to QEMU"

BACKENDS = {"tap": "kernel", "vhost-user": "user", "vhost-vdpa": "vdpa", "passt": "user"}
"""Types of network backends (NetClientDriver) to the kind of vhost that serves them, if any does."""


class Surroundings(NamedTuple):
    """What devices are read with."""

    ask: Careful
    memory: GuestMemory
    machine: Optional[str]
    """The guest's architecture."""
    run_state: Optional[str]


class Status:
    """What x-query-virtio-status says of a device, or why it does not."""

    def __init__(self, answer: Optional[Answer], why_not: str) -> None:
        self._answer = answer
        self._why_not = why_not

    def get(self) -> Answer:
        """The answer.  Raises NotSupported where there is none."""
        if self._answer is None:
            raise NotSupported(self._why_not)
        return self._answer

    def flag(self, name: str) -> bool:
        """A member that is true or false.  Raises TargetError."""
        return self.get().flag(name)

    def __bool__(self) -> bool:
        return self._answer is not None


class Served(NamedTuple):
    """The queues of a device, each read twice, and who serves them."""

    queues: List[Pair]
    problem: Optional[str] = None
    """Why queues are missing."""
    vhost: Optional[Vhost] = None


def served(around: Surroundings, found: Found, status: Status, device_id: int, mask: Optional[int],
           backend: Optional[Backend]) -> Served:
    """The queues of a device; `mask` is of its negotiated features.  Raises TargetError where none can be read."""
    context = _context(around, found, status, device_id, mask)
    if not status:
        return _by_vhost(context, found, None)
    said, ask = status.get(), around.ask
    count = said.number("num-vqs", QUEUE_MAX)
    if said.flag("vhost-started"):
        by_vhost = _by_vhost(context, found, count)
        return by_vhost._replace(vhost=_told(said, device_id, BACKENDS.get(backend.kind) if backend else None))
    if not ask.queues_may_be_asked(found.path):
        raise NotSupported(NOT_ASKED)
    return Served([queue_of_qemu(context, index, count) for index in range(count)])


def backend_of(ask: Careful, found: Found) -> Optional[Backend]:
    """What is behind a device that vhost might serve; whether it might is noted by the guard.  Raises TargetError."""
    if found.kind == "virtio-net-device":
        return ask.network_backend(found.path)
    if found.kind == "virtio-crypto-device":
        return ask.crypto_backend(found.path)
    return None


def _by_vhost(context: QueueContext, found: Found, count: Optional[int]) -> Served:
    """The queues that vhost serves; `count` is how many the device has in all, where that is known."""
    if found.kind not in BY_VHOST | BY_QEMU_OR_VHOST:
        raise NotSupported(NO_KNOWN_WAY)
    pairs: List[Pair] = []
    try:
        for index in range(QUEUE_MAX):
            pairs.append(queue_of_vhost(context, index, count))
    except Refused as problem:  # there is no further one
        if not pairs and QEMUS_NOT_STARTED not in problem.text:
            raise
    vhost = Vhost(backend="user" if found.kind.startswith("vhost-user") else "kernel", started=bool(pairs),
                  nvqs=len(pairs) or None)
    rest = None if len(pairs) == count else f"only those that vhost serves are known: {NOT_ASKED}"
    return Served(pairs, rest if pairs else NOT_STARTED, lacking(vhost, UNTOLD))


def _told(status: Answer, device_id: int, kind: Optional[str]) -> Vhost:
    """The vhost device of the first queues; of others, which a card with several pairs has, QMP tells nothing."""
    said, absent = status.record("vhost-dev"), Absences()
    vhost = Vhost(
        backend=kind,
        started=True,
        vq_index=absent.take("vq_index", said.number, "vq-index", U16),
        nvqs=absent.take("nvqs", said.number, "nvqs", U32),
        features=absent.take("features", _mask, said, "features", device_id),
        acked_features=absent.take("acked_features", _mask, said, "acked-features", device_id),
    )
    told: Vhost = lacking(vhost._replace(absent=dict(absent)), UNTOLD)
    return told


def _mask(said: Answer, member: str, device_id: int) -> Hex:
    return Hex(words.mask(said.record(member), device_id))


def _context(around: Surroundings, found: Found, status: Status, device_id: int, mask: Optional[int]) -> QueueContext:
    qom = Qom(around.ask)
    iova = _negotiated(qom, found, mask, features.ACCESS_PLATFORM, "iommu_platform")
    return QueueContext(
        ask=around.ask,
        memory=around.memory,
        path=found.path,
        device_id=device_id,
        features=mask,
        packed=_negotiated(qom, found, mask, features.RING_PACKED, "packed"),
        order=_order(around, status, mask),
        space=None if iova is None else "iova" if iova else "physical",
    )


def _negotiated(qom: Qom, found: Found, mask: Optional[int], bit: int, name: str) -> Optional[bool]:
    """Whether a feature is: by the mask, else as far as one that the user did not have offered can't be."""
    if mask is not None:
        return features.has(mask, bit)
    offered = Absences().take("", qom.flag, found.path, name)
    return False if offered is False else None


def _order(around: Surroundings, status: Status, mask: Optional[int]) -> Optional[str]:
    """The byte order of split rings: little-endian unless a legacy device serves a big-endian guest."""
    if around.machine in LITTLE_ENDIAN or (mask is not None and features.has(mask, features.VERSION_1)):
        return "little"
    endian = status.get().text("device-endian") if status else None
    return endian if endian in ("little", "big") else None
