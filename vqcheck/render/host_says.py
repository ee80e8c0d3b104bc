"""What the host's side alone can say of a queue, in sentences.

Only what its own fields prove; who lost what is for the two sides together.
"""
from typing import List, Optional, Sequence

from ..snapshot.device_model import DeviceState, HostDevice, Notify, ThreadState
from ..snapshot.model import Queue, RingState
from ..virtio.event import distance
from .escape import shortened
from .words import listed, plural

FRAMES = 6
"""Functions of a stack that are shown."""


def sentences(queue: Queue, part: HostDevice, event_idx: Optional[bool],
              threads: Optional[Sequence[ThreadState]]) -> List[str]:
    """What there is to say of a queue; at least that nothing is under way, or why nothing can be said."""
    if part.vhost_started:
        said = ["vhost serves this queue: QEMU's indexes are those of its last stop, and say nothing of now"]
    elif queue.device is None:
        said = ["the device's state is not known, so nothing can be said of its requests"]
    else:
        said = _indexes(queue, queue.device)
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
    return said + _block(part)


def _block(part: HostDevice) -> List[str]:
    block = part.block
    if block is None:
        return []
    said = []
    if block.in_flight:
        said.append(f"the block layer has {plural(block.in_flight, 'request')} in flight")
    if block.quiesce_counter:
        said.append(f"the block layer is drained (quiesce_counter {block.quiesce_counter}): it takes no requests")
    if block.parked:
        said.append(f"{plural(block.parked, 'request')} parked for a retry after an error")
    if block.throttled:
        said.append(f"{plural(block.throttled, 'request')} in the throttle group's waiting line")
    return said


def _indexes(queue: Queue, device: DeviceState) -> List[str]:
    ring = queue.ring
    popped, used = device.last_avail_idx, device.used_idx
    if ring is None or popped is None or used is None or queue.layout == "packed":
        return [] if device.inuse is None else [_under_way(device.inuse)]
    size = queue.size or 0x8000
    posted, held = distance(ring.avail_idx, popped), distance(popped, used)
    if posted > size or held > size:
        return [f"the indexes contradict each other: avail->idx {ring.avail_idx}, last_avail_idx {popped}, used_idx "
                f"{used} in a queue of {size}; corrupt, or not read at one instant"]
    said = []
    if posted:
        heads = f"; heads {listed([entry.head for entry in queue.available])}" if queue.available else ""
        said.append(f"{plural(posted, 'request')} posted and not popped: avail->idx {ring.avail_idx}, last_avail_idx "
                    f"{popped}{heads}")
    if held:
        said.append(f"{plural(held, 'request')} popped and not returned: last_avail_idx {popped}, used_idx {used}")
    if not posted and not held:
        said.append("nothing posted and nothing under way: the device has returned all it was given; whether the "
                    "driver noticed only the guest knows")
    return said + _disagreements(device, ring, held)


def _under_way(inuse: int) -> str:
    return f"{plural(inuse, 'element')} popped and not returned (inuse)" if inuse else "nothing under way (inuse 0)"


def _disagreements(device: DeviceState, ring: RingState, held: int) -> List[str]:
    said = []
    if device.inuse is not None and device.inuse != held:
        said.append(f"inuse {device.inuse} is not what the indexes say: {held}")
    if device.used_idx != ring.used_idx:
        said.append(f"used_idx {device.used_idx} is not what the ring says: used->idx {ring.used_idx}")
    return said


def _suppression(queue: Queue, device: DeviceState, event_idx: Optional[bool]) -> List[str]:
    """What (signalled_used, signalled_used_valid) prove; nothing at all without EVENT_IDX."""
    signalled, valid, used = device.signalled_used, device.signalled_used_valid, device.used_idx
    if valid is None or signalled is None or used is None or queue.layout == "packed" or event_idx is None:
        return []
    if not event_idx:
        return ["signalled_used means nothing here: EVENT_IDX is not negotiated"]
    if valid and signalled == used:
        return ["whether to interrupt was decided for everything returned (signalled_used equals used_idx); this is "
                "no proof that an interrupt was sent"]
    if valid:
        return [f"{plural(distance(used, signalled), 'returned entry', 'returned entries')} for which QEMU has not "
                f"yet decided whether to interrupt: used_idx {used}, signalled_used {signalled}"]
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
    name = f" ({shortened(thread.name, 40)})" if thread.name else ""
    if not thread.functions:
        return [f"thread {thread.id}{name} serves it; its stack is not known"]
    stack = " < ".join(shortened(one, 60) for one in thread.functions[:FRAMES])
    more = " < ..." if len(thread.functions) > FRAMES else ""
    return [f"thread {thread.id}{name} serves it and stands in {stack}{more}"]
