"""The bit by which a channel device (virtio-ccw) interrupts for a queue, as its driver has it.

Source: Linux drivers/s390/virtio/virtio_ccw.c (get_airq_indicator(), virtio_airq_handler(), virtio_ccw_int_handler()),
arch/s390/include/asm/airq.h.
"""
from ..snapshot.kinds import Hex
from ..snapshot.transport_model import Indicator
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported
from ..target.target import Target
from ..target.view import View, container_of
from ..virtio.indicators import place
from .bus import VirtioDevice

CCW = "ccw"
NO_IRQ = ("not applicable: channel devices have no interrupt of their own; an indicator bit says which queue one is "
          "for")

MAX_BITS = 1 << 16
"""VIRTIO_IV_BITS is 8192."""


def on_ccw(device: VirtioDevice) -> bool:
    """Whether a device is a channel device."""
    return device.bus is not None and device.bus.type == CCW


def indicator(target: Target, device: VirtioDevice, virtqueue: int, index: int) -> Indicator:
    """The bit of a queue.  Raises TargetError."""
    proxy = View(target, "struct virtio_ccw_device",
                 container_of(target, device.view.address, "struct virtio_ccw_device", "vdev"))
    return _adapter(target, proxy, virtqueue) if proxy.flag("is_thinint") else _classic(target, proxy, index)


def _adapter(target: Target, proxy: View, virtqueue: int) -> Indicator:
    """One of the bits that many devices share; beside them is noted whose each of them is."""
    info = proxy.follow("struct airq_info", "airq_info")
    bits = info.follow("struct airq_iv", "aiv")
    end = bits.uint("end")
    if end > MAX_BITS:
        raise Corrupt(f"the driver claims {end} indicator bits")
    owners = target.decode_pointers(target.read(bits.pointer("ptr"), end * target.pointer_size)) if end else ()
    if virtqueue not in owners:
        raise NotSupported("no indicator bit is the queue's: its driver has given it none")
    bit, start, absent = list(owners).index(virtqueue), bits.pointer("vector"), Absences()
    summary = View(target, "struct airq_struct", info.address_of("airq"))
    return Indicator(
        adapter=True,
        # Older kernels keep no such address, as they have that memory at the same virtual one.
        area=Hex(bits.uint("vector_dma") if bits.has("vector_dma") else start),
        bit=bit,
        set=absent.take("set", _is_set, target, start, bit, True),
        summary=absent.take("summary", lambda: target.read_uint(summary.pointer("lsi_ptr"), 1) != 0),
        absent=dict(absent),
    )


def _classic(target: Target, proxy: View, index: int) -> Indicator:
    """One of the 64 bits that the device has for itself."""
    absent = Absences(summary="not applicable: classic interrupts have no summary indicator")
    if proxy.has("dma_area"):
        start = proxy.pointer("dma_area")
        inside = View(target, "struct vcdev_dma_area", start).address_of("indicators")
        area = inside - start + proxy.uint("dma_area_addr") if proxy.has("dma_area_addr") else inside
    else:
        area = inside = proxy.address_of("indicators")
    return Indicator(adapter=False, area=Hex(area), bit=index,
                     set=absent.take("set", _is_set, target, inside, index, False), absent=dict(absent))


def _is_set(target: Target, start: int, bit: int, adapter: bool) -> bool:
    byte, mask = place(bit, adapter)
    return bool(target.read_uint(start + byte, 1) & mask)
