"""What may be behind a lost interrupt, ranked by what the snapshots say for and against each mechanism."""
from typing import List, NamedTuple, Optional, Sequence, Tuple

from ..case import Case
from ..result import EXCLUDED, LIKELY, POSSIBLE, RANKS, UNLIKELY, Cause

Judged = Tuple[str, str]
"""A rank, and what speaks for it."""

NO_MIGRATION = "none"


def causes(case: Case) -> List[Cause]:
    """The mechanisms, likeliest first."""
    if case.vhost:
        return [_backend_silent(), Cause(
            POSSIBLE, f"the interrupt was lost after the backend signalled it: {_ways(case).short}",
            "", f"eventfd_count of the guest notifier; {_ways(case).told_of_vhost}", list(_ways(case).rules_of_vhost))]
    found = [_hand_over(case), _bypass(case), _decode(case), _downstream(case), _first(case), _skipped(case),
             _deferred(case), _decided_wrongly(case), _driver(case)]
    return sorted((one for one in found if one is not None), key=lambda one: RANKS.index(one.rank))


def _backend_silent() -> Cause:
    return Cause(LIKELY, "the vhost backend wrote the used ring and did not signal its call eventfd",
                 "QEMU takes no part in it", "strace or perf of the vhost thread or daemon; its version; "
                 "another completion of the same queue", ["V0"])


def _evaluated(case: Case) -> Optional[bool]:
    return case.evaluated if case.peek("device.signalled_used_valid") is not None else None


def _hand_over(case: Case) -> Optional[Cause]:
    if not case.event_idx or case.packed:
        return None
    rank, because = _loaded(case)
    return Cause(rank, "the notification was lost across a hand-over (live migration, save and restore, loadvm): the "
                 "source completed the requests, and nothing signals again after a load", because,
                 "-incoming on QEMU's command line, or a process younger than the guest's boot; other queues of the "
                 "same process that did I/O since show signalled_used valid, those that did none show 0 and invalid",
                 ["M1"])


def _loaded(case: Case) -> Judged:
    if case.peek("device.signalled_used_valid") is None:
        return POSSIBLE, "signalled_used is not known"
    if not case.never_evaluated:
        return EXCLUDED, "QEMU has evaluated notifications of this queue since it was loaded or reset"
    incoming, completed = case.peek("qemu.incoming"), case.peek("host.block.completed")
    sign = "signalled_used is 0 and invalid, as after a load"
    if incoming not in (None, NO_MIGRATION):
        return LIKELY, f"{sign}, and this process is the destination of a migration (its state is {incoming})"
    if completed == 0:
        return LIKELY, f"{sign}, and this process has completed no request of the disk, although used_idx is not 0"
    if completed and len(case.host_device.queues) == 1:
        return EXCLUDED, (f"this process has itself completed {completed} requests of the disk, each of which "
                          "evaluates the need to notify")
    if _young(case):
        return POSSIBLE, f"{sign}; but the queue is young, used_idx is {case.device_used}"
    if incoming == NO_MIGRATION:
        return LIKELY, f"{sign}; no migration came in, so it would be a loadvm or a restore"
    return LIKELY, sign


def _young(case: Case) -> bool:
    return case.device_used <= case.size


def _bypass(case: Case) -> Optional[Cause]:
    if not case.event_idx or case.packed or case.peek("device.signalled_used_valid") is not False:
        return None
    rank, because = POSSIBLE, "signalled_used that is never touched is what a stopped vhost leaves behind"
    if not case.never_evaluated:
        rank, because = UNLIKELY, "QEMU has evaluated notifications of this queue before"
    elif case.peek("host.block") is not None:
        rank, because = UNLIKELY, "the device has a BlockBackend of QEMU's own, and vhost does not serve it"
    return Cause(rank, "notifications bypass QEMU's virtio.c (a vhost-user or vDPA backend that was disconnected, a "
                 "vendor's own data path)", because, "vhost_started and the device's type; then all queues of the "
                 "device show signalled_used 0 and invalid", ["V1"])


def _first(case: Case) -> Optional[Cause]:
    if case.peek("device.signalled_used_valid") is None or not case.never_evaluated:
        return None
    young = _young(case)
    return Cause(LIKELY if young else UNLIKELY,
                 "QEMU never came to its first notification of this queue: skipped, or its thread stopped before it",
                 f"the queue is young, used_idx is {case.device_used}" if young else
                 f"{case.device_used} completions of one process leave signalled_used at 0 only if none was evaluated",
                 "stacks of all threads; a trace of virtio_notify on the next completion", ["I1"])


def _skipped(case: Case) -> Optional[Cause]:
    evaluated = _evaluated(case)
    if evaluated is None:
        return Cause(POSSIBLE, "QEMU skipped the notification, or its thread stopped between push and notify",
                     "", "stacks of all threads; a second capture: does the thread still stand there?", ["I1"])
    if case.never_evaluated:
        return None
    rank, because = (EXCLUDED, "signalled_used covers the entry due") if evaluated else \
        (LIKELY, "signalled_used is valid and does not cover the entry due")
    return Cause(rank, "QEMU skipped the notification, or its thread stopped between push and notify", because,
                 "stacks of all threads; a second capture: does the thread still stand there?", ["I1"])


def _deferred(case: Case) -> Optional[Cause]:
    what = "the notification was gathered with others and never sent"
    told = ("the serving thread's deferred calls (QEMU from 8.2), batch_notify_vqs and its bottom half (until 8.1); a "
            "second capture")
    if case.peek("notify.batched"):
        return Cause(LIKELY, what, "the queue is marked in batch_notify_vqs", told, ["I3"])
    calls = None if case.serving is None else case.serving.thread.deferred_calls
    if calls:
        return Cause(LIKELY, what, f"the serving thread has {calls} calls put off", told, ["I3"])
    if calls == 0 or case.peek("notify.batched") is False:
        return Cause(EXCLUDED, what, "no call is put off, and nothing is gathered", told, ["I3"])
    if _evaluated(case) is False:
        return None
    return Cause(POSSIBLE, what, "", told, ["I3"])


def _downstream(case: Case) -> Cause:
    evaluated = _evaluated(case)
    if evaluated is False:
        rank, because = UNLIKELY, "then QEMU would have evaluated the need to notify, and signalled_used would say so"
        if case.never_evaluated:
            because += ", unless it was lost before a hand-over"
    elif evaluated:
        rank, because = LIKELY, "QEMU has evaluated the need to notify for the entry due"
    else:
        rank, because = POSSIBLE, ""
    ways = _ways(case)
    if case.peek("indicator.set") is False:
        because += "; no indicator bit waits for the handler" if because else "no indicator bit waits for the handler"
    return Cause(rank, "it was lost on the way from the guest notifier to the guest's handler: eventfd not read, "
                 f"irqfd not assigned, {ways.steps}", because,
                 f"eventfd_count of the guest notifier on a live QEMU; {ways.told}", list(ways.rules))


class _Ways(NamedTuple):
    """What lies between the guest notifier and the guest's handler."""

    short: str
    steps: str
    told: str
    rules: Sequence[str]
    told_of_vhost: str
    rules_of_vhost: Sequence[str]


IRQ_COUNT, VAI_COUNT = "the irq's count in /proc/interrupts", "the count of VAI in the guest's /proc/interrupts"

BY_VECTOR = _Ways("irqfd, MSI-X entry, route, vCPU, irq_desc",
                  "vector masked, route stale, vCPU that did not take it, irq disabled",
                  "the MSI-X entry and KVM's route against the guest's msi_desc; on x86 `info lapic` of the "
                  f"target vCPU (IRR); {IRQ_COUNT}", ("I2", "I5", "I6", "I7", "I8", "I9", "I10", "I11"),
                  f"on x86 `info lapic`; {IRQ_COUNT}", ("I2", "I5", "I8", "I9", "I11"))

BY_INDICATOR = _Ways("irqfd, adapter route, indicator bits, adapter interrupt",
                     "adapter route stale, indicator bit not seen, adapter interrupt not taken",
                     f"the indicator bit and the summary indicator in the guest's memory; {VAI_COUNT}", ("I2", "I21"),
                     VAI_COUNT, ("I2", "I21"))


def _ways(case: Case) -> _Ways:
    return BY_INDICATOR if case.bus == "ccw" else BY_VECTOR


def _decided_wrongly(case: Case) -> Optional[Cause]:
    if not case.event_idx:
        return None
    what = "QEMU decided not to notify although it was due (a stale used_event, a missing barrier)"
    told = "a trace of virtio_notify_irqfd on the next completion; QEMU's version"
    if case.peek("device.signalled_used_valid") is False:
        return Cause(EXCLUDED, what, "while signalled_used is not valid the decision is always to notify", told,
                     ["I4"])
    if case.peek("host.isr") == 0 and (case.by_vector is not False or case.bus == "ccw"):
        return Cause(LIKELY, what, "isr is 0: the device has raised no interrupt since its reset", told, ["I4"])
    return Cause(POSSIBLE if _evaluated(case) else UNLIKELY, what, "", told, ["I4"])


def _decode(case: Case) -> Optional[Cause]:
    if case.peek("device.signalled_used_valid") is None or not case.never_evaluated:
        return None
    same = case.pair.by == "ring address"
    return Cause(UNLIKELY if same else POSSIBLE,
                 "fields of another queue, or debug information that does not match the process",
                 "both sides name the same ring" if same else "", "ring addresses and size equal on both sides; the "
                 "build id of QEMU and of its debug information", ["S4"])


def _driver(case: Case) -> Cause:
    armed = case.used_event == case.driver_used if case.used_event is not None else True
    because = "its callbacks are on" + (", and used_event equals last_used_idx" if case.used_event is not None and armed
                                        else "")
    return Cause(EXCLUDED if armed else UNLIKELY, "the driver did not ask for the interrupt", because,
                 "avail_flags_shadow, event_triggered and used_event in a second capture", ["I13", "I14"])
