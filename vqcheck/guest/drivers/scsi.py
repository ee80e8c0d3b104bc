"""virtio-scsi: the SCSI host, its devices and disks, and the commands in flight.

Source: Linux drivers/scsi/virtio_scsi.c (struct virtio_scsi_cmd, struct virtio_scsi_event_node),
include/scsi/scsi_host.h, include/scsi/scsi_device.h, include/scsi/scsi_cmnd.h; include/uapi/linux/virtio_scsi.h.
"""
import binascii
from typing import Any, Dict, List, Optional

from ...snapshot.kernel_model import ScsiHost
from ...snapshot.kinds import Hex
from ...snapshot.request_model import Request
from ...target.absence import Absences
from ...target.errors import Corrupt, NotSupported, TargetError
from ...target.target import Target
from ...target.view import View
from ...virtio import features
from .. import block_requests, scsi_host
from ..bus import VirtioDevice
from .disks import Disk, DiskDriver, gendisk

TMF = 0
"""virtio_scsi_ctrl_tmf_req.type: VIRTIO_SCSI_T_TMF."""
TMF_OPERATIONS: Dict[int, str] = {0: "abort", 5: "reset"}
"""virtio_scsi_ctrl_tmf_req.subtype: VIRTIO_SCSI_T_TMF_ABORT_TASK, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET."""

MAX_CDB = 260
"""SCSI_MAX_VARLEN_CDB_SIZE of include/scsi/scsi_proto.h."""

COMMAND = "struct virtio_scsi_cmd"


class ScsiDriver(DiskDriver):
    """A SCSI host."""

    def __init__(self, target: Target, device: VirtioDevice, clock_ns: Optional[int]) -> None:
        super().__init__(target, device, clock_ns)
        self._shost: Optional[View] = None
        self._disks: Optional[List[Disk]] = None
        self._units: Dict[int, View] = {}

    def display_name(self) -> Optional[str]:
        return next((one.name for one in self.device.below if one.depth == 1 and one.subsystem == "scsi"), None)

    def fields(self, absent: Absences) -> Dict[str, Any]:
        return {"scsi": absent.take("scsi", self._described_host), "block": absent.take("block", self.block)}

    def _described_host(self) -> ScsiHost:
        return scsi_host.read(self._host(), self.device)

    def disks(self) -> List[Disk]:
        if self.device.why_none_below:
            raise NotSupported(self.device.why_none_below)
        if self._disks is None:
            self._disks = [Disk(one.name, gendisk(self.memory, one.device))
                           for one in scsi_host.disks(self.device.below)]
        return self._disks

    def _host(self) -> View:
        if self._shost is None:
            self._shost = scsi_host.find(self.memory, self.device)
        return self._shost

    def request(self, role: str, head: int, token: int) -> Request:
        if role == "event":
            return super().request(role, head, token)
        self.load()
        try:
            if role == "control":
                return self._management(head, token)
            return self._command(head, token)
        except TargetError as problem:
            return Request(head, token=Hex(token), absent={"kind": str(problem)})

    def _command(self, head: int, token: int) -> Request:
        command = View(self.memory, COMMAND, token).follow("struct scsi_cmnd", "sc")
        request = _block_request(command)
        device = self._unit(command.pointer("device"))
        if device.pointer("host") != self._host().address or request.pointer("q") != device.pointer("request_queue"):
            raise Corrupt(f"what head {head} stands for, at {token:#x}, is no command of this host")
        absent = Absences()
        unit, cdb = absent.take("unit", scsi_host.unit_name, self._host(), device), absent.take("cdb", _cdb, command)
        return self.describe(head, token, "scsi", request, absent)._replace(unit=unit, cdb=cdb)

    def _unit(self, address: int) -> View:
        """A struct scsi_device, read once."""
        return self._units.setdefault(address, View(self.memory, "struct scsi_device", address))

    def _management(self, head: int, token: int) -> Request:
        """A task management function, the only thing that the driver has ever put on the control queue."""
        order = "little" if self._modern() else self.target.byte_order
        function = View(self.memory, COMMAND, token).embedded("struct virtio_scsi_ctrl_tmf_req", "req")
        kind, operation = (int.from_bytes(function.raw(name), "big" if order == "big" else "little")
                           for name in ("type", "subtype"))
        if kind != TMF:
            raise Corrupt(f"what head {head} stands for, at {token:#x}, is no task management function")
        absent = Absences()
        return Request(
            head, token=Hex(token), kind="scsi", operation=TMF_OPERATIONS.get(operation, f"tmf_{operation}"),
            unit=absent.take("unit", self._addressed, function.raw("lun")), absent=dict(absent))

    def _modern(self) -> bool:
        return features.has(self.device.view.uint("features"), features.VERSION_1)

    def _addressed(self, lun: bytes) -> str:
        """The unit that a command names: 1, target, and the number as a flat one (virtio 1.2, 5.6.6.1)."""
        if lun[0] != 1:
            raise Corrupt(f"a task management function for the address {binascii.hexlify(lun).decode('ascii')}")
        return f"{self._host().uint('host_no')}:0:{lun[1]}:{(lun[2] << 8 | lun[3]) & 0x3FFF}"


def _block_request(command: View) -> View:
    # scsi_cmnd.request is in Linux 5.10 and not in 6.1, where the command only lies behind its request.
    if command.has("request"):
        return command.follow("struct request", "request")
    return block_requests.of_pdu(command.target, command.address)


def _cdb(command: View) -> str:
    length = command.uint("cmd_len")
    if not 0 < length <= MAX_CDB:
        raise Corrupt(f"a command of {length} bytes")
    member = command.target.member_of("struct scsi_cmnd", "cmnd")
    if member.size == command.target.pointer_size:  # a pointer in Linux 5.10, an array in 6.1
        raw = command.target.read(command.pointer("cmnd"), length)
    else:
        raw = command.raw("cmnd")[:length]
    return binascii.hexlify(raw).decode("ascii")
