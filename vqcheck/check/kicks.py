"""Lost kicks: the driver posted entries that the device has not popped, and owed a notification for them."""
from typing import List, Optional

from ..snapshot.device_model import Notifier
from . import wording
from .facts import Facts
from .pairing import Pair
from .stacks import Standing, asleep, unknown_thread, unproven
from .verdict import Cause, Event, Evidence, Finding

RULE = "lost-kick"
ARRIVED = "kick-not-served"


def finding(pair: Pair, facts: Facts, lasts: str, thread: Optional[Standing]) -> Finding:
    """The finding, once it is established that the kick was due and that the state lasts."""
    what = lost(pair, facts)
    notifier = _notifier(pair)
    arrived = bool(notifier and notifier.eventfd_count)
    entries = wording.entry(facts.posted)
    return Finding(
        rule=ARRIVED if arrived else RULE,
        headline=f"{entries} posted by the driver and never popped by the device: " + (
            "the kick has arrived, and the event loop does not serve it" if arrived else
            f"the kick due for available entry {what.idx} was lost"),
        blame=_blame(facts, arrived),
        event=what,
        evidence=_evidence(pair, facts, lasts, thread),
        against=_unknown(pair, facts, thread),
        confidence=_confidence(pair, facts, thread),
        causes=_causes(pair, facts),
        actions=_actions(pair, facts),
    )


def lost(pair: Pair, facts: Facts) -> Event:
    """The kick that was due: the available entry whose publication crossed avail_event."""
    idx = facts.ring.avail_event if facts.event_idx else facts.last_avail_idx
    head = next((entry.head for entry in pair.host.available or [] if entry.idx == idx), None)
    notifier = _notifier(pair)
    through = f"host notifier fd {notifier.fd}" if notifier and notifier.fd is not None else None
    return Event("kick", idx, head, wording.request_of(pair.guest, head), through)


def _notifier(pair: Pair) -> Optional[Notifier]:
    return pair.host.notify.host_notifier if pair.host.notify else None


def _blame(facts: Facts, arrived: bool) -> str:
    if arrived:
        return "host: its event loop has the kick in its eventfd and does not run the queue's handler"
    if facts.num_added == 0:
        return "notification path or host: the driver is past its decision whether to kick, and the device never looked"
    return "driver, notification path or host: whether the driver came to its decision to kick is not known"


def _evidence(pair: Pair, facts: Facts, lasts: str, thread: Optional[Standing]) -> List[Evidence]:
    found = [Evidence(f"avail->idx {facts.ring.avail_idx}, last_avail_idx {facts.last_avail_idx}",
                      f"the device has not popped {wording.entry(facts.posted)}"),
             _due(facts)]
    if facts.num_added == 0:
        found.append(Evidence("num_added 0", "the driver has passed the point where it decides whether to kick"))
    found.append(Evidence("persistence", lasts))
    if facts.notification:
        found.append(Evidence("notification true", "the device wants kicks"))
    notifier = _notifier(pair)
    if notifier and notifier.eventfd_count is not None:
        found.append(Evidence(f"eventfd_count of the host notifier, fd {notifier.fd}, is {notifier.eventfd_count}",
                              "the kick has arrived and waits to be read" if notifier.eventfd_count else
                              "no kick waits to be read: it never arrived, or was read and dropped"))
    if thread is not None:
        found.append(asleep(thread))
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


def _unknown(pair: Pair, facts: Facts, thread: Optional[Standing]) -> List[str]:
    found: List[str] = []
    if thread is None:
        found.append(unknown_thread("it may be about to run the queue's handler"))
    if facts.num_added is None:
        found.append("num_added is not known: the driver may still be adding requests, and kick later")
    if pair.host.notify is None or pair.host.notify.polling is None:
        found.append("whether the event loop is busy polling is not known: it needs no kicks then")
    notifier = _notifier(pair)
    if notifier is None or notifier.eventfd_count is None:
        found.append("the host notifier's eventfd counter is not known (it is not in a core): above 0 the kick has "
                     "arrived, and the thread does not serve it")
    return found


def _confidence(pair: Pair, facts: Facts, thread: Optional[Standing]) -> str:
    lacking = unproven(pair, thread)
    if facts.num_added is None:
        lacking.append("num_added is not known")
    if lacking:
        return "fair: the arithmetic leaves no other reading, but " + " and ".join(lacking)
    return "high: both sides read the same ring, and the serving thread sleeps"


def _causes(pair: Pair, facts: Facts) -> List[Cause]:
    notifier = _notifier(pair)
    count = notifier.eventfd_count if notifier else None
    arrived = Cause("the kick arrived and the event loop does not serve it (thread blocked, event lost)",
                    "eventfd_count of the host notifier above 0; stacks of all threads")
    if count:
        return [arrived]
    others = [
        Cause("the kick was read and its handler was not run, or returned without looking at the ring",
              "eventfd_count 0 with a handler attached; a trace of virtio_queue_notify on a live QEMU"),
        Cause("the kick never reached QEMU: ioeventfd not assigned in KVM, or the guest did not write it",
              "host_notifier_enabled, `info mtree -f`, a trace of kvm's ioeventfd; virtqueue_notify in the guest"),
    ]
    if facts.event_idx:
        others.append(Cause("the device asked for kicks only after the driver had decided against one, and did not "
                            "look at the ring again", "QEMU's version; block jobs and drains in its log"))
    return others if count == 0 else [others[0], arrived, *others[1:]]


def _actions(pair: Pair, facts: Facts) -> List[str]:
    found: List[str] = []
    if facts.next_request_kicks and facts.room:
        found.append(f"in the guest, issue one read that goes to the disk (dd if=/dev/{pair.guest_device.name} "
                     "of=/dev/null bs=4k count=1 iflag=direct): its kick makes the device look at all that waits")
    else:
        found.append("more I/O from the guest will NOT help: with avail_event where it is, the driver is told "
                     "not to kick" if facts.room else "more I/O from the guest will NOT help: the ring is full")
    notifier = _notifier(pair)
    if notifier and notifier.fd is not None and notifier.fd >= 0 and notifier.initialized is not False:
        found.append(f"on the host, write the number 1 (8 bytes) to the host notifier, fd {notifier.fd} of QEMU: "
                     f"gdb -p PID -batch -ex 'call (int)eventfd_write({notifier.fd}, 1)'. A spurious kick is harmless")
    restart = "QMP `stop` and then `cont`: starting the device again kicks every queue"
    if facts.popped:
        held = wording.count(facts.popped, "request")
        restart += f". It drains first: while the device holds {held}, `stop` may block"
    found.append(restart)
    found.append("last resort: reset the VM")
    return found
