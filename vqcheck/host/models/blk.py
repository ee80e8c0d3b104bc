"""virtio-blk.

Source: QEMU hw/block/virtio-blk.c (struct VirtIOBlock, VirtIOBlockReq), until 8.2 hw/block/dataplane/virtio-blk.c
(VirtIOBlockDataPlane); block/block-backend.c (BlkAioEmAIOCB); include/standard-headers/linux/virtio_blk.h.
"""
from typing import Iterator, List, Optional

from ...snapshot.device_model import HostDevice
from ...snapshot.held_model import Held, HeldRequest
from ...snapshot.kinds import Hex, hex_or_none
from ...target.absence import Absences
from ...target.errors import NoMember, NotSupported, TargetError
from ...target.view import View
from ..block import backend
from ..block.carriers import AIOCB, PLACES, Carrier, carriers
from ..block.graph import block_backend
from ..devices import byte_order
from ..loops import Loop
from ..process import Process
from ..qobject import chain
from ..stacks import Stacks
from .base import Model, descriptors, element, held

REQUEST = "struct VirtIOBlockReq"

CALLBACKS = ("virtio_blk_rw_complete", "virtio_blk_flush_complete", "virtio_blk_discard_write_zeroes_complete")
"""Callbacks of the block layer's that are handed a VirtIOBlockReq, whose times and place QEMU has noted."""

PLAIN = ("virtio_blk_zone_mgmt_complete",)
"""Those that are handed a VirtIOBlockReq without them (since QEMU 8.1)."""

WRAPPED = ("virtio_blk_zone_report_complete", "virtio_blk_zone_append_complete", "virtio_blk_ioctl_complete")
"""Those that are handed a struct that begins with a pointer to one: ZoneCmdData (since QEMU 8.1), VirtIOBlockIoctlReq
(SCSI commands, until QEMU 8.0)."""

TYPES = {0: "read", 1: "write", 4: "flush", 8: "get id", 10: "get lifetime", 11: "discard", 13: "write zeroes",
         14: "secure erase", 15: "zone append", 16: "zone report", 18: "zone open", 20: "zone close",
         22: "zone finish", 24: "zone reset", 26: "zone reset all"}
"""VIRTIO_BLK_T_...; bit 31 of an old driver's asks for a barrier."""

SECTOR = 512
RETRY = "retry"


class Blk(Model):
    """A disk of QEMU's own."""

    def __init__(self, process: Process, device: View) -> None:
        super().__init__(process, device)
        self._block = View(self.target, "struct VirtIOBlock", device.address)
        self._requests: Optional[List["_Request"]] = None
        self._problems: List[str] = []
        self._counted = 0

    def loop(self, index: int) -> Loop:
        block, loops = self._block, self.process.loops
        if block.has("dataplane"):  # until QEMU 8.2
            if block.pointer("dataplane") == 0:
                return loops.main()
            return loops.of_context(self._plane().pointer("ctx"))
        if block.has("vq_aio_context"):
            table = block.pointer("vq_aio_context")
            if table == 0:
                return loops.main()
            return loops.of_context(self.target.read_pointer(table + index * self.target.pointer_size))
        raise NoMember("struct VirtIOBlock", "dataplane", "vq_aio_context")

    def _plane(self) -> View:
        return self._block.follow("struct VirtIOBlockDataPlane", "dataplane")

    def batched(self, index: int) -> bool:
        if not self._block.has("dataplane"):
            raise NotSupported("not applicable: QEMU gathered interrupts of disks until 8.1 only")
        if self._block.pointer("dataplane") == 0:
            return False
        bits = self._plane().pointer("batch_notify_vqs")
        if bits == 0:
            return False
        word = self.target.read_uint(bits + index // 64 * 8, 8)
        return bool(word >> index % 64 & 1)

    def describe(self, record: HostDevice, absent: Absences) -> HostDevice:
        block = self._block
        # dataplane_... became ioeventfd_... when QEMU 9.0 dissolved the dataplane into virtio-blk.
        started = absent.take("ioeventfd_started", block.flag, "dataplane_started", "ioeventfd_started")
        state = absent.take("block", lambda: backend.block_state(
            self.target, self.process.loops, block_backend(self.target, self.device)))
        if state is not None:
            inner = Absences(state.absent)
            state = state._replace(parked=inner.take("parked", self._parked), absent=inner)
        return record._replace(
            ioeventfd_started=started,
            ioeventfd_disabled=absent.take("ioeventfd_disabled", block.flag, "dataplane_disabled",
                                           "ioeventfd_disabled"),
            ioeventfd_starting=absent.take("ioeventfd_starting", self._switching, "starting"),
            ioeventfd_stopping=absent.take("ioeventfd_stopping", self._switching, "stopping"),
            batch_notifications=absent.take("batch_notifications", self._batches),
            block=state,
        )

    def _switching(self, what: str) -> bool:
        if self._block.has("ioeventfd_" + what):
            return self._block.flag("ioeventfd_" + what)
        return self._block.pointer("dataplane") != 0 and self._plane().flag(what)

    def _batches(self) -> bool:
        if not self._block.has("dataplane"):
            raise NotSupported("not applicable: QEMU gathered interrupts of disks until 8.1 only")
        return self._block.pointer("dataplane") != 0 and self._plane().flag("batch_notifications")

    def _parked(self) -> int:
        return sum(1 for _ in self._retries())

    def _retries(self) -> Iterator[View]:
        return chain(self.target, self._block.pointer("rq"), REQUEST, "next")

    def held(self, index: int, inuse: Optional[int]) -> Held:
        if not inuse:
            return held([], True, [])
        requests = self._all()
        own = sorted((one for one in requests if one.queue == index), key=lambda one: one.start or 0)
        problems = list(self._problems)
        in_flight = block_backend(self.target, self.device).uint("in_flight")
        if in_flight != self._counted:
            problems.append(f"the block layer counts {in_flight} in flight, and {self._counted} of them were found")
        stacks = self.process.stacks.share()
        return held([self._record(one, stacks) for one in own], not problems, ["requests parked for a retry", *PLACES],
                    "; ".join(dict.fromkeys(problems)))

    def _all(self) -> List["_Request"]:
        """The requests of all queues that are found anywhere."""
        if self._requests is None:
            self._requests = [_Request(self, one, None) for one in self._retries()]
            found = carriers(self.process, block_backend(self.target, self.device))
            self._counted, self._problems = found.counted, found.problems
            for carrier in found.found:
                try:
                    self._requests += self._carried(carrier)
                except TargetError as problem:
                    self._problems.append(str(problem))
            for one in self._requests:
                self.process.clock.saw(one.start or 0)
        return self._requests

    def _carried(self, carrier: Carrier) -> List["_Request"]:
        """A carrier's requests: those that virtio-blk merged into one hang on each other."""
        common = View(self.target, AIOCB, carrier.aiocb).embedded("struct BlockAIOCB", "common")
        callback, handed = self.target.symbol_name(common.pointer("cb")), common.pointer("opaque")
        if callback in CALLBACKS:
            return [_Request(self, one, carrier) for one in chain(self.target, handed, REQUEST, "mr_next")]
        if callback in PLAIN + WRAPPED:
            address = self.target.read_pointer(handed) if callback in WRAPPED else handed
            return [_Request(self, View(self.target, REQUEST, address), carrier, noted=False)]
        # Another user's of the same BlockBackend (HMP qemu-io), or a kind of request that is not known here.
        raise NotSupported(f"what {callback or 'an unknown function'}() is to complete is not known")

    def _record(self, one: "_Request", stacks: Stacks) -> HeldRequest:
        absent, view, carrier = Absences(), one.view, one.carrier
        kind = absent.take("type", self._type, view)
        if kind == "flush":
            absent["offset"] = absent["bytes"] = "not applicable: a flush is of the whole disk"
        if carrier is None:
            reason = "not applicable: it failed and waits for a retry"
            absent.update({"node": reason, "coroutine": reason, "functions": reason})
        elif carrier.coroutine is None:
            absent["coroutine"] = absent["functions"] = "not applicable: its coroutine has ended"
        if carrier is not None and carrier.node is None:
            absent["node"] = "no node tracks it"
        if not one.noted:
            absent["offset"] = absent["bytes"] = "QEMU does not note it for such a request"
        placeless = kind == "flush" or not one.noted
        return HeldRequest(
            head=element(self.target, view.address).uint("index"),
            descriptors=descriptors(element(self.target, view.address)),
            holder=RETRY if carrier is None else carrier.holder,
            detail="parked after an error (werror, rerror)" if carrier is None else carrier.detail,
            type=kind,
            offset=None if placeless else absent.take("offset", lambda: view.uint("sector_num") * SECTOR),
            bytes=None if placeless else absent.take("bytes", view.uint, "acct.bytes"),
            age_ns=absent.take("age_ns", lambda: self.process.clock.age(one.start or 0)),
            node=carrier.node if carrier else None,
            address=Hex(view.address),
            coroutine=hex_or_none(carrier.coroutine) if carrier else None,
            functions=absent.take("functions", stacks.of, carrier.coroutine)
            if carrier and carrier.coroutine else None,
            absent=dict(absent),
        )

    def _type(self, view: View) -> str:
        # Little-endian unless a legacy device serves a big-endian guest: the same as its rings.
        big = byte_order(self.device) == "big"
        number = int.from_bytes(view.raw("out.type"), "big" if big else "little") & ~(1 << 31)
        return TYPES.get(number, f"type {number}")


class _Request:
    """A VirtIOBlockReq that was found somewhere."""

    def __init__(self, model: Blk, view: View, carrier: Optional[Carrier], noted: bool = True) -> None:
        self.view = view
        self.carrier = carrier
        self.queue = model.queue_index(view.pointer("vq"))
        self.noted = noted
        """QEMU has noted its time and place; else these fields were never written."""
        self.start = view.sint("acct.start_time_ns") if noted else None
        """When it began, by QEMU's clock."""
