"""Whether the two sides describe one queue, and speak one protocol about it: C15, C16, C17, C18, M5."""
from typing import List, Sequence

from ...virtio import features
from ..case import Case
from ..remedies import REBIND
from ..result import Evidence, Found, Outcome
from ..rule import CRITICAL, IDENTITY, Rule
from .common import fields

OTHER_BOOT = "captures of different boots, or the wrong device, look the same"
NEXT_KERNEL = ("the guest's kernel has panicked, and a kdump kernel that runs in its place sets its rings up anew; "
               "what was read is the kernel of before")
AGAIN = "capture both sides again, from the same run of the VM; best of all from one core (vqcheck inspect)"


def _doubts(case: Case) -> List[str]:
    if case.guest_is_dead:
        return [NEXT_KERNEL]
    return [] if case.one_instant else [OTHER_BOOT]


def _rings(case: Case) -> Outcome:
    ours, theirs = case.get("guest_queue.rings"), case.get("host_queue.rings")
    if ours == theirs:
        return "both sides name the same ring"
    return Found(
        f"the two sides have different rings: the guest's lie at {ours.desc!r}, {ours.avail!r}, {ours.used!r}, the "
        f"host's at {theirs.desc!r}, {theirs.avail!r}, {theirs.used!r}",
        [Evidence("the addresses of descriptor table, available and used ring", _addresses(ours), _addresses(theirs))],
        doubts=_doubts(case))


def _addresses(rings: Sequence[object]) -> str:
    return ", ".join(f"{value!r}" for value in rings[:3])


RINGS = Rule(
    id="C15", slug="ring-addresses-differ",
    title="Guest and QEMU have different rings for the queue",
    blame="transport or state transfer",
    severity=CRITICAL, stage=IDENTITY, test=_rings,
    holds_when="both sides know where the queue lies, and do not agree",
    needs=("guest_queue.rings", "host_queue.rings"),
    not_when=("the captures are of different boots: the driver allocates its rings anew",
              "the guest has panicked, and its kdump kernel runs",),
    explanation="Two sides that look at different memory never see each other's entries.",
    confirm=("both captures from one core",),
    actions=(AGAIN, REBIND),
    references=("virtio 1.2, 4.1.4.3 (queue_desc, queue_driver, queue_device)",),
)


def _size(case: Case) -> Outcome:
    ours, theirs = case.get("guest_queue.size"), case.get("host_queue.size")
    if ours == theirs:
        return "both sides have the same size"
    return Found(f"the two sides disagree on the queue's size: {ours} and {theirs}",
                 [Evidence("used_event and avail_event lie at the end of the rings, so each side reads others",
                           fields(size=ours), fields(size=theirs))], doubts=_doubts(case))


SIZE = Rule(
    id="C16", slug="size-differs",
    title="Guest and QEMU disagree on the queue's size",
    blame="transport or state transfer",
    severity=CRITICAL, stage=IDENTITY, test=_size,
    holds_when="both sides know the size, and do not agree",
    needs=("guest_queue.size", "host_queue.size"),
    not_when=("the captures are of different boots",),
    explanation="Every index is taken modulo the size, and the event indexes lie behind the last entry: sides that "
                "disagree read and write different places.",
    confirm=("both captures from one core",),
    actions=(AGAIN, REBIND),
    references=("QEMU commit f0d634ea19 (8.0)",),
)


def _features(case: Case) -> Outcome:
    ours, theirs = case.get("guest_device.features").negotiated, case.get("host_device.features").negotiated
    if ours == theirs:
        return _protocol(case)
    names = features.feature_names(ours ^ theirs, case.guest_device.device_id)
    return Found(f"the two sides have negotiated different features: {ours!r} and {theirs!r} ({', '.join(names)})",
                 [Evidence("what one side relies on, the other does not do", f"negotiated {ours!r}",
                           f"negotiated {theirs!r}")], doubts=_doubts(case))


def _protocol(case: Case) -> Outcome:
    """Whether each side does what was negotiated."""
    layouts = case.guest_queue.layout, case.host_queue.layout
    if None not in layouts and layouts[0] != layouts[1]:
        return Found(f"the driver uses a {layouts[0]} ring, and QEMU a {layouts[1]} one", [Evidence(
            "the layout of the ring", f"layout {layouts[0]}", f"layout {layouts[1]}")], doubts=_doubts(case))
    event = case.peek("driver.event")
    if event is not None and event != case.event_idx:
        return Found(
            f"the driver {'uses' if event else 'does not use'} EVENT_IDX, which was "
            f"{'not ' if event else ''}negotiated",
            [Evidence("what was negotiated and what the driver does differ", fields(event=event),
                      f"EVENT_IDX {str(case.event_idx).lower()}")], doubts=_doubts(case))
    return "both sides have negotiated the same, and keep to it"


FEATURES = Rule(
    id="C17", slug="features-differ",
    title="Guest and QEMU have negotiated different features",
    blame="transport or state transfer",
    severity=CRITICAL, stage=IDENTITY, test=_features,
    holds_when="the negotiated masks of the two sides differ, or the driver does not keep to what was negotiated "
               "(EVENT_IDX, packed rings)",
    needs=("guest_device.features", "host_device.features"),
    not_when=("the captures are of different boots",
              "host_features differ: that mask is what is offered, not negotiated"),
    explanation="With EVENT_IDX on one side only, each side suppresses notifications by another rule, and both wait "
                "for ever.",
    confirm=("/sys/bus/virtio/devices/virtioN/features against guest_features in QEMU",),
    actions=(AGAIN, REBIND),
    references=("virtio 1.2, 2.2 Feature Bits",),
)


BIG_ENDIAN = ("s390x", "ppc64", "ppc", "aarch64_be", "armeb", "mips", "mips64", "sparc64", "m68k", "hppa")
"""Machines whose legacy devices are big-endian."""


def _order(case: Case) -> Outcome:
    order = case.get("host.byte_order")
    modern = features.has(case.negotiated, features.VERSION_1)
    machine = None if modern else case.get("guest_snapshot.target.machine")
    wanted = "big" if machine in BIG_ENDIAN else "little"
    if order == wanted:
        return "both sides have the same byte order"
    return Found(
        f"QEMU reads the rings as {order}-endian, and the driver writes them {wanted}-endian", [Evidence(
            "VERSION_1 is negotiated, and then everything is little-endian" if modern else
            "a legacy device has the byte order of its guest", f"machine {machine}" if machine else None,
            f"byte_order {order}")], doubts=[] if modern else [
                "a guest may run with the other byte order than its machine's name says"])


BYTE_ORDER = Rule(
    id="C18", slug="byte-order-differs",
    title="QEMU takes the rings to be of another byte order",
    blame="transport",
    severity=CRITICAL, stage=IDENTITY, test=_order,
    holds_when="VERSION_1 is negotiated and QEMU takes the rings to be big-endian; or it is not negotiated, and QEMU "
               "takes them to have another byte order than the guest's machine",
    needs=("host.byte_order", "negotiated"),
    not_when=("a legacy device of a big-endian guest, whose rings are big-endian",
              "a guest that runs with the other byte order than its machine's name says"),
    explanation="Indexes that are read with their bytes swapped jump by 256, and neither side finds the other's "
                "entries.",
    confirm=("device_endian in a core",),
    actions=(REBIND,),
    references=("QEMU include/hw/virtio/virtio-access.h, virtio_access_is_big_endian()",),
)


def _reset(case: Case) -> Outcome:
    mine, yours = case.peek("guest_device.status"), case.peek("host_device.status")
    if mine is not None and yours is not None and mine != yours:
        return Found(f"the two sides disagree on the device's status: {mine} and {yours}", [Evidence(
            "one side was reset, and the other was not", fields(status=mine), fields(status=yours))],
            doubts=_doubts(case))
    if case.packed or case.vhost:
        return "the positions do not tell"
    guest, host = (case.driver_avail, case.driver_used), (case.device_avail, case.device_used)
    fresh = [indexes == (0, 0) for indexes in (guest, host)]
    if fresh[0] == fresh[1] or abs(case.axis.signed(guest[0], host[0])) <= case.size:
        return "both sides have begun at the same time"
    return Found("one side has begun at 0 and the other has not: a reset reached one of them only", [Evidence(
        "the indexes of one side are those of a fresh queue", fields(avail_idx_shadow=guest[0], last_used_idx=guest[1]),
        fields(last_avail_idx=host[0], used_idx=host[1]))], doubts=_doubts(case))


RESET_ONE_SIDE = Rule(
    id="M5", slug="reset-on-one-side",
    title="A reset reached one side only",
    blame="transport: the guest's driver or QEMU's reset path",
    severity=CRITICAL, stage=IDENTITY, test=_reset,
    holds_when="the status bytes differ, or one side's indexes are 0 and the other's are further away than the queue "
               "is long",
    needs=("vhost", "driver_avail", "driver_used", "device_avail", "device_used"),
    not_when=("the captures are of different boots, or before and after a reset",),
    explanation="After a reset both sides begin at 0.  A side that keeps its old indexes takes new entries for old "
                "ones.",
    confirm=("both captures from one core", "QEMU's log: \"Guest moved used index\""),
    actions=(AGAIN, REBIND),
    references=("QEMU commits eb1556c493 (FLR), 84b58169e4, 5d98e18823, 0caed25cd1, 46228925ed (10.2)",),
)


RULES = (RINGS, SIZE, FEATURES, BYTE_ORDER, RESET_ONE_SIDE)
