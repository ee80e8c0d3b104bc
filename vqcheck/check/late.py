"""What is late on a queue: an interrupt, a kick, or the requests that the device holds.

Each of the three is looked at once for all the rules that ask what is behind it.  Under load every healthy queue shows
them for a moment, so each comes with what shows that it lasts, or why that is in doubt.
"""
import functools
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Union

from ..snapshot.held_model import BlockState
from ..snapshot.model import Queue
from ..snapshot.request_model import Request
from ..virtio import devices
from . import wording
from .case import Case
from .history import Sample, moved, stood
from .persistence import EVENT_SECONDS, MOVING_SECONDS, Persistence, is_stuck, of_event
from .result import Excused
from .stacks import Standing, in_words


class Late(NamedTuple):
    """Something that should have happened by now.

    number: how many entries wait for it.
    what: the same in words.
    persistence: how long they have waited.
    excuse: why it need not have happened, as far as the rings tell; None where it was due.
    doubts: why it may be under way all the same; nothing where it is shown to be late.
    requests: the guest's requests that wait; None where that is not known.
    """

    number: int
    what: str
    persistence: Persistence
    excuse: Optional[str]
    doubts: Sequence[str]
    requests: Optional[Sequence[Request]]


Finding = Union[Late, Excused, str]

AGAIN = ("Under load every healthy queue looks like this for a moment, and while the guest's clock stands still ages "
         "prove nothing. Capture again after a second; where ages are not known, say --stuck 'what you saw'")


def once(find: Callable[[Case], Finding]) -> Callable[[Case], Finding]:
    """Many rules ask; the answer is found once a case."""
    @functools.wraps(find)
    def found(case: Case) -> Finding:
        if find not in case.memory:
            case.memory[find] = find(case)
        answer: Finding = case.memory[find]
        return answer
    return found


# Interrupts

@once
def interrupt(case: Case) -> Finding:
    """The interrupt for what the device returned: late, excused, or not awaited."""
    if case.kind == devices.POLLED:
        return "the driver polls this queue, so no interrupt comes and none is lost"
    if case.returned == 0:
        return "nothing is returned and not consumed"
    if case.kind == devices.LAZY and not (case.guest_device.device_id == devices.NET and case.get("tx_queue.stopped")):
        return "the driver reclaims such a queue's entries only when it sends again"
    if case.kind == devices.LAZY and link_down(case):
        return "the link is down: the driver has stopped the queue, and reclaims its entries when it sends again"
    if (case.guest_device.device_id, case.role) in devices.READ_LATE:
        return "the driver takes what came in only when somebody reads it"
    up = case.peek("guest.net.up")
    if (case.guest_device.device_id, case.role) == (devices.NET, "rx") and (
            up is False or up is None and case.peek("napi.enabled") is False):
        return "the interface is down, and nobody takes what the device goes on to receive"
    requests = case.returned_requests
    lasts = of_event(requests, case.seen, stood(case.history.guest, _unconsumed),
                     "last_used_idx stays where it is, with entries returned")
    what = f"{entries(case, case.returned)} completed and not yet consumed by the driver"
    excuse = _wants_no_interrupt(case)
    if case.guest_is_dead:
        return Late(case.returned, what, lasts, excuse, [
            f"{what}; but the guest's kernel has panicked, and does not take what came back since then"], requests)
    if excuse is not None:
        return Late(case.returned, what, lasts, excuse, _lasting(lasts), requests)
    late = Late(case.returned, what, lasts, None, [], requests)
    mover = None if case.vhost else case.interrupt_mover
    found = _under_way(case, late, mover, _in_guest_notifier(case) or _in_indicators(case),
                       moving=driver_moves(case), certain=False)
    busy = _busy_reader(case)
    if not isinstance(found, Late) or found.doubts or busy is None or stays(case, busy):
        return found
    return found._replace(doubts=[
        f"{what}, and {lasts.evidence}, but the interrupt lies in the guest notifier, and QEMU's main loop, which is "
        f"to read it, is elsewhere: {in_words(busy)}. Look at what it waits for, and capture again"])


def link_down(case: Case) -> bool:
    """The interface is down, or has no carrier: virtio_net then stops its transmit queues (Linux
    virtnet_config_changed_work())."""
    return case.peek("guest.net.up") is False or case.peek("guest.net.carrier") is False


def _busy_reader(case: Case) -> Optional[Standing]:
    """The main loop, where an interrupt waits for it in the guest notifier and it is not asleep."""
    notifier, main = case.peek("notify.guest_notifier"), case.threads.main
    waits = notifier is not None and notifier.eventfd_count and notifier.handler
    return main if waits and main is not None and not main.at_rest else None


def stays(case: Case, standing: Standing) -> bool:
    """Whether several captures show a thread in one place, and the device at one place of the ring."""
    lasts = stood(case.history.host, lambda one: one.device and (one.device.last_avail_idx, one.device.used_idx))
    before = [one for sample in case.history.host[:-1] for one in sample.snapshot.threads or []
              if one.id == standing.thread.id]
    return bool(before and lasts is not None and lasts.seconds >= EVENT_SECONDS
                and all(one.functions == standing.thread.functions for one in before))


def _in_guest_notifier(case: Case) -> Optional[str]:
    """That the interrupt lies in the guest notifier, and that who reads it is about to."""
    notifier = case.peek("notify.guest_notifier")
    standing = case.threads.main
    if notifier is None or not notifier.eventfd_count or not notifier.handler or standing is None or \
            not (standing.at_rest or standing.waking or standing.busy_in):
        return None
    return f"the guest notifier, fd {notifier.fd}, is written, and QEMU's main loop is about to read it"


def _in_indicators(case: Case) -> Optional[str]:
    """That the interrupt lies in the bit by which a channel device makes one, and that its handler is about to come."""
    if not case.peek("indicator.set"):
        return None
    return "its indicator bit is set, and the guest's handler is about to come to it"


def _consumes(queue: Queue) -> Any:
    """Where the driver stands."""
    driver = queue.driver
    return None if driver is None or driver.last_used_idx is None else (driver.last_used_idx, driver.used_wrap_counter)


def _unconsumed(queue: Queue) -> Any:
    """Where the driver stands while there is something for it to consume; None where there is not."""
    return _consumes(queue) if queue.used else None


def took_one(case: Case) -> bool:
    """The driver has noted an interrupt (event_triggered), and not enabled its callbacks again."""
    return bool(case.callbacks_on and case.peek("driver.event_triggered")
                and case.guest_device.device_id not in devices.NEVER_REARMED)


def _wants_no_interrupt(case: Case) -> Optional[str]:
    """Why no interrupt was due; None where one was."""
    napi = case.guest_queue.napi
    if napi is not None and (napi.scheduled or napi.polling):
        return "its NAPI poll is due or running, so it is looking at the ring by itself"
    if not case.callbacks_on:
        return "its callbacks are off, so it is looking at the ring by itself"
    if took_one(case):
        # Since Linux 5.14 ("virtio: fix up virtio_disable_cb") this replaces the callbacks' flag in its handler.
        return "it has taken an interrupt (event_triggered) and not asked for the next one yet"
    if not case.interrupt_due:
        return "it has not asked to be interrupted yet"
    irq = case.guest_queue.irq
    if irq is not None and irq.in_progress:
        return f"a CPU of the guest is inside the handler of irq {irq.number}"
    return None


# Kicks

@once
def kick(case: Case) -> Finding:
    """The kick for what the driver posted: late, excused, or not awaited."""
    if case.vhost:
        return "vhost serves the queue, and only it knows how far it has come"
    if case.posted == 0:
        return "nothing is posted and not popped"
    if case.kind == devices.POSTED:
        return "such a queue is full of buffers that wait for something to happen"
    requests = case.posted_requests
    lasts = of_event(requests, case.seen, stood(case.history.host, _unpopped),
                     "last_avail_idx stays where it is, with entries posted")
    what = f"{entries(case, case.posted)} posted and not yet popped by the device"
    excuse = _wants_no_kick(case)
    if excuse is not None:
        return Late(case.posted, what, lasts, excuse, _lasting(lasts), requests)
    late = Late(case.posted, what, lasts, None, [], requests)
    return _under_way(case, late, case.kick_mover, _in_host_notifier(case),
                      moving=_moving(case.history.host, "device", _pops), certain=posted_for_long(case, requests))


def _in_host_notifier(case: Case) -> Optional[str]:
    """That the kick lies in the host notifier, and that who reads it is about to."""
    notifier, serving = case.peek("notify.host_notifier"), case.serving
    if notifier is None or not notifier.eventfd_count or not notifier.handler or serving is None or \
            not serving.at_rest:
        return None
    return f"the host notifier, fd {notifier.fd}, is written, and its event loop is about to read it"


def posted_for_long(case: Case, requests: Optional[Sequence[Request]]) -> bool:
    """The entries have certainly lain on the ring for longer than any event loop takes for a turn.

    A request's age counts from its allocation, and it may have waited in the guest's I/O scheduler until other
    requests left the ring; so it counts only where it is known since when the driver has it, or none other is there.
    """
    if not requests:
        return False
    ages = [one.issued_ns if one.issued_ns is not None or case.popped or case.returned else one.age_ns
            for one in requests]
    return all(map(is_stuck, ages))


def _pops(queue: Queue) -> Any:
    """Where the device stands."""
    device = queue.device
    return None if device is None or device.last_avail_idx is None else (device.last_avail_idx,
                                                                         device.last_avail_wrap_counter)


def _unpopped(queue: Queue) -> Any:
    """Where the device stands while there is something for it to pop; None where there is not."""
    return _pops(queue) if queue.available else None


def _wants_no_kick(case: Case) -> Optional[str]:
    """Why no kick was due, or why a kick would change nothing; None where one was due."""
    added = case.peek("driver.num_added")
    if added:
        return f"the driver is still adding requests (num_added {added}) and has not kicked yet"
    if case.popped >= case.size:
        return "the device has its hands full"
    if case.peek("notify.polling"):
        return "the event loop is busy polling and needs no kick"
    if case.peek("device.tx_waiting"):
        return "the device will look at the queue by itself (tx_waiting)"
    if case.peek("device.notification") is False:
        return "the device has kicks switched off, as it does while its event loop is busy polling"
    drained = drain(case)
    if drained is not None:
        return f"{drained}, and the device takes no new requests meanwhile"
    if case.peek("notify.host_notifier.handler") is False:
        return "no handler is attached to the host notifier, as while the device is drained"
    return None if case.kick_due else "the device has not asked to be kicked yet"


def drain(case: Case) -> Optional[str]:
    """What is drained behind the device; None where nothing is."""
    for state in block_states(case):
        if state.quiesce_counter:
            return f"the block layer is drained (quiesce_counter {state.quiesce_counter} of {state.node or 'a disk'})"
        for node in state.nodes or []:
            if node.quiesce_counter:
                return f"block node {node.node} is drained (quiesce_counter {node.quiesce_counter})"
    if case.peek("notify.host_notifier.handler_disabled"):
        return "handlers of host notifiers are left out, as during a drain"
    return None


def may_be_drained(case: Case) -> bool:
    """Whether a drain behind the device would not be seen, as by QMP."""
    disks = case.guest_device.device_id in (devices.BLOCK, devices.SCSI)
    return disks and not any(state.quiesce_counter is not None for state in block_states(case))


def block_states(case: Case) -> List[BlockState]:
    """The block layers behind the device."""
    host = case.host_device.host
    states = [host.block] if host and host.block else [one.block for one in (host.disks if host else None) or []]
    return [one for one in states if one is not None]


# What all three share

def entries(case: Case, number: int, what: str = "entry") -> str:
    """`1 entry`, `4 entries`; of a packed ring descriptors."""
    if case.packed:
        return wording.count(number, "descriptor")
    return wording.entry(number) if what == "entry" else wording.count(number, what)


def _lasting(lasts: Persistence) -> List[str]:
    return [] if lasts.evidence else [f"nothing shows that this lasts: {lasts.doubt}"]


def driver_moves(case: Case) -> Optional[str]:
    """That the driver took completions between two captures, a moment ago."""
    return _moving(case.history.guest, "driver", _consumes)


def _moving(samples: Sequence[Sample], who: str, place: Callable[[Queue], Any]) -> Optional[str]:
    """That a side went on between two captures, so that what waits for it now has not waited for longer."""
    seconds = moved(samples, place)
    if seconds is None or seconds > MOVING_SECONDS:
        return None
    return f"the {who} has gone on since the capture before, at most {seconds:.0f} s ago"


def _under_way(case: Case, late: Late, mover: Optional[Standing], pending: Optional[str], moving: Optional[str],
               certain: bool) -> Finding:
    """An event was due and has not taken effect: is it late, or under way?

    mover: a thread that may be carrying it.
    pending: where the event is seen to be, if its next step is about to be made.
    moving: that the side which waits for it has gone on a moment ago.
    certain: the entries have certainly waited for so long that no event under way explains it.
    """
    lasts = late.persistence
    if lasts.young and mover is not None and not mover.blocked:
        return Excused(f"{late.what}: the event is under way, {in_words(mover)}")
    if lasts.young and mover is None and pending is not None:
        return Excused(f"{late.what}: the event is under way, {pending}")
    if certain:
        return late
    if moving is not None and not lasts.evidence:
        return Excused(f"{late.what}: {moving}, and they came after that; {lasts.doubt}")
    if mover is not None:
        return late._replace(doubts=[
            f"{late.what}, and {lasts.evidence or lasts.doubt}, but {in_words(mover)}: the event may be under way, or "
            "that thread is stuck there. Capture QEMU again: if the thread still stands there, it is stuck"])
    if not lasts.evidence:
        return late._replace(doubts=[
            f"{late.what}, an event was due, and nothing shows that this lasts: {lasts.doubt}. {AGAIN}"])
    serving = None if case.vhost else case.serving
    if serving is not None and not serving.at_rest:
        return late._replace(doubts=[
            f"{late.what}, and {lasts.evidence}, but {in_words(serving)}: it is busy with, or blocked in, something "
            "else, and the event may wait for it. Look at what it waits for, and capture again"])
    return late
