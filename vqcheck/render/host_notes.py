"""What stands out on the host's side, worst first."""
from typing import List, Optional, Tuple

from ..snapshot.device_model import HostDevice, Notify
from ..snapshot.held_model import BlockState
from ..snapshot.model import Device, Queue, Snapshot
from ..virtio.devices import PARKED, POSTED
from .escape import shortened
from .host_facts import OLD_NS, class_of, held_requests, oldest_ns, progress, vhost_serves
from .notes import BROKEN, STOPPED, WAITING, Note, drawn
from .words import age, plural

Said = List[Tuple[int, str]]


def block(snapshot: Snapshot) -> str:
    """The notes of all devices as text, or that there are none."""
    found = drawn(_process(snapshot) + [one for device in snapshot.devices for one in notes(device)])
    return found or "nothing stands out on the host's side"


def _process(snapshot: Snapshot) -> List[Note]:
    state = snapshot.qemu
    if state is not None and state.run_state not in (None, "running"):
        return [Note(STOPPED, "the VM", f"not running: {shortened(str(state.run_state))}")]
    return []


def notes(device: Device) -> List[Note]:
    """What stands out of a device, in the order of its queues."""
    name = shortened(device.name, 40)
    said = _device(device.host or HostDevice())
    found = [Note(min(rank for rank, _ in said), name, ", ".join(text for _, text in said))] if said else []
    return found + [note for note in (of_queue(device, queue) for queue in device.queues) if note is not None]


def _device(part: HostDevice) -> Said:
    said = [(rank, text) for rank, text, is_so in (
        (BROKEN, "broken: QEMU has stopped serving it", part.broken),
        (BROKEN, "disabled: bus mastering is off", part.disabled),
        (STOPPED, "its bus is being reset", part.resetting)) if is_so]
    states = [part.block] if part.block else [one.block for one in part.disks or () if one.block]
    return said + [one for state in states for one in _block(state)]


def _block(state: BlockState) -> Said:
    name = f"{shortened(state.node or 'its disk', 40)} "
    stuck = [one for one in state.throttling or ()
             if (one.reads_waiting and not one.read_timer) or (one.writes_waiting and not one.write_timer)]
    return [(rank, name + text) for rank, text, is_so in (
        (STOPPED, f"drained (quiesce_counter {state.quiesce_counter})", state.quiesce_counter),
        (STOPPED, f"{state.parked} parked for a retry", state.parked),
        (STOPPED, f"iostatus {state.iostatus}", state.iostatus not in (None, "ok")),
        (STOPPED, "throttled, and no timer is armed", stuck)) if is_so]


def of_queue(device: Device, queue: Queue) -> Optional[Note]:
    """What stands out of one queue."""
    said = _progress(device, queue) if not vhost_serves(device) else []
    said += _notify(queue.notify) if queue.notify else []
    if not said:
        return None
    return Note(min(rank for rank, _ in said), f"{shortened(device.name, 40)} queue {queue.queue_index}",
                ", ".join(text for _, text in said))


def _progress(device: Device, queue: Queue) -> Said:
    found, kind, said = progress(queue), class_of(device, queue), []
    if found.contradiction:
        return [(BROKEN, f"the indexes contradict each other ({found.contradiction})")]
    if found.posted and kind != POSTED:
        said.append((WAITING, f"{found.posted} posted and not popped"))
    oldest = oldest_ns(queue)
    if found.held and kind != PARKED and (oldest is None or oldest >= OLD_NS):
        said.append((WAITING, f"{found.held} popped and not returned" + (f", oldest {age(oldest)}" if oldest else "")))
        said += [(WAITING, text) for text in _holders(queue)]
    return said


def _holders(queue: Queue) -> List[str]:
    """Who has them, each holder once."""
    counts: "dict[str, int]" = {}
    for one in held_requests(queue):
        where = one.detail or (f"in node {one.node}" if one.node else one.holder or "?")
        counts[where] = counts.get(where, 0) + 1
    said = [f"{shortened(where, 60)} ({count})" if count > 1 else shortened(where, 60)
            for where, count in list(counts.items())[:3]]
    lost = lost_elements(queue)
    return said + ([f"{plural(lost, 'element')} without an owner"] if lost else [])


def lost_elements(queue: Queue) -> int:
    """Popped elements that nobody has, where every place was looked at; 0 where that is not so or not known."""
    if queue.held is None or not queue.held.complete or queue.device is None or queue.device.inuse is None:
        return 0
    found = sum(one.descriptors if one.descriptors is not None else 1 for one in queue.held.requests)
    return max(0, queue.device.inuse - found)


def _notify(notify: Notify) -> Said:
    kick, call, msix = notify.host_notifier, notify.guest_notifier, notify.msix
    return [(rank, text) for rank, text, is_so in (
        (STOPPED, "a kick lies unread", kick is not None and kick.eventfd_count),
        (STOPPED, "an interrupt lies unread", call is not None and call.eventfd_count),
        (STOPPED, "no handler for kicks", kick is not None and kick.handler is False),
        (STOPPED, "its handler is left out (drain)", kick is not None and kick.handler_disabled),
        (STOPPED, f"vector {notify.vector} masked and pending", msix is not None and msix.pending),
        (STOPPED, f"vector {notify.vector} not in use", msix is not None and msix.enabled and not msix.in_use),
        (WAITING, "its interrupt waits for a bottom half", notify.batched)) if is_so]
