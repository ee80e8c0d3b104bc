"""What stands out on the guest's side, worst first: where to look, not whose fault it is."""
from typing import List, Optional, Tuple

from ..snapshot.driver_model import GuestDevice
from ..snapshot.kernel_model import BlockQueue
from ..snapshot.model import Device, Queue, Snapshot
from ..virtio.devices import LAZY, PARKED, POLLED, POSTED, REQUEST
from . import guest_block, guest_irq
from .escape import shortened
from .guest_facts import OLD_NS, Progress, kind_of, oldest_ns, progress
from .notes import BROKEN, STOPPED, WAITING, Note, drawn
from .words import age, plural, ranges


def block(snapshot: Snapshot) -> str:
    """The notes of all devices as text, or that there are none."""
    found = drawn([one for device in snapshot.devices for one in notes(device)])
    unread = [queue for device in snapshot.devices for queue in device.queues if queue.in_flight is None]
    if unread:
        blind = f"requests of {plural(len(unread), 'queue')} are not known, and may stand out"
        return f"{found}\n{blind}" if found else blind
    return found or "nothing stands out on the guest's side"


def notes(device: Device) -> List[Note]:
    """What stands out of a device, in the order of its queues."""
    name = shortened(device.name, 40)
    found = [note for note in (of_queue(device, queue) for queue in device.queues) if note is not None]
    for irq, queues in guest_irq.irqs(device):
        problems = guest_irq.problems(irq)
        if problems:
            found.append(Note(STOPPED, f"{name} {'queue' if len(queues) == 1 else 'queues'} {ranges(queues, 4)}",
                              f"irq {irq.number} {', '.join(problems)}"))
    guest = device.guest or GuestDevice()
    for disk in guest.block or ():
        found += _disk(device, disk, name)
    if guest.scsi is not None:
        found += [Note(STOPPED, name, shortened(said)) for said in guest_block.scsi_sentences(guest.scsi)]
    return found


def of_queue(device: Device, queue: Queue) -> Optional[Note]:
    """What stands out of one queue, its interrupt apart."""
    found = _books(queue) + _progress(queue, kind_of(device, queue), progress(queue)) + _network(device, queue)
    if not found:
        return None
    return Note(min(rank for rank, _ in found), f"{shortened(device.name, 40)} queue {queue.queue_index}",
                ", ".join(text for _, text in found))


def _books(queue: Queue) -> List[Tuple[int, str]]:
    driver = queue.driver
    chains = sum(one.chain_problem is not None for one in queue.in_flight or ())
    contradiction = progress(queue).contradiction
    return [(BROKEN, text) for text, is_so in (
        ("broken: the driver has given it up", driver is not None and driver.broken),
        (f"the indexes contradict each other ({contradiction})", contradiction),
        (f"{plural(chains, 'corrupt descriptor chain')}", chains),
        ("the free list is corrupt", driver is not None and driver.free_list_problem)) if is_so]


def _progress(queue: Queue, kind: str, found: Progress) -> List[Tuple[int, str]]:
    said = []
    oldest = oldest_ns(queue)
    held = (found.outstanding or 0) - (found.completed or 0)
    # A young request, or a buffer that came just now, is load; and completions of these classes mean nothing.
    if found.completed and (oldest is None or oldest >= OLD_NS) and kind not in (LAZY, POLLED):
        said.append((STOPPED, f"{found.completed} completed and not consumed"))
    if held > 0 and _waits(kind, oldest):
        said.append((WAITING, f"{held} in flight" if found.completed is not None else f"{found.outstanding} in flight"))
    if said and oldest is not None:
        said.append((WAITING, f"oldest {age(oldest)}"))
    return said


def _waits(kind: str, oldest: Optional[int]) -> bool:
    """Whether what a queue of a class holds is worth a look."""
    if oldest is None:
        return kind in (REQUEST, POLLED)
    return oldest >= OLD_NS and kind not in (POSTED, LAZY, PARKED)


def _network(device: Device, queue: Queue) -> List[Tuple[int, str]]:
    net = device.guest.net if device.guest is not None else None
    tx, napi = queue.tx_queue, queue.napi
    said = []
    if net is not None and net.up is False:
        return []
    if tx is not None and tx.stopped:
        said.append((STOPPED, "tx stopped by the driver"))
    if tx is not None and tx.stack_stopped:
        said.append((WAITING, "tx stopped by byte queue limits"))
    if queue.role == "rx" and napi is not None and napi.enabled and queue.in_flight == []:
        said.append((STOPPED, "no receive buffer is posted"))
    return said


def _disk(device: Device, disk: BlockQueue, name: str) -> List[Note]:
    oldest = guest_block.oldest_held_ns(disk)
    waits = bool(guest_block.held(disk)) and (oldest is None or oldest >= OLD_NS)
    stopped = [context.queue_num for context in disk.hardware_queues or () if context.stopped]
    found = [(rank, text) for rank, text, is_so in (
        (STOPPED, "quiesced", (disk.quiesce_depth or 0) > 0),
        (STOPPED, "frozen", (disk.freeze_depth or 0) > 0),
        (WAITING, f"hctx {ranges(stopped, 4)} stopped", stopped),
        (WAITING, _waiting(device, disk, oldest), waits)) if is_so]
    if not found:
        return []
    place = name if disk.disk in (None, device.name) else f"{name} {shortened(str(disk.disk), 40)}"
    return [Note(min(rank for rank, _ in found), place, ", ".join(text for _, text in found))]


def _waiting(device: Device, disk: BlockQueue, oldest: Optional[int]) -> str:
    ring = " and nothing on the ring" if guest_block.requests_on_rings(device) == 0 else ""
    since = "" if oldest is None else f", oldest {age(oldest)}"
    return f"{guest_block.held_count(disk)} waiting in the block layer{ring}{since}"
