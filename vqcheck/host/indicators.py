"""The bit by which a channel device (virtio-ccw) interrupts for a queue, as QEMU has it.

Source: QEMU hw/s390x/virtio-ccw.c (virtio_ccw_notify()), virtio-ccw.h, include/hw/s390x/css.h (struct IndAddr, struct
SubchDev).
"""
from ..snapshot.kinds import Hex
from ..snapshot.transport_model import Indicator
from ..target.absence import Absences
from ..target.errors import NotSupported
from ..target.target import Target
from ..target.view import View
from ..virtio.indicators import CLASSIC_BYTES, place
from .memory import GuestMemory
from .msix import NO_VECTOR
from .process import Process
from .transport import Transport

NOT_SET_UP = "not applicable: the driver has not set indicators up"


def indicator(process: Process, transport: Transport, vector: int) -> Indicator:
    """The bit of a queue, of which QEMU keeps the number where PCI has the vector.  Raises TargetError."""
    device = transport.ccw_device()
    area = device.pointer("indicators")
    if area == 0 or vector == NO_VECTOR:
        raise NotSupported(NOT_SET_UP)
    start = _address(process.target, area)
    if transport.subchannel().flag("thinint_active"):
        return _adapter(process, device, start, vector)
    if vector >= 8 * CLASSIC_BYTES:
        raise NotSupported(f"classic interrupts have no bit {vector}")
    absent = Absences(summary="not applicable: classic interrupts have no summary indicator")
    return Indicator(adapter=False, area=Hex(start), bit=vector,
                     set=absent.take("set", _is_set, process, start, vector, False), absent=dict(absent))


def _adapter(process: Process, device: View, start: int, vector: int) -> Indicator:
    bit, absent = device.uint("routes.adapter.ind_offset") + vector, Absences()
    return Indicator(
        adapter=True,
        area=Hex(start),
        bit=bit,
        set=absent.take("set", _is_set, process, start, bit, True),
        summary=absent.take("summary", _summary, process, device),
        absent=dict(absent),
    )


def _address(target: Target, area: int) -> int:
    return View(target, "struct IndAddr", area).uint("addr")


def _is_set(process: Process, start: int, bit: int, adapter: bool) -> bool:
    byte, mask = place(bit, adapter)
    return bool(_byte(process.memory, start + byte) & mask)


def _summary(process: Process, device: View) -> bool:
    return _byte(process.memory, _address(process.target, device.pointer("summary_indicator"))) != 0


def _byte(memory: GuestMemory, physical: int) -> int:
    return memory.read(physical, 1)[0]
