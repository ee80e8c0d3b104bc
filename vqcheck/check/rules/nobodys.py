"""Requests that were popped and that nobody in QEMU has: B3, M2."""
from .. import remedies
from ..case import Case
from ..late import Late
from ..result import Evidence, Found, Outcome, listed
from ..rule import BACKEND, CRITICAL, Rule
from ..unknown import Unknown
from .causes_of_interrupts import NO_MIGRATION
from .common import fields, of_held
from .held_up import behind, owned


@of_held
def _ownerless(case: Case, late: Late) -> Outcome:
    held = case.get("held")
    if not held.complete:
        why = held.absent.get("complete", "not every place could be looked at")
        raise Unknown(f"whether somebody has them is not known: {why}")
    found = sum(one.descriptors or 1 for one in held.requests) if case.packed else len(held.requests)
    if found >= late.number:
        return "all of them were found"
    return _leaked(case, late, late.number - found)


def _leaked(case: Case, late: Late, missing: int) -> Outcome:
    known = {one.head for one in owned(case)}
    lost = [one.head for one in late.requests or [] if one.head not in known]
    doubts = list(late.doubts)
    if case.serving is None or not case.serving.at_rest:
        doubts.append("the serving thread is not known to be asleep: it may have popped them just now")
    return behind(
        case, late, f"{missing} of them {'belongs' if missing == 1 else 'belong'} to nobody in QEMU", Evidence(
            "every place in which they could be was looked at: " + listed(list(case.get("held").looked_in)),
            f"head {listed(lost)}" if lost else None, fields(
                inuse=case.peek("device.inuse"), found=late.number - missing)),
        doubts=doubts)


def _dropped(case: Case) -> Outcome:
    found = _ownerless(case)
    if not isinstance(found, Found):
        return found
    incoming = case.get("qemu.incoming")
    if incoming == NO_MIGRATION:
        return "this process is no destination of a migration"
    return found._replace(
        headline=found.headline + ", and this process is the destination of a migration",
        evidence=[*found.evidence, Evidence("what was in flight at the hand-over was to be handed over too", None,
                                            f"incoming {incoming}")])


LEAKED = Rule(
    id="B3", slug="request-leaked",
    title="Requests were popped, and nobody has them",
    blame="host: QEMU's device model",
    severity=CRITICAL, stage=BACKEND, test=_ownerless,
    holds_when="requests are held, every place in which QEMU could have them was looked at, and they are in none",
    needs=("kind", "vhost", "popped", "held"),
    not_when=("the serving thread is between popping and submitting", "a device that keeps elements by design"),
    explanation="An element that was popped is either in flight somewhere, or lost: its request will never complete, "
                "and the guest waits for ever.",
    confirm=("a second capture", "QEMU's log"),
    actions=(remedies.CORE, "reset the VM; more I/O does not bring the request back"),
    references=("QEMU hw/virtio/virtio.c, virtqueue_pop(), virtqueue_detach_element()",),
    explains=("B0",),
)

DROPPED = Rule(
    id="M2", slug="in-flight-not-handed-over",
    title="Requests in flight were lost in a migration",
    blame="host: state transfer between two QEMUs",
    severity=CRITICAL, stage=BACKEND, test=_dropped,
    holds_when="requests belong to nobody (B3), and the process is the destination of a migration",
    needs=("kind", "vhost", "popped", "held", "qemu.incoming"),
    not_when=("as B3",),
    explanation="virtio_load() computes inuse from the ring; the elements themselves the device has to send along "
                "and submit again.  A device or backend that drops them leaves inuse above zero for ever.",
    confirm=("the source's log", "the request's age is older than the process"),
    actions=(remedies.CORE, "reset the VM; more I/O does not bring the request back"),
    references=("QEMU hw/virtio/virtio.c, virtio_load()", "QEMU commits 5a317017b8 and bc85aae420 (10.1, vhost-user)"),
    explains=("B0", "B3"),
)

RULES = (DROPPED, LEAKED)
