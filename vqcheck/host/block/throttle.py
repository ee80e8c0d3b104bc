"""I/O limits: of a BlockBackend (-drive, block_set_io_throttle) and of throttle nodes in the graph.

Source: QEMU include/block/throttle-groups.h (ThrottleGroupMember), block/throttle-groups.c (ThrottleGroup),
block/throttle.c, include/qemu/throttle.h (ThrottleConfig; BucketType gives the order of the buckets).
"""
from typing import Iterator, List, NamedTuple, Optional

from ...snapshot.held_model import Throttling
from ...target.absence import Absences
from ...target.errors import NotSupported
from ...target.target import Target
from ...target.view import View, container_of
from ..qobject import chain
from .graph import driver_name

MEMBER = "ThrottleGroupMember"
GROUP = "struct ThrottleGroup"

BUCKETS = ("bytes/s", "bytes/s read", "bytes/s written", "requests/s", "reads/s", "writes/s")
"""enum BucketType."""


class Member(NamedTuple):
    """A member of a throttle group."""

    state: View
    """ThrottleGroupMember."""
    node: Optional[str]
    """The node's name, for a throttle node; None for a BlockBackend's own limits."""


def members(backend: View, graph: List[View]) -> List[Member]:
    """Where requests of a disk may be held to a limit, in their order; without those that have none configured."""
    found = []
    own = backend.embedded(MEMBER, "public.throttle_group_member")
    if own.pointer("throttle_state"):
        found.append(Member(own, None))
    for node in graph:
        if driver_name(node) == "throttle":
            found.append(Member(node.follow(MEMBER, "opaque"), node.text("node_name")))
    return found


def state(member: Member) -> Throttling:
    """What is kept of a member and its group."""
    absent = Absences()
    group = absent.take("group", _group, member.state)
    if group is None:
        absent["read_timer"] = absent["write_timer"] = absent["limits"] = absent["group"]
    reads, writes = _two(member.state, "pending_reqs")
    timers = _two(group, "any_timer_armed") if group else None
    return Throttling(
        node=member.node,
        group=absent.take("group", _name, group) if group else None,
        reads_waiting=reads,
        writes_waiting=writes,
        read_timer=bool(timers[0]) if timers else None,
        write_timer=bool(timers[1]) if timers else None,
        limits=absent.take("limits", _limits, group) if group else None,
        absent=dict(absent),
    )


def group_name(member: Member) -> Optional[str]:
    """The name of a member's group.  Raises NotSupported where it has none."""
    return _name(_group(member.state))


def _two(view: View, member: str) -> List[int]:
    """An array of one for reads and one for writes."""
    raw = view.raw(member)
    half = len(raw) // 2
    return [view.target.decode_uint(raw[:half]), view.target.decode_uint(raw[half:])]


def _group(member: View) -> View:
    """The group; a member points at its ThrottleState."""
    address = member.pointer("throttle_state")
    if address == 0:
        raise NotSupported("not applicable: no limits are configured")
    # A typedef of a struct without a tag of its own is not unusual here; both spellings are tried.
    return View(member.target, GROUP, container_of(member.target, address, GROUP, "ts"))


def _name(group: View) -> Optional[str]:
    return group.string("name")


def _limits(group: View) -> str:
    """The averages that are limited; 0 stands for no limit."""
    target, size = group.target, group.target.size_of("LeakyBucket")
    start = group.address_of("ts.cfg.buckets")
    averages = [View(target, "LeakyBucket", start + number * size).uint("avg") for number in range(len(BUCKETS))]
    said = [f"{value} {unit}" for value, unit in zip(averages, BUCKETS) if value]
    return ", ".join(said) or "none"


def waiting(member: View) -> Iterator[View]:
    """The coroutines that wait for the limit (struct Coroutine), reads before writes."""
    target = member.target
    place, queue = member.address_of("throttled_reqs"), target.size_of("CoQueue")
    for direction in range(2):
        yield from co_queue(target, place + direction * queue)


def co_queue(target: Target, address: int) -> Iterator[View]:
    """The coroutines in a CoQueue, first come first (QEMU include/qemu/coroutine.h)."""
    first = View(target, "CoQueue", address).pointer("entries.sqh_first")
    return chain(target, first, "struct Coroutine", "co_queue_next.sqe_next")
