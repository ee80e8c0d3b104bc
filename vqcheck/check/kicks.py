"""Lost kicks: the driver posted entries that the device has not popped, and owed a notification for them."""
from typing import List, Optional

from . import wording
from .facts import Facts
from .pairing import Pair
from .stacks import Standing, in_words
from .verdict import Cause, Event, Evidence, Finding

RULE = "lost-kick"


def lost(pair: Pair, facts: Facts) -> Event:
    """The kick that was due: the available entry whose publication crossed avail_event."""
    idx = facts.ring.avail_event if facts.event_idx else facts.last_avail_idx
    head = next((entry.head for entry in pair.host.available or [] if entry.idx == idx), None)
    notifier = pair.host.notify.host_notifier if pair.host.notify else None
    through = f"host notifier fd {notifier.fd}" if notifier and notifier.fd is not None else None
    return Event("kick", idx, head, wording.request_of(pair.guest, head), through)


def finding(pair: Pair, facts: Facts, lasts: str, thread: Optional[Standing]) -> Finding:
    """The finding, once it is established that the kick was due and that the state lasts."""
    what = lost(pair, facts)
    return Finding(
        rule=RULE,
        headline=f"{wording.entry(facts.posted)} posted by the driver and never popped by the device: the kick due for "
                 f"available entry {what.idx} was lost",
        blame="notification path or host: the driver had decided to kick (num_added 0), and the device never looked",
        event=what,
        evidence=_evidence(pair, facts, lasts, thread),
        against=_unknown(pair, thread),
        confidence=_confidence(pair, thread),
        causes=_causes(pair),
        actions=_actions(pair, facts),
    )


def _evidence(pair: Pair, facts: Facts, lasts: str, thread: Optional[Standing]) -> List[Evidence]:
    ring = facts.ring
    found = [
        Evidence(f"avail->idx {ring.avail_idx}, last_avail_idx {facts.last_avail_idx}",
                 f"the device has not popped {wording.entry(facts.posted)}"),
        _due(facts),
        Evidence(f"num_added {facts.num_added if facts.num_added is not None else 'unknown'}",
                 "the driver has passed the point where it decides whether to kick"
                 if facts.num_added == 0 else "whether the driver has decided to kick is not known"),
        Evidence("persistence", lasts),
    ]
    if facts.notification:
        found.append(Evidence("notification true", "the device wants kicks"))
    notifier = pair.host.notify.host_notifier if pair.host.notify else None
    if notifier and notifier.eventfd_count == 0:
        found.append(Evidence(f"eventfd_count of fd {notifier.fd} is 0",
                              "no kick waits to be read: it never arrived, or was read and dropped"))
    if thread is not None and thread.at_rest:
        found.append(Evidence("stack of the serving thread", in_words(thread) + ": it sleeps and serves nothing"))
    return found


def _due(facts: Facts) -> Evidence:
    ring = facts.ring
    if not facts.event_idx:
        return Evidence(f"used->flags {ring.used_flags}", "NO_NOTIFY is clear, so every new entry owes a kick")
    return Evidence(
        f"avail_event {ring.avail_event} (written by the device behind the used ring)",
        f"it asks for a kick once entry {ring.avail_event} is there, and lies in [{facts.last_avail_idx}, "
        f"{ring.avail_idx}): vring_need_event({ring.avail_event}, {ring.avail_idx}, {facts.last_avail_idx}) is true, "
        "so a kick was due")


def _unknown(pair: Pair, thread: Optional[Standing]) -> List[str]:
    found: List[str] = []
    if thread is None:
        found.append("the serving thread's stack is not known: it may be about to run the queue's handler")
    elif not thread.at_rest:
        found.append(in_words(thread) + ", not asleep in its event loop")
    notifier = pair.host.notify.host_notifier if pair.host.notify else None
    if notifier is None or notifier.eventfd_count is None:
        found.append("the host notifier's eventfd counter is not known (it is not in a core): above 0 the kick has "
                     "arrived, and the thread does not serve it")
    elif notifier.eventfd_count:
        found.append(f"the host notifier's counter is {notifier.eventfd_count}: the kick has arrived, and the thread "
                     "does not serve it")
    if notifier and notifier.handler is False:
        found.append("no handler is attached to the host notifier: the device is drained or stopped")
    return found


def _confidence(pair: Pair, thread: Optional[Standing]) -> str:
    if thread is not None and thread.at_rest and pair.guest.ring and pair.host.ring:
        return "high: both sides read the same ring, and the serving thread sleeps"
    return "good: the arithmetic leaves no other reading, but the serving thread is not known to be asleep"


def _causes(pair: Pair) -> List[Cause]:
    notifier = pair.host.notify.host_notifier if pair.host.notify else None
    arrived = Cause("the kick arrived and the event loop does not serve it (thread blocked, event lost)",
                    "eventfd_count of the host notifier above 0; stacks of all threads")
    dropped = Cause("the kick was read and its handler was not run, or returned without looking at the ring",
                    "eventfd_count 0 with a handler attached; a trace of virtio_queue_notify on a live QEMU")
    never = Cause("the kick never reached QEMU: ioeventfd not assigned in KVM, or the guest did not write it",
                  "host_notifier_enabled, `info mtree -f`, a trace of kvm's ioeventfd; virtqueue_notify in the guest")
    if notifier and notifier.eventfd_count:
        return [arrived]
    if notifier and notifier.eventfd_count == 0:
        return [dropped, never]
    return [dropped, arrived, never]


def _actions(pair: Pair, facts: Facts) -> List[str]:
    found: List[str] = []
    if facts.next_request_kicks:
        found.append(f"in the guest, issue one read that goes to the disk (dd if=/dev/{pair.guest_device.name} "
                     "of=/dev/null bs=4k count=1 iflag=direct): its kick makes the device look at all that waits")
    else:
        found.append("more I/O from the guest will NOT help: with avail_event where it is, the driver is told "
                     "not to kick")
    notifier = pair.host.notify.host_notifier if pair.host.notify else None
    found.append("on the host, QMP `stop` and then `cont`: starting the device again kicks every queue")
    if notifier and notifier.fd is not None and notifier.initialized is not False:
        found.append(f"or write the number 1 (8 bytes) to the host notifier, fd {notifier.fd} of QEMU: "
                     f"gdb -p PID -batch -ex 'call (int)eventfd_write({notifier.fd}, 1)'. A spurious kick is harmless")
    found.append("last resort: reset the VM")
    return found
