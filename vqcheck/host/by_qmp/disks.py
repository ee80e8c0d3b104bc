"""The block layer behind disks, as far as QMP tells of it and the user wants it asked.

Source: QEMU block/qapi.c (bdrv_query_info(), bdrv_block_device_info(), qmp_query_blockstats()), hw/core/qdev.c
(bus_add_child() names its links).
"""
from typing import Any, Callable, Dict, List, Optional, Tuple

from ...snapshot.device_model import HostDevice
from ...snapshot.held_model import BlockNode, BlockState, ScsiDisk, Throttling
from ...target.absence import Absences
from ...target.errors import Corrupt, NotSupported
from ..block.throttle import BUCKETS
from .allowed import CHILD
from .ask import Answer, Qom, ask_records
from .careful import Careful
from .devices import Found, qdev_id
from .queue import UNTOLD, lacking

BLK, SCSI = "virtio-blk-device", "virtio-scsi-device"

NOT_ASKED = ("not asked: QEMU's main loop would look at image files for it, and hang if their storage hangs; --block "
             "asks nevertheless")

FROM_INFO = ("node", "format", "filename", "iostatus", "nodes", "throttling")
FROM_STATS = ("completed", "failed")
"""What is had from query-block and from query-blockstats, of BlockState's fields."""

OPERATIONS = ("rd", "wr", "flush", "unmap", "zone_append")
"""Kinds of requests in BlockDeviceStats; zone_append since QEMU 8.1."""

LIMITS = ("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr")
"""Members of BlockDeviceInfo in the order of BUCKETS."""

MAX_DEPTH = 64
"""Of block nodes on block nodes."""


class Disks:
    """All that the block layer says of itself, asked on first use."""

    def __init__(self, ask: Careful) -> None:
        self._ask = ask
        self._qom = Qom(ask)
        self._known: Dict[str, List[Answer]] = {}

    def describe(self, found: Found, record: HostDevice, absent: Absences) -> HostDevice:
        """A device's record with the block layer below it; unchanged for what is not a disk."""
        if found.kind == BLK:
            return record._replace(block=absent.take("block", self._block, found.path, found.path))
        if found.kind == SCSI:
            return record._replace(disks=absent.take("disks", self._scsi, found.path))
        return record

    def warnings(self) -> List[str]:
        """Jobs of the block layer, which read, write and drain disks by themselves."""
        if not self._ask.block:
            return []
        return [f"a block job is there: {one.text('type')} {one.text('device')}, {one.text('status')}"
                for one in self._list("query-block-jobs")]

    def _list(self, command: str, **arguments: Any) -> List[Answer]:
        if command not in self._known:
            self._known[command] = ask_records(self._ask, command, arguments)
        return self._known[command]

    def _scsi(self, path: str) -> List[ScsiDisk]:
        buses = [one.text("name") for one in self._qom.properties(path) if one.text("type") == "child<SCSI>"]
        if len(buses) != 1:
            raise NotSupported(f"a host adapter with {len(buses)} buses")
        bus = f"{path}/{buses[0]}"
        links = [one.text("name") for one in self._qom.properties(bus) if CHILD.fullmatch(one.text("name"))]
        return sorted((self._scsi_disk(self._qom.text(bus, link)) for link in links),
                      key=lambda one: (one.channel or 0, one.target or 0, one.lun or 0))

    def _scsi_disk(self, path: str) -> ScsiDisk:
        absent, name = Absences(), qdev_id(path)
        if name is None:
            absent["qdev_id"] = "not applicable: the user gave it none"
        disk = ScsiDisk(
            qdev_id=name,
            qom_path=path,
            channel=absent.take("channel", self._qom.number, path, "channel"),
            target=absent.take("target", self._qom.number, path, "scsi-id"),
            lun=absent.take("lun", self._qom.number, path, "lun"),
            block=absent.take("block", self._block, path, name or path),
        )
        told: ScsiDisk = lacking(disk._replace(absent=dict(absent)), UNTOLD)
        return told

    def _block(self, path: str, attached: str) -> BlockState:
        """What there is of a disk; `attached` is how query-block calls the device that has it."""
        if not self._ask.block:
            raise NotSupported(NOT_ASKED)
        absent = Absences()
        state = BlockState(on_read_error=absent.take("on_read_error", self._policy, path, "rerror"),
                           on_write_error=absent.take("on_write_error", self._policy, path, "werror"))
        info = _take_for(FROM_INFO, absent, lambda: _of_device(self._list("query-block"), attached))
        stats = _take_for(FROM_STATS, absent, lambda: _of_device(self._list("query-blockstats"), attached))
        if info is not None:
            state = self._with_info(state, info, stats, absent)
        if stats is not None:
            counted = stats.record("stats")
            state = state._replace(completed=absent.take("completed", _sum, counted, "{}_operations"),
                                   failed=absent.take("failed", _sum, counted, "failed_{}_operations"))
        told: BlockState = lacking(state._replace(absent=dict(absent)), UNTOLD)
        return told

    def _policy(self, path: str, name: str) -> str:
        policy = self._qom.text(path, name)
        if policy == "auto":
            raise NotSupported("QMP tells only that it is QEMU's default (auto)")
        return policy

    def _with_info(self, state: BlockState, info: Answer, stats: Optional[Answer], absent: Absences) -> BlockState:
        inserted = _take_for(("node", "format", "filename", "throttling"), absent, lambda: info.record("inserted"))
        if not info.has("io-status"):
            absent["iostatus"] = "QEMU tells it only of disks for which an error may stop the VM (werror, rerror)"
        else:
            state = state._replace(iostatus=absent.take("iostatus", info.text, "io-status"))
        nodes = absent.take("nodes", self._nodes, stats)
        state = state._replace(nodes=nodes)
        if inserted is None:
            return state
        if nodes is None:
            absent["throttling"] = absent["nodes"]
        return state._replace(
            node=absent.take("node", inserted.text, "node-name"),
            format=absent.take("format", inserted.text, "drv"),
            filename=absent.take("filename", inserted.text, "file"),
            throttling=None if nodes is None else absent.take("throttling", _throttling, inserted, nodes),
        )

    def _nodes(self, stats: Optional[Answer]) -> List[BlockNode]:
        """The nodes below a disk, by the nesting of its statistics."""
        if stats is None:
            raise NotSupported("QEMU does not tell which nodes are below the disk")
        drivers = {one.text("node-name"): one.text("drv") for one in self._list("query-named-block-nodes", flat=True)}
        return [lacking(BlockNode(node=name, driver=drivers.get(name)), UNTOLD)
                for name in dict.fromkeys(_names(stats, 0))]


def _take_for(fields: Tuple[str, ...], absent: Absences, question: Callable[[], Answer]) -> Optional[Answer]:
    """An answer from which several fields are filled, or None with its reason under each."""
    inner = Absences()
    found = inner.take("", question)
    if found is None:
        absent.update(dict.fromkeys(fields, inner[""]))
    return found


def _of_device(listed: List[Answer], attached: str) -> Answer:
    for one in listed:
        if one.has("qdev") and one.text("qdev") == attached:
            return one
    raise NotSupported("QEMU's block layer does not list the device")


def _sum(stats: Answer, member: str) -> int:
    names = [member.format(kind) for kind in OPERATIONS]
    return sum(stats.number(name) for name in names if stats.has(name))


def _throttling(inserted: Answer, nodes: List[BlockNode]) -> List[Throttling]:
    """Limits of the disk's own, and nodes that have some; who waits for them QMP does not tell."""
    found: List[Throttling] = []
    if inserted.has("group"):
        averages = [(inserted.number(name), unit) for name, unit in zip(LIMITS, BUCKETS)]
        said = ", ".join(f"{value} {unit}" for value, unit in averages if value) or "none"
        found.append(lacking(Throttling(group=inserted.text("group"), limits=said,
                                        absent={"node": "not applicable: limits of the disk itself"}), UNTOLD))
    return found + [lacking(Throttling(node=one.node), UNTOLD) for one in nodes if one.driver == "throttle"]


def _names(stats: Answer, depth: int) -> List[str]:
    if depth > MAX_DEPTH:
        raise Corrupt("block nodes without end")
    found = [stats.text("node-name")] if stats.has("node-name") else []
    for below in ("parent", "backing"):
        if stats.has(below):
            found += _names(stats.record(below), depth + 1)
    return found
