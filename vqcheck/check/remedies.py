"""What an engineer can do now to move a queue, and whether it would."""
from typing import List, Optional

from ..snapshot.device_model import Notifier
from ..virtio import devices
from . import wording
from .case import Case
from .records import NO_VECTOR

RESET = "last resort: reset the VM"

REBIND = ("of a network card or the like, unbind and bind its driver; of a disk, reset the VM: unbinding would wait "
          "for the very requests that hang")
"""Linux virtblk_remove() and virtscsi_remove() remove the disk before they reset the device: del_gendisk() flushes it,
and waits for all that is in flight."""

WAKE = ("any wake-up of the loop may be enough: for the main loop a QMP command, for an iothread a gdb that attaches "
        "and detaches")

CORE = ("for QEMU's developers, a core (gcore): it tells most if it is taken before anything here moves the queue; the "
        "VM stands still while it is written")

def blocked(case: Case) -> Optional[str]:
    """Why no interrupt of the queue arrives, whoever sends it; None where nothing is seen to stop it."""
    irq, notify = case.guest_queue.irq, case.host_queue.notify
    msix = notify.msix if notify else None
    if indicators_differ(case):
        return "QEMU sets another indicator bit than the driver looks at"
    if case.peek("indicator.set") and case.peek("indicator.summary"):
        return "the summary indicator is set, and until the guest clears it QEMU makes no adapter interrupt"
    if irq is not None and irq.depth:
        return f"the guest has irq {irq.number} disabled"
    if notify is not None and notify.vector == NO_VECTOR and case.by_vector:
        return "the queue has no vector"
    if msix is not None and msix.enabled and not msix.in_use:
        return "the queue's MSI-X vector is not marked in use, and QEMU drops what is sent to it"
    if msix is not None and msix.enabled and (msix.masked or msix.function_masked):
        return "the queue's MSI-X vector is masked"
    return None


def indicators_differ(case: Case) -> bool:
    """Whether a channel device has another indicator bit for the queue than its driver."""
    mine, yours = case.guest_queue.indicator, case.host_queue.indicator
    return mine is not None and yours is not None and mine[:3] != yours[:3]


def one_more(case: Case) -> Optional[str]:
    """Whether one more request un-wedges a queue whose interrupt was lost, and how to send it; None where not known."""
    stopped = blocked(case)
    if stopped is not None:
        return f"more I/O from the guest will NOT help: {stopped}"
    notifies, kicks = case.next_completion_notifies, case.next_request_kicks
    if notifies is False:
        return ("more I/O from the guest will NOT help: with used_event where it is, the next completion is suppressed")
    if notifies is None or kicks is None:
        return None
    if not kicks:
        return ("more I/O from the guest will NOT help: with avail_event where it is, the driver is told not to kick, "
                "and the device would not see it")
    if not case.room:
        return "more I/O from the guest will NOT help: the ring is full"
    return send(case, "its completion is certain to be signalled, and the handler then consumes all that waits")


def one_more_kick(case: Case) -> Optional[str]:
    """Whether one more request un-wedges a queue whose kick was lost, and how to send it; None where not known."""
    kicks = case.next_request_kicks
    if kicks is None:
        return None
    if not case.room:
        return "more I/O from the guest will NOT help: the ring is full"
    if not kicks:
        return ("more I/O from the guest will NOT help: with avail_event where it is, the driver is told not to kick")
    return send(case, "its kick makes the device look at all that waits")


def send(case: Case, why: str) -> str:
    """How to put one more request on this very queue, and why; the command comes last, to be copied as it is."""
    disk = _disk(case)
    if disk is None:
        return f"in the guest, do one small operation on {case.guest_device.name} that goes to this queue: {why}"
    where = ""
    index = case.guest_queue.queue_index
    if case.guest_device.device_id == devices.BLOCK and (len(case.guest_device.queues) > 1 or index):
        where = f" from a CPU of this queue (one of /sys/block/{disk}/mq/{index}/cpu_list)"
    taskset = "taskset -c CPU " if where else ""
    return (f"in the guest, issue one read that goes to the disk{where}, as {why}: {taskset}dd if=/dev/{disk} "
            "of=/dev/null bs=4k count=1 iflag=direct")


def _disk(case: Case) -> Optional[str]:
    if case.guest_device.device_id == devices.BLOCK:
        return case.guest_device.name
    part = case.guest_device.guest
    for one in (part.block if part else None) or []:
        if one.disk:
            return one.disk
    return None


def inject(case: Case) -> List[str]:
    """How to send the interrupt by hand, from either side."""
    if blocked(case) is not None:
        return []
    found = []
    irq = case.guest_queue.irq
    if irq is not None:
        found.append(f"in the guest, if debugfs has it: echo trigger > /sys/kernel/debug/irq/irqs/{irq.number}")
    notifier = case.peek("notify.guest_notifier")
    if usable(notifier):
        found.append(_write(notifier, "guest notifier", "a spurious interrupt is harmless, as drivers must tolerate it "
                            "by virtio 1.2, 2.7.7.1"))
    if found:
        count = "count of VAI in the guest's /proc/interrupts" if case.bus == "ccw" else "irq count"
        found.append(f"if the {count} then rises but last_used_idx does not move, the guest is to blame; if I/O "
                     "resumes, the loss of the notification is proven and no data is lost")
    return found


def kick_by_hand(case: Case) -> List[str]:
    """How to send the kick from the host."""
    found = []
    notifier = case.peek("notify.host_notifier")
    if usable(notifier) and notifier.enabled is not False:
        found.append(_write(notifier, "host notifier", "a spurious kick is harmless"))
    found.append(stop_and_cont(case, "starting the device again kicks every queue"))
    return found


def _write(notifier: Notifier, name: str, harmless: str) -> str:
    return (f"on the host, write the number 1 (8 bytes) to the {name}, fd {notifier.fd} of QEMU ({harmless}): "
            f"gdb -p PID -batch -ex 'call (int)eventfd_write({notifier.fd}, 1)' </dev/null")


def stop_and_cont(case: Case, why: str) -> str:
    """QMP `stop` and `cont`, and what speaks against them here."""
    text = f"QMP `stop` and then `cont`: {why}"
    popped = 0 if case.vhost else case.popped
    if popped:
        text += (f". It drains first: while the device holds {wording.count(popped, 'request')}, `stop` may block")
    return text


def usable(notifier: Optional[Notifier]) -> bool:
    """Whether a notifier can be written to."""
    return notifier is not None and notifier.fd is not None and notifier.fd >= 0 and notifier.initialized is not False
