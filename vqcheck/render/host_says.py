"""What the host's side alone can say of a queue, in sentences.

Only what its own fields prove; who lost what is for the two sides together.
"""
from typing import List, Optional, Sequence

from ..snapshot.device_model import DeviceState, HostDevice, Notify, ThreadState
from ..snapshot.held_model import BlockState
from ..snapshot.model import Queue, RingState
from ..virtio import devices
from . import host_held
from .escape import shortened
from .host_facts import Progress, progress, used_ahead
from .words import hexadecimal, listed, plural

FRAMES = 6
"""Functions of a stack that are shown."""


def sentences(queue: Queue, part: HostDevice, event_idx: Optional[bool], threads: Optional[Sequence[ThreadState]],
              kind: str = devices.REQUEST) -> List[str]:
    """What there is to say of a queue; at least that nothing is under way, or why nothing can be said.

    kind: how such a queue looks when all is well.
    """
    if queue.rings is None and "rings" in queue.absent:
        return [shortened(queue.absent["rings"].replace("not applicable: ", ""), 300)]
    if part.vhost_started:
        said = ["vhost serves this queue: QEMU's indexes are those of its last stop, and say nothing of now"]
        said += _vhost(queue)
    elif queue.device is None:
        said = ["the device's state is not known, so nothing can be said of its requests"]
    else:
        said = _indexes(queue, queue.device, kind)
        said += host_held.sentences(queue)
        said += _suppression(queue, queue.device, event_idx)
        said += _kicks(queue.device, queue.notify)
    if queue.notify is not None:
        said += _notifiers(queue.notify) + _msix(queue.notify) + _thread(queue.notify, threads)
    return said


def of_device(part: HostDevice) -> List[str]:
    """What there is to say of the device as a whole."""
    said = []
    if part.broken:
        said.append("the device is broken: QEMU found an error in its rings and has stopped serving them")
    if part.disabled:
        said.append("the device is disabled: bus mastering is off")
    if part.run_state not in (None, "running"):
        said.append(f"the VM is not running: {shortened(str(part.run_state))}")
    elif part.vm_running is False:
        said.append("the device takes the VM for stopped (vm_running false)")
    if part.started is False:
        said.append("the device is not started")
    for client in part.net or ():
        if client.link_down:
            said.append(f"the link of queue pair {client.pair} is set down")
        if client.packets_waiting:
            said.append(f"{plural(client.packets_waiting, 'packet')} waiting for the driver of queue pair "
                        f"{client.pair} to post receive buffers")
        if client.peer_packets_waiting:
            said.append(f"{plural(client.peer_packets_waiting, 'packet')} of queue pair {client.pair} waiting for the "
                        f"backend {shortened(client.peer or '-', 40)}")
    return said + _block(part)


def _block(part: HostDevice) -> List[str]:
    states = [part.block] if part.block else [one.block for one in part.disks or () if one.block]
    return [sentence for state in states for sentence in _of_block(state, f"{shortened(state.node or 'a disk', 40)}: "
                                                                   if len(states) > 1 else "")]


def _of_block(block: BlockState, name: str) -> List[str]:
    said = []
    if block.in_flight:
        said.append(f"{name}the block layer has {plural(block.in_flight, 'request')} in flight")
    if block.quiesce_counter:
        said.append(f"{name}the block layer is drained (quiesce_counter {block.quiesce_counter}): it takes no requests")
    if block.queued:
        said.append(f"{name}{plural(block.queued, 'request')} waiting for the end of a drain")
    if block.parked:
        said.append(f"{name}{plural(block.parked, 'request')} parked for a retry after an error")
    if block.throttled:
        said.append(f"{name}{plural(block.throttled, 'request')} in the throttle group's waiting line")
    for one in block.throttling or ():
        if (one.reads_waiting and one.read_timer is False) or (one.writes_waiting and one.write_timer is False):
            said.append(f"{name}requests wait for the limits of group {shortened(one.group or '-', 40)}, and no timer "
                        "is armed that would let them go on")
    return said


def _indexes(queue: Queue, device: DeviceState, kind: str) -> List[str]:
    found = progress(queue)
    if found.contradiction:
        return [f"the indexes contradict each other: {found.contradiction}; corrupt, or not read at one instant"]
    if queue.layout == "packed":
        return _of_packed(queue, found, kind)
    if queue.ring is None or found.posted is None:
        return [] if found.held is None else [_under_way(found.held)]
    said = []
    if found.posted:
        heads = f"; heads {listed([entry.head for entry in queue.available])}" if queue.available else ""
        said.append(f"{_posted(found.posted, kind)}: avail->idx {queue.ring.avail_idx}, "
                    f"last_avail_idx {device.last_avail_idx}{heads}")
    if found.held:
        said.append(f"{plural(found.held, 'request')} popped and not returned: last_avail_idx {device.last_avail_idx}, "
                    f"used_idx {device.used_idx}")
    if not found.posted and not found.held:
        said.append(NOTHING)
    return said + _disagreements(device, queue.ring, found.held or 0)


NOTHING = ("nothing posted and nothing under way: the device has returned all it was given; whether the driver noticed "
           "only the guest knows")


def _posted(number: int, kind: str) -> str:
    if kind == devices.POSTED:
        return f"{plural(number, 'buffer')} posted for what is to come"
    return f"{plural(number, 'request')} posted and not popped"


def _of_packed(queue: Queue, found: Progress, kind: str) -> List[str]:
    said = []
    if found.posted:
        heads = listed([entry.head for entry in queue.available or ()])
        said.append(f"{_posted(found.posted, kind)}; buffer ids {heads}")
    if found.held:
        said.append(f"{plural(found.held, 'descriptor')} popped and not returned (inuse)")
    return said or ([NOTHING] if found.posted == 0 and found.held == 0 else [])


def _under_way(inuse: int) -> str:
    return f"{plural(inuse, 'element')} popped and not returned (inuse)" if inuse else "nothing under way (inuse 0)"


def _vhost(queue: Queue) -> List[str]:
    given = queue.notify.vhost if queue.notify else None
    if given is None:
        return []
    said = [f"vhost was given {given.num} entries at {hexadecimal(given.desc)}, {hexadecimal(given.avail)}, "
            f"{hexadecimal(given.used)} of QEMU's memory"]
    if given.masked_count:
        said.append(f"an interrupt lies in vhost's masked notifier, fd {given.masked_notifier}")
    return said


def _disagreements(device: DeviceState, ring: RingState, held: int) -> List[str]:
    said = []
    if device.inuse is not None and device.inuse != held:
        said.append(f"inuse {device.inuse} is not what the indexes say: {held}")
    if device.used_idx != ring.used_idx:
        said.append(f"used_idx {device.used_idx} is not what the ring says: used->idx {ring.used_idx}")
    return said


def _suppression(queue: Queue, device: DeviceState, event_idx: Optional[bool]) -> List[str]:
    """What (signalled_used, signalled_used_valid) prove; nothing at all of a split ring without EVENT_IDX."""
    signalled, valid, used = device.signalled_used, device.signalled_used_valid, device.used_idx
    if valid is None or signalled is None or used is None or event_idx is None:
        return []
    packed = queue.layout == "packed"
    if not event_idx and not packed:
        return ["signalled_used means nothing here: EVENT_IDX is not negotiated"]
    ahead = used_ahead(queue)
    if valid and ahead == 0:
        return ["whether to interrupt was decided for everything returned (signalled_used equals used_idx); this is "
                "no proof that an interrupt was sent"]
    if valid and ahead is not None:
        what = plural(ahead, "returned descriptor") if packed else plural(ahead, "returned entry", "returned entries")
        return [f"{what} for which QEMU has not yet decided whether to interrupt: used_idx {used}, signalled_used "
                f"{signalled}"]
    if valid:
        return []
    if packed:
        return ["signalled_used is not valid, as after every lap of a packed ring until the next decision; the next "
                "completion is certain to notify"]
    if signalled == 0 and used != 0:
        return ["QEMU has never completed the decision whether to interrupt for this queue since reset or load "
                "(signalled_used 0, not valid); the next completion is certain to notify"]
    return [f"signalled_used {signalled} is not valid: the next completion is certain to notify"]


def _kicks(device: DeviceState, notify: Optional[Notify]) -> List[str]:
    if device.notification is not False:
        return []
    if notify is not None and notify.polling:
        return ["kicks are turned off while the event loop polls, as they should be (notification false)"]
    return ["the device has kicks turned off (notification false)"]


def _notifiers(notify: Notify) -> List[str]:
    said = []
    if notify.host_notifier is not None and notify.host_notifier.eventfd_count:
        said.append(f"a kick lies unread in the host notifier, fd {notify.host_notifier.fd}")
    if notify.guest_notifier is not None and notify.guest_notifier.eventfd_count:
        said.append(f"an interrupt lies unread in the guest notifier, fd {notify.guest_notifier.fd}")
    if notify.host_notifier is not None and notify.host_notifier.handler is False:
        said.append("no handler is attached to the host notifier: a kick would not be noticed")
    if notify.host_notifier is not None and notify.host_notifier.handler_disabled:
        said.append("the loop leaves the handler of the host notifier out for now, as during a drain")
    if notify.batched:
        said.append("an interrupt waits for the bottom half that sends gathered ones")
    return said + _messages(notify)


def _messages(notify: Notify) -> List[str]:
    """Where the three copies of an MSI message differ: the guest's in the table, QEMU's for KVM, KVM's own."""
    msix, given, route = notify.msix, notify.irqfd_message, notify.route
    said = []
    if msix is not None and given is not None and (msix.address, msix.data) != (given.address, given.data):
        said.append(f"KVM was given another message ({given.address!r}, {given.data!r}) than the vector's entry has "
                    f"({msix.address!r}, {msix.data!r})")
    if given is not None and route is not None and given != route:
        said.append(f"KVM's route {notify.virq} has another message ({route.address!r}, {route.data!r}) than QEMU "
                    f"noted for the vector ({given.address!r}, {given.data!r})")
    return said


def _msix(notify: Notify) -> List[str]:
    msix = notify.msix
    if msix is None or not msix.enabled:
        return []
    said = []
    if msix.function_masked:
        said.append("MSI-X is masked for the whole function")
    if msix.masked:
        said.append(f"vector {notify.vector} is masked")
    if msix.pending:
        said.append(f"vector {notify.vector} has its pending bit set: an interrupt came while it was masked")
    if not msix.in_use:
        said.append(f"vector {notify.vector} is not in use (msix_entry_used 0): QEMU drops what is sent to it")
    return said


def _thread(notify: Notify, threads: Optional[Sequence[ThreadState]]) -> List[str]:
    """Where the thread that serves the queue stands: only that tells a lost event from one on its way."""
    thread = next((one for one in threads or () if one.id == notify.thread), None)
    if thread is None:
        return []
    name = f" ({shortened(thread.role or thread.name or '', 40)})" if thread.role or thread.name else ""
    if not thread.functions:
        return [f"thread {thread.id}{name} serves it; its stack is not known"]
    stack = " < ".join(shortened(one, 60) for one in thread.functions[:FRAMES])
    more = " < ..." if len(thread.functions) > FRAMES else ""
    said = [f"thread {thread.id}{name} serves it and stands in {stack}{more}"]
    if thread.deferred_calls:
        said.append(f"it has put off {plural(thread.deferred_calls, 'call')} (defer_call()), an interrupt perhaps "
                    "among them")
    return said
