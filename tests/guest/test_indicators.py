"""The bit by which a channel device interrupts for a queue, in made-up memory of an s390x guest."""
import pytest

from tests.guest.made.declare import Types
from tests.guest.made.guest import Guest
from vqcheck.guest.bus import VirtioDevice
from vqcheck.guest.indicators import indicator, on_ccw
from vqcheck.snapshot.model import Bus
from vqcheck.target.errors import Corrupt, NotSupported
from vqcheck.target.view import View

QUEUE, OTHER = 0x700000, 0x700400
INSIDE = 0x9999000
"""What the guest's channel subsystem was told of its memory: another address than the kernel's own."""

NOW = """
struct virtio_device { u64 id; }
struct airq_struct { list list; ptr handler; ptr lsi_ptr; u8 lsi_mask; u8 isc; u8 flags; }
struct airq_info { u64 lock; u8 summary_indicator_idx; airq_struct airq; ptr aiv; }
struct airq_iv { ptr vector; u64 vector_dma; ptr avail; ptr bitlock; ptr ptr; ptr data; long bits; long end;
    long flags; }
struct vcdev_dma_area { long indicators; long indicators2; u32 config_block; u8 status; }
struct virtio_ccw_device { u64 cdev; virtio_device vdev; bool is_thinint; ptr airq_info; ptr dma_area; }
"""
LATER = """
struct virtio_ccw_device { virtio_device vdev; bool is_thinint; ptr airq_info; ptr dma_area; u32 dma_area_addr; }
"""
BEFORE = """
struct airq_iv { ptr vector; ptr avail; ptr bitlock; ptr ptr; ptr data; long bits; long end; u64 lock; }
struct virtio_ccw_device { virtio_device vdev; ptr status; long indicators; long indicators2; bool is_thinint;
    ptr airq_info; }
"""


def guest(text=""):
    """A kernel that has the structs of 6.1, or others of the same names."""
    made = Guest("6.1", "big")
    Types(made).declare(NOW + text)
    return made


def device(target, **values):
    """A channel device."""
    at = target.struct("virtio_ccw_device", "virtio_ccw_device", **values)
    view = View(target, "struct virtio_device", at + target.offset("virtio_ccw_device", "vdev"))
    return VirtioDevice(view, "virtio0", Bus("ccw", "0.0.0001"), None, [], None)


def by_adapter(target, bits=b"\0\0\0", owners=(), summary=0, end=None):
    """One whose bits are those of adapter interrupts; `owners` has the queue that each of them is for."""
    vector = target.new("the bits", bits)
    pointers = target.new("whose they are", b"".join(map(target.pointer, owners)) or b"\0")
    has = {"vector_dma": INSIDE} if "vector_dma" in target.types["struct airq_iv"][1] else {}
    aiv = target.struct("airq_iv", "airq_iv", vector=vector, ptr=pointers,
                        end=len(owners) if end is None else end, **has)
    info = target.struct("airq_info", "airq_info", aiv=aiv,
                         airq__lsi_ptr=target.new("the summary indicator", bytes([summary])))
    return device(target, is_thinint=1, airq_info=info), vector


@pytest.mark.parametrize("place, byte, mask", [(0, 0, 0x80), (1, 0, 0x40), (7, 0, 0x01), (9, 1, 0x40), (23, 2, 0x01)])
def test_bits_of_adapter_interrupts_are_counted_from_the_most_significant(place, byte, mask):
    for is_set in (True, False):
        target = guest()
        bits = bytearray(3) if is_set else bytearray(b"\xff\xff\xff")
        bits[byte] ^= mask
        made, _ = by_adapter(target, bytes(bits), [OTHER] * place + [QUEUE] + [0] * (23 - place), summary=1)
        found = indicator(target, made, QUEUE, 5)
        assert found == (True, INSIDE, place, is_set, True, {})


def test_older_kernels_keep_no_address_for_the_device():
    target = guest(BEFORE)
    made, vector = by_adapter(target, b"\x40", [OTHER, QUEUE])
    assert indicator(target, made, QUEUE, 1) == (True, vector, 1, True, False, {})


@pytest.mark.parametrize("index, byte, mask", [(0, 7, 0x01), (3, 7, 0x08), (8, 6, 0x01), (63, 0, 0x80)])
def test_classic_bits_are_counted_from_the_least_significant(index, byte, mask):
    target = guest()
    for is_set in (True, False):
        bits = bytearray(8) if is_set else bytearray(b"\xff" * 8)
        bits[byte] ^= mask
        area = target.struct("vcdev_dma_area", "vcdev_dma_area", indicators=int.from_bytes(bits, "big"))
        found = indicator(target, device(target, dma_area=area), QUEUE, index)
        assert found[:4] == (False, area, index, is_set) and found.summary is None
        assert found.absent == {"summary": "not applicable: classic interrupts have no summary indicator"}


def test_classic_bits_of_other_kernels():
    target = guest(LATER)
    area = target.struct("vcdev_dma_area", "vcdev_dma_area", indicators=4)
    found = indicator(target, device(target, dma_area=area, dma_area_addr=INSIDE), QUEUE, 2)
    assert (found.area, found.set) == (INSIDE, True)
    target = guest(BEFORE)
    made = device(target, indicators=4)
    found = indicator(target, made, QUEUE, 2)
    assert (found.area, found.set) == (made.view.address + target.offset("virtio_ccw_device", "indicators"), True)


def test_a_queue_without_a_bit():
    target = guest()
    made, _ = by_adapter(target, owners=[OTHER])
    with pytest.raises(NotSupported, match="no indicator bit is the queue's"):
        indicator(target, made, QUEUE, 0)


def test_bits_without_end():
    target = guest()
    made, _ = by_adapter(target, owners=[QUEUE], end=1 << 40)
    with pytest.raises(Corrupt, match="1099511627776 indicator bits"):
        indicator(target, made, QUEUE, 0)


def test_bits_that_are_not_in_the_dump():
    target = guest()
    made, vector = by_adapter(target, owners=[QUEUE])
    target.forget(vector)
    found = indicator(target, made, QUEUE, 0)
    assert (found.bit, found.set, found.summary) == (0, None, False) and f"{vector:#x}" in found.absent["set"]


@pytest.mark.parametrize("bus, is_so", [(Bus("ccw", "0.0.0001"), True), (Bus("pci", "0000:00:01.0"), False),
                                        (None, False)])
def test_what_a_channel_device_is(bus, is_so):
    assert on_ccw(device(guest())._replace(bus=bus)) is is_so
