"""Which snapshots of many belong to one VM."""
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..snapshot.model import GUEST, Snapshot

RingKey = Tuple[int, int, int]


class Named(NamedTuple):
    """A snapshot and the file that it came from."""

    file: str
    snapshot: Snapshot


class Vm(NamedTuple):
    """The snapshots of one VM.

    name: its name as QEMU or the guest knows it, its UUID, or the first file's name.
    snapshots: all of them, of either side.
    """

    name: str
    snapshots: List[Named]

    @property
    def whole(self) -> bool:
        """There is at least one of each side."""
        return len({one.snapshot.side for one in self.snapshots}) == 2


def group(found: Sequence[Named]) -> List[Vm]:
    """The VMs: snapshots with one UUID belong together, those without one where they share most of their rings.

    Linear in the number of queues.
    """
    by_uuid: Dict[str, List[Named]] = {}
    nameless: List[Named] = []
    for one in found:
        uuid = one.snapshot.target.uuid
        if uuid:
            by_uuid.setdefault(uuid.lower(), []).append(one)
        else:
            nameless.append(one)
    groups = list(by_uuid.values())
    by_ring: Dict[RingKey, Set[int]] = {}
    for place, members in enumerate(groups):
        _know(by_ring, place, members)
    for one in sorted(nameless, key=lambda one: one.snapshot.side == GUEST):  # hosts first, guests look for them
        place_of = _most(by_ring, one, groups)
        if place_of is None:
            groups.append([one])
            _know(by_ring, len(groups) - 1, [one])
        else:
            groups[place_of].append(one)
            _know(by_ring, place_of, [one])
    return [Vm(_name(members), members) for members in groups]


def _rings(snapshot: Snapshot) -> List[RingKey]:
    return [(queue.rings.desc, queue.rings.avail, queue.rings.used)
            for device in snapshot.devices for queue in device.queues if queue.rings]


def _know(by_ring: Dict[RingKey, Set[int]], place: int, members: Sequence[Named]) -> None:
    for one in members:
        for key in _rings(one.snapshot):
            by_ring.setdefault(key, set()).add(place)


def _most(by_ring: Dict[RingKey, Set[int]], one: Named, groups: Sequence[Sequence[Named]]) -> Optional[int]:
    """The group that shares most rings with a snapshot, where it is only one and does not contradict it."""
    shared: Dict[int, int] = {}
    for key in _rings(one.snapshot):
        for place in by_ring.get(key, ()):
            shared[place] = shared.get(place, 0) + 1
    best = sorted(shared.items(), key=lambda item: -item[1])[:2]
    if not best or (len(best) > 1 and best[0][1] == best[1][1]):
        return None
    place = best[0][0]
    same_side = any(other.snapshot.side == one.snapshot.side for other in groups[place])
    return None if same_side else place


def _name(members: Sequence[Named]) -> str:
    for side_of_guest in (False, True):
        for one in members:
            target = one.snapshot.target
            if (one.snapshot.side == GUEST) == side_of_guest and target.name and target.name != "(none)":
                return target.name
    return next((one.snapshot.target.uuid for one in members if one.snapshot.target.uuid), members[0].file)
