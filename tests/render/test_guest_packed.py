"""Packed rings in words."""
import pytest

from tests.builders import packed_queue, pair, with_queues
from vqcheck.render import guest_packed, guest_text
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.model import PackedEvent
from vqcheck.virtio.devices import NET
from vqcheck.virtio.packed import Position

BLOCK = """\
queue 0: 8 descriptors from last_used_idx to next_avail_idx:
position  id  len  addr    flags   in words
--------  --  ---  ------  ------  --------------
250:1     11    1  -       0x8082  used WRITE
251:1     11  512  0x1000  0x81    available NEXT
252:1     11  512  0x1000  0x81    available NEXT
253:1     11  512  0x1000  0x80    available
254:1     12  512  0x2000  0x81    available NEXT
255:1     12  512  0x2000  0x81    available NEXT
0:0       12  512  0x2000  0x8001  available NEXT
1:0       12  512  0x2000  0x8000  available"""


def test_descriptors_across_the_end_of_the_ring():
    assert guest_packed.descriptors(packed_queue((1, 3, 4), (1,))) == [BLOCK]


@pytest.mark.parametrize("event, words", [
    (None, None), (PackedEvent(9, 0), "always"), (PackedEvent(9, 1), "never"), (PackedEvent(9, 2), "at 9:0"),
    (PackedEvent(0x8009, 2), "at 9:1"), (PackedEvent(9, 3), "flags 3")])
def test_event_areas(event, words):
    assert guest_packed.event_words(event) == words


@pytest.mark.parametrize("flags, wrap, words", [
    (0x80, 1, "available"), (0x8000, 0, "available"), (0x8080, 1, "used"), (0, 0, "used"), (0, 1, "of another lap"),
    (0x8080, 0, "of another lap"), (0x8000, 1, "of another lap"), (0x84, 1, "available INDIRECT"),
    (0x83, 1, "available NEXT WRITE")])
def test_flags(flags, wrap, words):
    assert guest_packed.flag_words(flags, Position(3, wrap)) == words


def test_whose_a_descriptor_is_stays_open_where_the_lap_is_not_known():
    queue = packed_queue((2,), driver={"used_wrap_counter": None})
    rows = guest_packed.descriptor_rows(queue)
    assert [(row[0], row[-1]) for row in rows] == [("250", "NEXT"), ("251", None)]


def test_the_length_of_a_used_descriptor_is_one_only_where_the_device_has_written():
    queue = packed_queue((1,), (0,))
    (one,) = queue.packed.descriptors
    plain = queue._replace(packed=queue.packed._replace(descriptors=[one._replace(flags=Hex(0x8080))]))
    assert guest_packed.descriptor_rows(plain)[0][1:4] == (one.id, None, None)


def test_very_many_descriptors_are_cut():
    (block,) = guest_packed.descriptors(packed_queue((1,) * 40))
    assert len(block.splitlines()) == 3 + guest_packed.DESCRIPTOR_LIMIT + 1
    assert block.endswith("and 8 more (all are in the JSON form)")


def test_nothing_between_the_positions_is_nothing_to_show():
    assert guest_packed.descriptors(packed_queue()) == []
    assert guest_packed.descriptors(packed_queue(packed=None)) == []


def test_posted_buffers_are_not_listed():
    guest = pair(guest_device={"device_id": NET, "type": "net"})[0]
    text = guest_text.show(with_queues(guest, packed_queue((1, 1), role="rx")), True)
    assert "2 buffers posted" in text
    assert "descriptors from" not in text


def test_the_legend_puts_the_event_areas_the_right_way_round():
    interrupts, kicks = guest_packed.LEGEND.split("  kicks: ")
    assert "interrupts: written by the driver" in interrupts and "(device to driver)" in interrupts
    assert kicks.startswith("written by the device") and "(driver to device)" in kicks
