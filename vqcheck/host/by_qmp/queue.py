"""One queue, read twice: while QEMU and the guest go on, only what two readings agree on belongs together."""
from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple

from ...snapshot.device_model import DeviceState, Notifier, Notify
from ...snapshot.held_model import Held
from ...snapshot.kinds import Hex
from ...snapshot.model import Queue, Rings
from ...snapshot.transport_model import VhostQueue
from ...target.absence import Absences
from ...target.errors import Corrupt, NotSupported
from ...virtio import devices as virtio_devices
from ...virtio import packed, split
from ..virtqueue import NOT_PACKED, NOT_SPLIT
from .ask import U16, U32, Answer, ask_record
from .careful import Careful
from .memory import GuestMemory
from .ring import read_packed, read_split

ATTEMPTS = 3
"""How often a queue that moves is read again, in the hope of a moment in which it does not."""

UNTOLD = "QMP does not tell it"
UNTOLD_OF_VHOST = "QMP does not tell it of a queue that vhost serves"
NOT_SET_UP = "not applicable: the driver has not set this queue up"

NOT_TX = "not applicable: not a transmit queue of a network device"

WRAPS = ("last_avail_wrap_counter", "shadow_avail_wrap_counter", "used_wrap_counter")

Pair = Tuple[Queue, Queue]


class QueueContext(NamedTuple):
    """What the queues of one device have in common."""

    ask: Careful
    memory: GuestMemory
    path: str
    device_id: int
    features: Optional[int]
    """The negotiated mask; None where QMP does not tell it."""
    packed: Optional[bool]
    """Whether the rings of queues that QEMU serves are packed; None where that is not known."""
    order: Optional[str]
    """Byte order of split rings; None where it is not known."""
    space: Optional[str]
    """What the rings' addresses are, as Rings.space; None where that is not known."""


def lacking(record: Any, reason: str, names: Optional[Sequence[str]] = None) -> Any:
    """A record with a reason for every field that it lacks (or those named), where it has none yet."""
    wanted = record._fields if names is None else names
    reasons = {name: reason for name in wanted if getattr(record, name) is None and name not in record.absent}
    return record._replace(absent={**reasons, **record.absent})


def twice(read: Callable[[], Queue]) -> Pair:
    """Two readings, one after the other: the same if the queue kept still for once."""
    first = read()
    for left in reversed(range(ATTEMPTS)):
        again = read()
        if first == again or not left:
            break
        first = again
    return first, again


def queue_of_qemu(context: QueueContext, index: int, count: int) -> Pair:
    """A queue that QEMU serves, one out of `count`.  Raises TargetError."""
    return twice(lambda: _of_qemu(context, index, count))


def _of_qemu(context: QueueContext, index: int, count: int) -> Queue:
    said = ask_record(context.ask, "x-query-virtio-queue-status", {"path": context.path, "queue": index})
    absent = Absences()
    role = virtio_devices.queue_role(context.device_id, index, count, context.features)
    device = _device(said, context.packed, context.device_id == virtio_devices.NET and role == "tx")
    queue = Queue(
        queue_index=index,
        role=role,
        layout=_layout(context.packed),
        size=absent.take("size", _size, said.number("vring-num", U32), context.packed),
        rings=absent.take("rings", _rings, context, said, "vring-{}"),
        device=device,
        notify=_silent(Notify(absent={"vhost": "not applicable: vhost does not serve this queue"}), UNTOLD),
        held=absent.take("held", _held, device),
    )
    return _with_ring(context, queue, context.packed, device.last_avail_idx, absent)


def _layout(is_packed: Optional[bool]) -> Optional[str]:
    return None if is_packed is None else "packed" if is_packed else "split"


def _device(said: Answer, is_packed: Optional[bool], transmits: bool) -> DeviceState:
    if not said.has("shadow-avail-idx"):
        raise Corrupt("vhost has begun to serve the queue while it was read")
    state = DeviceState(
        last_avail_idx=said.number("last-avail-idx", U16),
        shadow_avail_idx=said.number("shadow-avail-idx", U16),
        used_idx=said.number("used-idx", U16),
        signalled_used=said.number("signalled-used", U16),
        signalled_used_valid=said.flag("signalled-used-valid"),
        inuse=said.number("inuse", U32),
        num_default=said.number("vring-num-default", U32),
        absent={**(dict.fromkeys(WRAPS, NOT_PACKED) if is_packed is False else {}),
                **({} if transmits else {"tx_waiting": NOT_TX})},
    )
    told: DeviceState = lacking(state, UNTOLD)
    return told


def _size(num: int, is_packed: Optional[bool]) -> int:
    problem = split.size_problem(num) if is_packed is False else packed.size_problem(num)
    if problem:
        raise Corrupt(problem)
    return num


def _rings(context: QueueContext, said: Answer, member: str) -> Rings:
    desc, avail, used = (said.number(member.format(area)) for area in ("desc", "avail", "used"))
    if desc == 0:
        raise NotSupported(NOT_SET_UP)
    if context.space is None:
        raise NotSupported("whether addresses of rings are physical is not known: QMP does not tell the features")
    return Rings(Hex(desc), Hex(avail), Hex(used), context.space)


def _held(device: DeviceState) -> Held:
    if device.inuse == 0:
        return Held([], True, [])
    raise NotSupported("QMP tells how many elements the device holds (inuse), not which and who has them")


def _silent(notify: Notify, reason: str) -> Notify:
    """Notifications, of which QMP tells nothing."""
    silent: Notify = lacking(notify._replace(host_notifier=lacking(Notifier(), reason),
                                             guest_notifier=lacking(Notifier(), reason)), reason)
    return silent


def _with_ring(context: QueueContext, queue: Queue, is_packed: Optional[bool], seen: Optional[int],
               absent: Absences) -> Queue:
    """The queue with what is in guest memory; `seen` is last_avail_idx, None where it is not that of now."""
    if is_packed is not None:
        absent["ring" if is_packed else "packed"] = NOT_SPLIT if is_packed else NOT_PACKED
    if is_packed is None or queue.size is None or queue.rings is None:
        reason = absent.get("size") or absent.get("rings") or "whether the ring is split or packed is not known"
        for name in ("ring", "packed", "available"):
            absent.setdefault(name, reason)
        return queue._replace(absent=dict(absent))
    if is_packed:
        shared = read_packed(context.memory, queue.rings, absent)
        return queue._replace(packed=shared, absent=dict(absent))
    ring, waiting = read_split(context.memory, queue.rings, queue.size, context.order, seen, absent)
    return queue._replace(ring=ring, available=waiting, absent=dict(absent))


def queue_of_vhost(context: QueueContext, index: int, count: Optional[int]) -> Pair:
    """A queue that vhost serves.  Raises Refused where it serves none of that index."""
    return twice(lambda: _of_vhost(context, index, count))


def _of_vhost(context: QueueContext, index: int, count: Optional[int]) -> Queue:
    said = ask_record(context.ask, "x-query-virtio-vhost-queue-status", {"path": context.path, "queue": index})
    absent = Absences({"device": UNTOLD_OF_VHOST, "held": UNTOLD_OF_VHOST})
    num = said.number("num", U32)
    is_packed = absent.take("layout", _is_packed, said.number("avail-size"), num)
    # kick and call are in QEMU's answer too, and always 0: nobody sets these members of vhost_virtqueue.
    given = VhostQueue(num=num, desc=Hex(said.number("desc")), avail=Hex(said.number("avail")),
                       used=Hex(said.number("used")))
    queue = Queue(
        queue_index=index,
        role=virtio_devices.queue_role(context.device_id, index, count, context.features),
        layout=_layout(is_packed),
        size=absent.take("size", _size, num, is_packed),
        rings=absent.take("rings", _rings, context, said, "{}-phys"),
        notify=_silent(Notify(vhost=lacking(given, UNTOLD)), UNTOLD),
    )
    return _with_ring(context, queue, is_packed, None, absent)


def _is_packed(size: int, num: int) -> bool:
    """Whether a ring is packed, by the size of its driver area (hw/virtio/virtio.c, virtio_queue_get_avail_size())."""
    if size == packed.EVENT_BYTES:
        return True
    if size in (split.avail_bytes(num), split.avail_bytes(num) - 2):  # used_event counts only with EVENT_IDX
        return False
    raise Corrupt(f"an available ring of {num} entries does not take {size} bytes")
