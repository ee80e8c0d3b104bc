"""virtio-scsi.

Source: QEMU hw/scsi/virtio-scsi.c (struct VirtIOSCSI, VirtIOSCSIReq), include/hw/scsi/scsi.h (struct SCSIDevice,
SCSIRequest), hw/scsi/scsi-disk.c (SCSIDiskReq), system/dma-helpers.c (DMAAIOCB; until 8.2 in softmmu/).
"""
from typing import Iterator, List, NamedTuple, Optional

from ...snapshot.device_model import HostDevice
from ...snapshot.held_model import Held, HeldRequest, ScsiDisk
from ...snapshot.kinds import Hex, hex_or_none
from ...target.absence import Absences
from ...target.errors import NotSupported, TargetError
from ...target.view import View
from ..block.backend import block_state
from ..block.carriers import PLACES, Carrier, Carriers, carriers
from ..loops import Loop
from ..process import Process
from ..qobject import chain, type_names
from ..stacks import Stacks
from .base import Model, descriptors, element, held

CONTROL, EVENT = 0, 1
"""Queues that are not for requests."""

COMMANDS = {0x00: "test unit ready", 0x03: "request sense", 0x12: "inquiry", 0x1B: "start stop unit",
            0x25: "read capacity", 0x28: "read", 0x2A: "write", 0x35: "flush", 0x41: "write zeroes", 0x42: "discard",
            0x88: "read", 0x8A: "write", 0x91: "flush", 0x93: "write zeroes", 0x9E: "service action in",
            0xA0: "report luns", 0x08: "read", 0x0A: "write", 0xA8: "read", 0xAA: "write"}
"""Operation codes (SCSI Block Commands, SCSI Primary Commands)."""

RETRY = "retry"


class _Unit(NamedTuple):
    """A disk on the bus, and what is carried for it through the block layer."""

    device: View
    """struct SCSIDevice."""
    backend: Optional[View]
    carriers: Optional[Carriers]
    problem: str


class Scsi(Model):
    """A host adapter of QEMU's own."""

    def __init__(self, process: Process, device: View) -> None:
        super().__init__(process, device)
        self._host = View(self.target, "struct VirtIOSCSI", device.address)
        self._known: Optional[List[_Unit]] = None

    def loop(self, index: int) -> Loop:
        host, loops = self._host, self.process.loops
        if host.has("vq_aio_context"):  # since QEMU 10.0
            table = host.pointer("vq_aio_context")
            context = self.target.read_pointer(table + index * self.target.pointer_size) if table else 0
        else:
            context = host.pointer("ctx")
        return loops.of_context(context) if context else loops.main()

    def describe(self, record: HostDevice, absent: Absences) -> HostDevice:
        host = self._host
        return record._replace(
            ioeventfd_started=absent.take("ioeventfd_started", host.flag, "dataplane_started"),
            ioeventfd_starting=absent.take("ioeventfd_starting", host.flag, "dataplane_starting"),
            ioeventfd_stopping=absent.take("ioeventfd_stopping", host.flag, "dataplane_stopping"),
            ioeventfd_disabled=absent.take("ioeventfd_disabled", host.flag, "dataplane_fenced"),
            resetting=absent.take("resetting", host.sint, "resetting"),
            disks=absent.take("disks", lambda: [self._disk(one) for one in self._devices()]),
        )

    def _devices(self) -> Iterator[View]:
        """The devices on the bus (struct SCSIDevice)."""
        for child in chain(self.target, self._host.pointer("bus.qbus.children.tqh_first"), "struct BusChild",
                           "sibling.tqe_next"):
            yield View(self.target, "struct SCSIDevice", child.pointer("child"))

    def _disk(self, device: View) -> ScsiDisk:
        absent = Absences()
        backend = absent.take("block", _backend, device)
        return ScsiDisk(
            qdev_id=absent.take("qdev_id", device.string, "qdev.id"),
            qom_path=absent.take("qom_path", device.string, "qdev.canonical_path"),
            channel=absent.take("channel", device.uint, "channel"),
            target=absent.take("target", device.uint, "id"),
            lun=absent.take("lun", device.uint, "lun"),
            requests=absent.take("requests", lambda: sum(1 for _ in _requests(device))),
            block=absent.take("block", block_state, self.target, self.process.loops, backend) if backend else None,
            absent=dict(absent),
        )

    def _units(self) -> List[_Unit]:
        if self._known is None:
            self._known = [self._unit(device) for device in self._devices()]
        return self._known

    def _unit(self, device: View) -> _Unit:
        try:
            for request in _requests(device):
                self.process.clock.saw(self._began(device, request))
            backend = _backend(device)
            return _Unit(device, backend, carriers(self.process, backend), "")
        except TargetError as problem:
            return _Unit(device, None, None, str(problem))

    def _began(self, device: View, request: View) -> int:
        accounted = Absences().take("", self._accounting, device, request)
        return accounted.sint("acct.start_time_ns") if accounted else 0

    def held(self, index: int, inuse: Optional[int]) -> Held:
        if not inuse:
            return held([], True, [])
        if index == EVENT:
            return held([], False, [], "the event queue's elements are popped when there is something to tell")
        found: List[HeldRequest] = []
        problems: List[str] = []
        stacks = self.process.stacks.share()
        for unit in self._units():
            problems += unit.carriers.problems if unit.carriers else [unit.problem]
            for request in _requests(unit.device):
                try:
                    own = View(self.target, "struct VirtIOSCSIReq", request.pointer("hba_private"))
                    if self.queue_index(own.pointer("vq")) == index:
                        found.append(self._record(unit, request, own, stacks))
                except TargetError as problem:
                    problems.append(str(problem))
            problems.append(self._unlisted(unit))
        if index == CONTROL:
            problems.append("task management functions that wait for other requests to end are not on any list")
        return held(found, not any(problems), ["requests of every device on the bus", *PLACES],
                    "; ".join(dict.fromkeys(one for one in problems if one)))

    def _unlisted(self, unit: _Unit) -> str:
        """That the block layer has requests of a device which are not among its own, as are those that the guest has
        cancelled: scsi_req_cancel_async() takes them off the list and waits for them; nothing where it has none."""
        if unit.carriers is None or unit.backend is None:
            return ""
        try:
            known = {self._handle(request) for request in _requests(unit.device)}
            unknown = sum(1 for one in unit.carriers.found if one.aiocb not in known)
            # What waits for the end of a drain is not counted.
            uncounted = unit.backend.uint("in_flight") - unit.carriers.counted
        except TargetError as problem:
            return str(problem)
        number = max(unknown, unknown + uncounted)
        return f"{number} in the block layer that no list of the device's has, as when they were cancelled" if number \
            else ""

    def _record(self, unit: _Unit, request: View, own: View, stacks: Stacks) -> HeldRequest:
        absent = Absences()
        carrier = absent.take("coroutine", self._carrier, unit, request)
        accounted = absent.take("age_ns", self._accounting, unit.device, request)
        head = element(self.target, own.address)
        if carrier is None:
            absent["functions"] = absent["node"] = absent["coroutine"]
        elif carrier.node is None:
            absent["node"] = "no node tracks it"
        retry = request.flag("retry")
        return HeldRequest(
            head=head.uint("index"),
            descriptors=descriptors(head),
            holder=RETRY if retry else carrier.holder if carrier else "device",
            detail="parked after an error (werror, rerror)" if retry else carrier.detail if carrier else None,
            type=absent.take("type", _command, request),
            offset=absent.take("offset", _offset, accounted) if accounted else None,
            bytes=absent.take("bytes", request.uint, "cmd.xfer"),
            age_ns=absent.take("age_ns", lambda: self.process.clock.age(self._began(unit.device, request)))
            if accounted else None,
            node=carrier.node if carrier else None,
            address=Hex(own.address),
            coroutine=hex_or_none(carrier.coroutine) if carrier else None,
            functions=absent.take("functions", stacks.of, carrier.coroutine)
            if carrier and carrier.coroutine else None,
            absent=dict(absent),
        )

    def _accounting(self, device: View, request: View) -> View:
        """The request as scsi-disk has it.  Raises NotSupported for another kind of device."""
        if "scsi-disk-base" not in type_names(self.target, device.address):
            raise NotSupported("not applicable: the device is passed through, and QEMU does not time its requests")
        return View(self.target, "struct SCSIDiskReq", request.address)

    def _carrier(self, unit: _Unit, request: View) -> Carrier:
        """What carries a request through the block layer, by the handle that scsi-disk keeps of it."""
        handle = self._handle(request)
        if handle == 0:
            raise NotSupported("not applicable: it is not in the block layer")
        found = unit.carriers.of_aiocb(handle) if unit.carriers else None
        if found is None:
            raise NotSupported("not found in the block layer")
        return found

    def _handle(self, request: View) -> int:
        """The block layer's own handle of a request (BlkAioEmAIOCB); 0 where it has none."""
        aiocb = request.pointer("aiocb")
        if aiocb and self._kind(aiocb) == "dma_aiocb_info":
            return View(self.target, "DMAAIOCB", aiocb).pointer("acb")
        return aiocb

    def _kind(self, aiocb: int) -> Optional[str]:
        return self.target.symbol_name(View(self.target, "struct BlockAIOCB", aiocb).pointer("aiocb_info"))


def _backend(device: View) -> View:
    return device.follow("struct BlockBackend", "conf.blk")


def _requests(device: View) -> Iterator[View]:
    """The requests that a device has begun and not ended (struct SCSIRequest)."""
    return chain(device.target, device.pointer("requests.tqh_first"), "struct SCSIRequest", "next.tqe_next")


def _command(request: View) -> str:
    code = request.raw("cmd.buf")[0]
    return COMMANDS.get(code, f"operation code {code:#04x}")


def _offset(request: View) -> int:
    return request.uint("sector") * 512


