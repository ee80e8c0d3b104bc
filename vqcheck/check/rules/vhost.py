"""Queues that vhost serves, in the host's kernel or in another process: V0, V1."""
from typing import Optional

from ...virtio import devices
from .. import remedies
from ..case import Case
from ..history import stood
from ..persistence import of_backend
from ..result import Evidence, Excused, Found, Outcome
from ..rule import BLOCKERS, HIGH, VHOST, Rule
from ..unknown import Unknown
from .common import fields, lasting_words


def _holds(case: Case) -> Outcome:
    if not case.vhost:
        return "QEMU itself serves the queue"
    parked = case.kind == devices.PARKED and case.guest_device.device_id in (devices.FS, devices.GPU)
    if case.kind not in (devices.REQUEST, devices.LAZY) and not parked:
        return f"a queue of class {case.kind} may keep entries for long"
    number = case.outstanding - case.returned
    if number <= 0:
        return "the backend has returned everything"
    back = case.returned_requests
    requests = None if back is None or case.guest_queue.in_flight is None else \
        [one for one in case.guest_queue.in_flight if one.head not in {other.head for other in back}]
    seen = None if case.returned else case.seen
    lasts = of_backend(requests, seen, stood(case.history.guest, _unreturned),
                       "used->idx stays where it is, with requests outstanding")
    what = f"{number} posted to the vhost backend and not returned"
    if lasts.young:
        return Excused(f"{what}; {lasts.doubt}")
    doubts = [] if lasts.evidence else [f"{what}, and {lasts.doubt}"]
    if parked:
        if doubts:
            return Excused(f"{what}: the device keeps elements of such a queue for as long as it likes")
        doubts = [f"{what}, and {lasts.evidence}; but such a request may wait by design, as for a lock or a fence"]
    return Found(
        f"{what}: the backend has not seen them, or has not finished them", [
            Evidence("QEMU's own indexes are those of its last stop: only the backend knows how far it has "
                     "come", fields(
                avail_idx_shadow=case.axis.words(case.driver_avail), used__idx=case.axis.words(case.ring_used),
                last_used_idx=case.axis.words(case.driver_used)), _backends(case)),
            *_asked(case), *lasting_words(lasts)],
        doubts, against=[
            "whether the kick was lost or the backend is stuck can't be told from QEMU and the guest alone"],
        actions=remedies.kick_by_hand(case))


def _unreturned(queue: "object") -> "object":
    ring, driver = getattr(queue, "ring", None), getattr(queue, "driver", None)
    if ring is None or driver is None or driver.avail_idx_shadow == ring.used_idx:
        return None
    return ring.used_idx


def _asked(case: Case) -> "list[Evidence]":
    """What avail_event, which the backend writes, says of how far it has come."""
    try:
        asks = case.avail_event
        if asks is None:
            return []
        ahead = case.axis.distance(case.ring_avail, asks)
    except Unknown:
        return []
    words = case.axis.words
    if ahead == 0:
        says = "avail_event is where the driver posts next: the backend has seen everything, so it holds the requests"
    elif ahead <= case.outstanding:
        says = f"avail_event {words(asks)} was crossed, so the driver kicked, and the backend has not looked since"
    else:
        return []
    return [Evidence(says, None, f"avail_event {words(asks)}")]


def _backends(case: Case) -> Optional[str]:
    kinds = sorted({one.backend for one in case.peek("host.vhost") or [] if one.backend})
    return f"vhost {', '.join(kinds)}" if kinds else "vhost"


HOLDS = Rule(
    id="V0", slug="vhost-backend-stuck",
    title="A vhost backend does not return requests",
    blame="the vhost backend, or the kick towards it",
    severity=HIGH, stage=VHOST, test=_holds, essential=True,
    holds_when="vhost serves the queue, and requests are posted and not returned for more than five seconds",
    needs=("vhost", "kind", "outstanding", "returned"),
    not_when=("the storage below the backend is slow, and the requests are younger",
              "FUSE requests that may wait long, as those for a lock: they are suspected at most",
              "buffers that wait for something to happen, as those of receive queues"),
    explanation="While vhost serves a queue, last_avail_idx, used_idx, inuse and signalled_used in QEMU are those of "
                "its last stop, and no arithmetic on them says anything.  What the ring itself holds remains: "
                "entries posted and not returned are with the backend, or were never seen by it.",
    confirm=("the backend's own view: vhost_virtqueue of the host's kernel (drgn, crash), the daemon's log and "
             "stacks",
             "the counter of the kick eventfd in the backend"),
    actions=("look at the backend: is its thread or daemon alive, and where does it stand?", remedies.RESET),
    references=("QEMU hw/virtio/vhost.c",
                "Linux drivers/vhost/vhost.c (struct vhost_virtqueue)",
                "SPDK issues 3150, 3178; DPDK commit 2f706027c8"),
)


def _gone(case: Case) -> Outcome:
    kind = case.get("host.type")
    if not kind.startswith(("vhost-user", "vhost-vdpa", "vhost-scsi", "vhost-vsock")):
        return f"a {kind} does not need vhost"
    if case.get("host.vhost_started"):
        return "the backend serves the device"
    return Found(
        "the vhost backend is gone: the device is in service in the guest, and nobody serves it", [Evidence(
            "a device of this type is served by its backend alone", fields(status=case.guest_device.status), fields(
                type=kind, vhost_started=False, status=case.host_device.status))],
        doubts=["a backend that is just connecting again looks the same; capture again"]
        if len(case.history.host) < 2 or any(_was_started(one) for one in case.history.host[:-1]) else [])


def _was_started(sample: "object") -> bool:
    host = getattr(getattr(sample, "device", None), "host", None)
    return bool(host is None or host.vhost_started is not False)


GONE = Rule(
    id="V1", slug="vhost-backend-gone",
    title="The vhost backend is not connected",
    blame="the backend, or its connection",
    severity=HIGH, stage=BLOCKERS, test=_gone,
    holds_when="a device that only a vhost backend serves is not started, although the VM runs",
    needs=("host.type", "host.vhost_started"),
    not_when=("the backend is connecting again",),
    explanation="When a vhost-user backend goes away, QEMU stops vhost and takes last_avail_idx and used_idx from "
                "the ring.  Requests that were in flight then look as if they had never been popped.",
    confirm=("query-chardev: is the socket connected?  the daemon's log",),
    actions=("start the backend again: QEMU reconnects where `reconnect` is set", remedies.RESET),
    references=("QEMU hw/virtio/vhost.c, vhost_virtqueue_stop()",
                "QEMU commits f02a4b8e64, 9569fe0aac, 6eaf0e612b (9.1), 07fde5901b"),
    explains=("K1", "K2", "K3", "K7"),
)

RULES = (GONE, HOLDS)
