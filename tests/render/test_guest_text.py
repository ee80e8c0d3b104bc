"""The guest's text: every number at its place, and no more said than the guest can know."""
import pytest

from tests.builders import fleet, incident, pair
from vqcheck.render import guest_text
from vqcheck.render.guest_says import sentences
from vqcheck.snapshot.model import Bus


def detail(snapshot):
    return guest_text.show(snapshot, True)


def flat(text):
    return " ".join(text.split())


def said(event_idx=True, **scene):
    guest = pair(event_idx=event_idx, **scene)[0]
    return sentences(guest.devices[0].queues[0], event_idx)


def columns(text, header):
    """The cells of the first row below the table whose header begins so."""
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(header))
    rule = next(number for number in range(at, len(lines)) if lines[number].startswith("--"))
    return lines[rule + 1].split()


def test_the_queue_of_the_incident():
    assert columns(detail(incident()[0]), "queue  size") == [
        "0", "128", "split", "124", "4", "43936/43936", "43932/43936", "43932", "43936", "0/0", "27"]


def test_the_device_of_the_incident():
    text = flat(detail(incident()[0]))
    assert "vdb, virtio-blk, pci 0000:00:07.0, virtio1, driver virtio_blk" in text
    assert "15 (ACKNOWLEDGE DRIVER DRIVER_OK FEATURES_OK)" in text
    assert "EVENT_IDX VERSION_1)" in text
    assert "used_event: written by the driver" in text


def test_what_the_guest_of_the_incident_says():
    assert said(avail=43936, last_used=43932) == [
        "4 completed entries not consumed: used->idx 43936, last_used_idx 43932; heads 28, 29, 30, 31",
        "the device owed an interrupt when it wrote used entry 43932: callbacks are on, and used_event 43932 is one of "
        "the entries not consumed"]


def test_an_idle_queue():
    assert said() == ["nothing in flight"]


def test_requests_that_the_device_has():
    assert said(avail=65537 & 0xFFFF, popped=65534, used=65534) == [
        "3 handed to the device and not returned: avail_idx_shadow 1, used->idx 65534; whether the device saw them "
        "only the host knows"]


@pytest.mark.parametrize("scene, sentence", [
    ({"driver": {"avail_flags_shadow": 1}}, "the driver has its callbacks off just now"),
    ({"ring": {"used_event": 43931}}, "the driver asked for no interrupt for them: used_event 43931"),
    ({"event_idx": False}, "the device owed an interrupt for them: callbacks are on, and there is no EVENT_IDX"),
    ({"event_idx": False, "ring": {"avail_flags": 1}}, "the driver asked for no interrupt (avail->flags bit 0)"),
])
def test_whether_an_interrupt_was_owed(scene, sentence):
    found = said(avail=43936, last_used=43932, **scene)
    assert found[-1].startswith(sentence)
    assert len(found) == 2


def test_nothing_is_said_of_interrupts_when_the_features_and_the_flag_are_not_known():
    queue = pair(avail=43936, last_used=43932, driver={"event": None})[0].devices[0].queues[0]
    assert len(sentences(queue, None)) == 1


@pytest.mark.parametrize("scene, sentence", [
    ({"driver": {"broken": True}}, "the driver has given this queue up (broken)"),
    ({"driver": {"num_added": 2}}, "2 buffers added for which the driver has not yet decided whether to kick"),
    ({"driver": {"avail_idx_shadow": 43937}}, "avail_idx_shadow 43937 is not what the ring says: avail->idx 43936"),
    ({"guest_queue": {"in_flight": []}, "last_used": 43932},
     "the driver holds 0 heads in flight where the indexes say 4"),
    ({"guest_ring": {"used_idx": 7}}, "the indexes contradict each other: last_used_idx 43936, used->idx 7"),
    ({"irq": {"depth": 1}}, "irq 27 is disabled (depth 1)"),
    ({"irq": {"masked": True}}, "irq 27 is masked"),
    ({"irq": {"pending": True}}, "irq 27 is pending"),
    ({"irq": {"in_progress": True}}, "irq 27 is in progress"),
    ({"guest_queue": {"ring": None}}, "nothing in flight"),
    ({"guest_queue": {"driver": None, "irq": None}}, "the driver's state is not known"),
])
def test_other_things_a_guest_can_tell(scene, sentence):
    assert any(one.startswith(sentence) for one in said(**scene)), said(**scene)


def test_a_contradiction_is_all_that_is_said_of_indexes():
    assert len(said(guest_ring={"used_idx": 7})) == 1


def test_requests_oldest_first():
    guest = pair(avail=20, popped=16, used=12, last_used=8)[0]
    rows = guest_text.request_rows(guest.devices[0])
    assert [row[1] for row in rows] == list(range(8, 20))
    assert [row[-1] for row in rows] == ["returned it"] * 4 + ["has not returned it"] * 8
    assert rows[0][2:8] == (8, "write", 0, 4096, "30.0 s", "in_flight")


def test_requests_of_unknown_age_come_last():
    guest = pair(avail=20, used=18)[0]
    queue = guest.devices[0].queues[0]
    requests = [queue.in_flight[0]._replace(age_ns=None), queue.in_flight[1]]
    device = guest.devices[0]._replace(queues=[queue._replace(in_flight=requests)])
    assert [row[6] for row in guest_text.request_rows(device)] == ["30.0 s", None]


def test_very_many_requests_are_cut():
    text = detail(pair(num=1024, avail=1000, popped=0)[0])
    assert "1000 requests in flight, oldest first:" in text
    assert "and 900 younger ones (all are in the JSON form)" in text
    assert len(text.splitlines()) < 140


def test_unknown_is_a_dash_and_never_zero():
    guest = pair(guest_queue={"ring": None, "driver": None, "irq": None, "size": None, "layout": None,
                              "in_flight": None, "used": None, "absent": {"ring": "page not in the dump"}})[0]
    text = detail(guest)
    assert columns(text, "queue  size") == ["0", "-", "-", "-", "-", "-/-", "-/-", "-", "-", "-", "-"]
    assert "ring [vdb queue 0]: page not in the dump" in text


def test_a_device_of_which_nothing_is_known():
    guest = pair(guest_device={"bus": None, "status": None, "features": None, "guest": None, "queues": []})[0]
    assert "\nvdb, virtio-blk, -\n" in detail(guest)


def test_the_overview():
    text = guest_text.show(fleet(3, 2)[0], False)
    assert columns(text, "disk") == [
        "vd0", "0000:00:00.0", "0", "128", "128", "0", "43936/43936", "43936/43936", "-", "27"]
    assert len([line for line in text.splitlines() if line.startswith("vd")]) == 6


def test_the_overview_shows_the_oldest_request():
    assert columns(guest_text.show(incident()[0], False), "disk")[-3:] == ["30.0", "s", "27"]


def test_no_devices():
    assert "no virtio devices" in guest_text.show(pair()[0]._replace(devices=[]), True)


@pytest.mark.parametrize("show_detail", [True, False])
def test_it_fits_a_hundred_columns(show_detail):
    for scene in (incident()[0], pair(num=256, avail=9, used=2, last_used=65530)[0]):
        assert max(map(len, guest_text.show(scene, show_detail).splitlines())) <= 100


def test_hostile_names_are_harmless():
    guest = pair(guest_device={"name": "vd\x1b[2Jb", "bus": Bus("pci", "\u202e")}, guest_part={"driver": "\x07"},
                 guest_queue={"name": "\x1b]0;x\x07"}, avail=8, used=4)[0]
    queue = guest.devices[0].queues[0]
    hostile = queue._replace(in_flight=[queue.in_flight[0]._replace(operation="\x1b[31m", state="\n\n")])
    guest = guest._replace(devices=[guest.devices[0]._replace(queues=[hostile])],
                           target=guest.target._replace(name="\x9bhost", release="\r"))
    for text in (detail(guest), guest_text.show(guest, False)):
        assert all(line.isprintable() for line in text.split("\n"))
        assert "vd\\x1b[2Jb" in text
