"""Corruption that one side shows by itself, whatever the other says: C1, C2, C3, C7, C8, C10, C11, B9, G5."""
import collections
from typing import List, Sequence

from ..case import Case
from ..remedies import REBIND
from ..result import Evidence, Found, Outcome, listed
from ..rule import CRITICAL, HIGH, ONE_SIDE, Rule
from .at_work import guest_at_work, host_at_work
from .common import fields

KEEP = "keep both captures, and a core of QEMU (gcore), for the developers"
RESET = "reset the VM: what is in flight on this queue can't be trusted"


def twice(heads: Sequence[int]) -> List[int]:
    """Heads that are there more than once."""
    return sorted(head for head, times in collections.Counter(heads).items() if times > 1)


# Of QEMU's side alone

def _too_far(case: Case) -> Outcome:
    ring = case.get("host_queue.ring")
    ahead = case.axis.distance(ring.avail_idx, case.device_avail)
    if ahead <= case.size:
        return "avail->idx is within the queue"
    return Found(
        f"avail->idx {ring.avail_idx} is {ahead} ahead of last_avail_idx {case.device_avail} in a queue of {case.size}",
        [Evidence("QEMU calls that \"Guest moved used index\" and breaks the device", None, fields(
            avail__idx=ring.avail_idx, last_avail_idx=case.device_avail, size=case.size))],
        doubts=host_at_work(case))


TOO_FAR = Rule(
    id="C1", slug="avail-idx-out-of-range",
    title="avail->idx is further ahead than the queue is long",
    blame="guest, or a stale last_avail_idx",
    severity=CRITICAL, stage=ONE_SIDE, test=_too_far,
    holds_when="avail->idx, as QEMU's capture has it, is more than the queue's size ahead of last_avail_idx",
    needs=("vhost", "host_queue.ring", "device_avail", "size"),
    not_when=(),
    explanation="A driver can't post more entries than there are.  Either it wrote nonsense, or QEMU's index is that "
                "of another run, as after a load that went wrong.",
    confirm=("QEMU's log: \"Guest moved used index\", \"inconsistent with Host index\"",),
    actions=(KEEP, RESET),
    references=("QEMU hw/virtio/virtio.c, virtqueue_num_heads(), virtio_load()",
                "QEMU commits d68cdae30e (5.2), 4aedda25e8 (6.0)"),
)


def _bad_head(case: Case) -> Outcome:
    bad = [entry for entry in case.get("available") if entry.head >= case.size]
    if not bad:
        return "the heads in the available ring are within the queue"
    return Found(f"the available ring holds head {bad[0].head} in a queue of {case.size}", [Evidence(
        "QEMU calls that \"Guest says index is available\" and breaks the device", None,
        f"avail entries {listed([f'{one.idx}: head {one.head}' for one in bad])}")])


BAD_HEAD = Rule(
    id="C2", slug="head-out-of-range",
    title="The available ring holds a head that the queue does not have",
    blame="guest: its driver, or its memory was corrupted",
    severity=CRITICAL, stage=ONE_SIDE, test=_bad_head,
    holds_when="a head between last_avail_idx and avail->idx is not below the queue's size",
    needs=("available", "size"),
    not_when=(),
    explanation="A head is an index into the descriptor table.  QEMU checks it before it follows the chain, and breaks "
                "the device.",
    confirm=("QEMU's log: \"Guest says index N is available\"",),
    actions=(KEEP, RESET),
    references=("QEMU hw/virtio/virtio.c, virtqueue_get_head()",),
)


def _used_apart(case: Case) -> Outcome:
    if case.packed:
        return "a packed ring has no used index"
    ring = case.get("host_queue.ring")
    if ring.used_idx == case.device_used:
        return "used->idx in memory is what QEMU wrote there"
    back = case.axis.signed(ring.used_idx, case.device_used)
    older = back < 0
    return Found(
        f"used->idx in memory is {ring.used_idx}, and QEMU's used_idx is {case.device_used}: " + (
            "the ring's page is older than the device's state" if older else "somebody else wrote to the ring"),
        [Evidence("QEMU writes both together", None, fields(used__idx=ring.used_idx, used_idx=case.device_used))],
        doubts=host_at_work(case))


USED_APART = Rule(
    id="C10", slug="used-idx-not-as-written",
    title="used->idx in memory is not what QEMU wrote",
    blame="another writer to the ring, a wrong ring address, or a page that a migration did not send again (M7)",
    severity=CRITICAL, stage=ONE_SIDE, test=_used_apart,
    holds_when="used->idx, as QEMU's own capture has it, differs from its used_idx",
    needs=("vhost", "host_queue.ring", "device_used"),
    not_when=("QEMU's thread is in virtqueue_flush()", "vhost serves the queue"),
    explanation="QEMU keeps a copy of the index that it last wrote.  If memory says something else, the guest sees "
                "entries that are not there, or misses some that are.  After a migration it means that the page was "
                "not sent again after the source wrote to it.",
    confirm=("a second capture", "QEMU's log of a migration near the hang"),
    actions=(KEEP, RESET),
    references=("QEMU hw/virtio/virtio.c, vring_used_idx_set()",
                "QEMU commits 345cc1cbcb, 240e647a14, 51d59a64ee (vhost's log)"),
)


def _inuse(case: Case) -> Outcome:
    if case.inuse == case.popped:
        return "inuse is what was popped and not returned"
    return Found(f"inuse is {case.inuse}, but {case.popped} elements are popped and not returned", [Evidence(
        "QEMU counts one up when it pops and one down when it returns", None, fields(
            inuse=case.inuse, last_avail_idx=case.axis.words(case.device_avail),
            used_idx=case.axis.words(case.device_used)))], doubts=host_at_work(case))


INUSE = Rule(
    id="B9", slug="inuse-mismatch",
    title="inuse is not what QEMU has popped and not returned",
    blame="host: QEMU's device model",
    severity=HIGH, stage=ONE_SIDE, test=_inuse,
    holds_when="inuse differs from last_avail_idx - used_idx",
    needs=("vhost", "inuse", "popped"),
    not_when=("QEMU's thread is popping or returning at the moment",),
    explanation="When inuse reaches the queue's size QEMU takes the guest for broken: \"Virtqueue size exceeded\".",
    confirm=("a second capture",),
    actions=(KEEP, "reset the VM before inuse reaches the queue's size"),
    references=("QEMU hw/virtio/virtio.c, virtqueue_pop(), virtqueue_flush(), virtqueue_detach_element()",
                "QEMU commit 4a1e48beca (balloon statistics)"),
)

# Of the guest's side alone


def _shadow(case: Case) -> Outcome:
    if case.packed:
        return "a packed ring has no available index"
    ring = case.get("guest_queue.ring")
    if ring.avail_idx == case.driver_avail:
        return "avail->idx in memory is what the driver wrote there"
    return Found(f"avail->idx in memory is {ring.avail_idx}, and the driver's avail_idx_shadow is {case.driver_avail}",
                 [Evidence("the driver writes both together", fields(avail__idx=ring.avail_idx,
                                                                     avail_idx_shadow=case.driver_avail))],
                 doubts=guest_at_work(case))


SHADOW = Rule(
    id="C11", slug="avail-idx-not-as-written",
    title="avail->idx in memory is not what the driver wrote",
    blame="another writer to the ring, or the guest's memory was corrupted",
    severity=CRITICAL, stage=ONE_SIDE, test=_shadow,
    holds_when="avail->idx, as the guest's own capture has it, differs from avail_idx_shadow",
    needs=("guest_queue.ring", "driver_avail"),
    not_when=("a CPU is inside virtqueue_add(), which raises the shadow first",),
    explanation="The driver keeps a copy of the index that it last wrote, because the device may not be trusted with "
                "it.",
    confirm=("a second capture",),
    actions=(KEEP, RESET),
    references=("Linux drivers/virtio/virtio_ring.c, virtqueue_add_split(), virtqueue_detach_unused_buf_split()",),
)


def _bad_used(case: Case) -> Outcome:
    bad = [entry for entry in case.get("used") if entry.id >= case.size]
    if not bad:
        return "the ids in the used ring are within the queue"
    return Found(f"the used ring holds id {bad[0].id} in a queue of {case.size}", [Evidence(
        "Linux will call that \"id out of range\" and give the queue up",
        f"used entries {listed([f'{one.idx}: id {one.id}' for one in bad])}")])


BAD_USED = Rule(
    id="C7", slug="used-id-out-of-range",
    title="The device returned an id that the queue does not have",
    blame="host: the device, or memory was corrupted",
    severity=CRITICAL, stage=ONE_SIDE, test=_bad_used,
    holds_when="an id between last_used_idx and used->idx is not below the queue's size",
    needs=("used", "size"),
    not_when=(),
    explanation="The id is the head of the chain that is returned.  Linux checks it before it looks up the request, "
                "and gives the queue up.",
    confirm=("dmesg of the guest: \"id N out of range\"",),
    actions=(KEEP, RESET),
    references=("Linux drivers/virtio/virtio_ring.c, virtqueue_get_buf_ctx_split()",),
    explains=("C8", "C9"),
)


def _not_in_flight(case: Case) -> Outcome:
    heads = {request.head for request in case.get("in_flight")}
    ids = [entry.id for entry in case.get("used")]
    again = twice(ids)
    lost = sorted(set(ids) - heads)
    if not again and not lost:
        return "every returned head is in flight, and returned once"
    what = f"head {listed(again)} was returned twice" if again else \
        f"head {listed(lost)} was returned, and nothing is in flight under it"
    return Found(f"{what}: the device completed a request twice, or one that it was not given", [Evidence(
        "Linux will call that \"is not a head!\" and give the queue up", f"used ids {listed(ids)}; in flight "
        f"{listed(sorted(heads))}")], doubts=guest_at_work(case))


NOT_IN_FLIGHT = Rule(
    id="C8", slug="returned-but-not-in-flight",
    title="The device returned a head that is not in flight",
    blame="host: the device, or a state that was restored twice",
    severity=CRITICAL, stage=ONE_SIDE, test=_not_in_flight,
    holds_when="an id between last_used_idx and used->idx has no request in the driver, or stands there twice",
    needs=("used", "in_flight"),
    not_when=("a CPU is in virtqueue_get_buf() at the moment",),
    explanation="The driver keeps what it attached to each head until the head comes back.  A head that comes back "
                "twice finds nothing there.",
    confirm=("dmesg of the guest: \"id N is not a head!\"",),
    actions=(KEEP, RESET),
    references=("Linux drivers/virtio/virtio_ring.c, virtqueue_get_buf_ctx_split()",),
)


def _chain(case: Case) -> Outcome:
    bad = [one for one in case.get("in_flight") if one.chain_problem]
    if not bad:
        return "the chains of descriptors are sound"
    first = bad[0]
    return Found(f"the descriptor chain of head {first.head} is corrupt: {first.chain_problem}", [Evidence(
        str(one.chain_problem), f"head {one.head}") for one in bad[:8]], doubts=guest_at_work(case))


CHAIN = Rule(
    id="C3", slug="corrupt-chain",
    title="A chain of descriptors is corrupt",
    blame="guest: its driver, or its memory was corrupted",
    severity=CRITICAL, stage=ONE_SIDE, test=_chain,
    holds_when="the chain of a head in flight has a loop, leaves the table, puts readable buffers behind writable "
               "ones (C4) or holds an empty or impossible buffer (C5)",
    needs=("in_flight",),
    not_when=("the driver is just writing the chain",),
    explanation="QEMU checks every chain that it pops, and breaks the device when one is not sound.",
    confirm=("QEMU's log: \"Desc next is\", \"Looped descriptor\", \"Incorrect order for descriptors\", \"zero "
             "sized buffers\"",),
    actions=(KEEP, RESET),
    references=("virtio 1.2, 2.7.5", "QEMU hw/virtio/virtio.c, virtqueue_split_pop(), virtqueue_map_desc()"),
)


def _accounting(case: Case) -> Outcome:
    free = case.get("driver.num_free")
    found: List[str] = []
    used = case.peek("driver.descriptors_in_use")
    if used is not None and free + used != case.size:
        found.append(f"num_free {free} and {used} descriptors in use make {free + used} in a queue of {case.size}")
    listed_free, problem = case.peek("driver.free_list"), case.peek("driver.free_list_problem")
    if problem:
        found.append(f"the free list is damaged: {problem}")
    elif listed_free is not None and listed_free != free:
        found.append(f"num_free is {free}, and the free list has {listed_free}")
    in_flight = case.guest_queue.in_flight
    if not case.packed and in_flight is not None and len(in_flight) != case.outstanding:
        found.append(f"{len(in_flight)} heads are in flight in the driver, but it waits for {case.outstanding} entries")
    if not found:
        return "the driver's books are in order"
    return Found(f"the driver's books do not add up: {found[0]}", [Evidence(one, fields(
        num_free=free, avail_idx_shadow=case.axis.words(case.driver_avail),
        last_used_idx=case.axis.words(case.driver_used))) for one in found], doubts=guest_at_work(case))


ACCOUNTING = Rule(
    id="G5", slug="descriptor-leak",
    title="The driver's descriptors do not add up",
    blame="guest: the driver",
    severity=HIGH, stage=ONE_SIDE, test=_accounting,
    holds_when="num_free and the descriptors in use do not make the queue's size, the free list is shorter or longer "
               "than num_free, or the heads in flight are not as many as the driver waits for",
    needs=("driver.num_free", "size", "driver_avail", "driver_used"),
    not_when=("a CPU is inside virtqueue_add() or virtqueue_get_buf()",),
    explanation="Descriptors that leak make the queue smaller until nothing fits: the driver reports a full ring "
                "with an idle device.",
    confirm=("a second capture",),
    actions=(KEEP, REBIND),
    references=("Linux drivers/virtio/virtio_ring.c, detach_buf_split()",),
)

RULES = (TOO_FAR, BAD_HEAD, USED_APART, INUSE, SHADOW, BAD_USED, NOT_IN_FLIGHT, CHAIN, ACCOUNTING)
