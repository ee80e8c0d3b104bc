"""The guest's text: every number at its place, worst first, and readable however large the guest."""
import pytest

from tests.builders import block_queue, fleet, incident, only_queue, packed_queue, pair, with_queues
from vqcheck.render import guest_requests, guest_text
from vqcheck.snapshot.kernel_model import NetDevice
from vqcheck.snapshot.model import Bus
from vqcheck.snapshot.request_model import Task
from vqcheck.virtio.devices import CONSOLE

OVERVIEW = """\
guest guest1 (6.1.0-56-cloud-amd64, x86_64), dump guest.kdump at 2026-03-01T12:00:00+00:00 (the
    dump's header), vqcheck 0.1.0 in crash 8.0.2

stands out:
  vdb queue 0: 4 completed and not consumed, oldest 30.0 s

device  virtio   type  bus address   driver      queues   features
------  -------  ----  ------------  ----------  -------  -----------
vdb     virtio1  blk   0000:00:07.0  virtio_blk  1 split  0x130006e54

device  queue  role     size    num      in  avail_idx    used_idx     oldest  irq
                              _free  flight  shadow/ring  last/ring
------  -----  -------  ----  -----  ------  -----------  -----------  ------  ---
vdb         0  request   128    124       4  43936/43936  43932/43936  30.0 s   27

not known:
  features.offered [vdb]: known to the host only
"""

DETAIL = """\
vdb, virtio-blk, pci 0000:00:07.0, virtio1, driver virtio_blk
  structs     virtio_device 0xffff888003c00000, gendisk 0xffff888003c22000, virtio_blk
              0xffff888003c33000
  status      15 (ACKNOWLEDGE DRIVER DRIVER_OK FEATURES_OK)
  features    0x130006e54 (SEG_MAX GEOMETRY BLK_SIZE FLUSH TOPOLOGY CONFIG_WCE DISCARD WRITE_ZEROES
              INDIRECT_DESC EVENT_IDX VERSION_1)

stands out:
  vdb queue 0: 4 completed and not consumed, oldest 30.0 s

queue  role     size    num      in  avail_idx    used_idx       used   avail  call   flags  irq
                      _free  flight  shadow/ring  last/ring    _event  _event  backs  av/us
-----  -------  ----  -----  ------  -----------  -----------  ------  ------  -----  -----  ---
    0  request   128    124       4  43936/43936  43932/43936   43932   43936  on     0/0     27

used_event: written by the driver, read by the device; gates interrupts (device to driver).
avail_event: written by the device, read by the driver; gates kicks (driver to device).

4 entries in flight, oldest first (state in_flight):
queue  head  tag  op     sector  bytes  age     device
                                                returned
-----  ----  ---  -----  ------  -----  ------  --------
    0    28   28  write       0   4096  30.0 s  yes
    0    29   29  write       8   4096  30.0 s  yes
    0    30   30  write      16   4096  30.0 s  yes
    0    31   31  write      24   4096  30.0 s  yes

interrupts:
irq  queues  name           total
---  ------  -------------  -----
 27  0       virtio1-req.0  43000

queue 0 (req.0), vring_virtqueue 0xffff888003c11000, callback virtblk_done:
  * 4 completed entries not consumed: used->idx 43936, last_used_idx 43932; heads 28, 29, 30, 31
  * the device owed an interrupt when it wrote used entry 43932: callbacks are on, and used_event
    43932 is one of the entries not consumed
"""


def detail(snapshot):
    return guest_text.show(snapshot, True)


def overview(snapshot):
    return guest_text.show(snapshot, False)


def flat(text):
    return " ".join(text.split())


def rows(text, header):
    """The lines of the table whose header begins so."""
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(header))
    rule = next(number for number in range(at, len(lines)) if lines[number].startswith("--"))
    end = next((number for number in range(rule, len(lines)) if not lines[number]), len(lines))
    return lines[rule + 1:end]


def columns(text, header):
    """The cells of the first row below the table whose header begins so."""
    return rows(text, header)[0].split()


def console(ports):
    """A console device of which one port alone is open, beside the disk of the incident."""
    guest = incident()[0]
    queue = only_queue(pair(num=128, avail=0)[0])
    posted = only_queue(pair(num=128, avail=128, used=0)[0])._replace(role="rx")
    queues = [posted, *(queue._replace(queue_index=index, role="tx" if index % 2 else "rx")
                        for index in range(1, 2 * ports))]
    device = guest.devices[0]._replace(name="hvc0", type="console", device_id=CONSOLE, queues=queues)
    return guest._replace(devices=[device, *guest.devices])


def test_the_overview_of_the_incident():
    assert overview(incident()[0]) == OVERVIEW


def test_the_detail_of_the_incident():
    assert DETAIL in detail(incident()[0])


def test_one_row_a_queue_with_the_device_in_it():
    text = overview(fleet(3, 2)[0])
    assert [line.split()[:2] for line in rows(text, "device  queue")] == [
        [f"vd{number}", str(queue)] for number in range(3) for queue in range(2)]
    assert rows(text, "device  queue")[0].split() == [
        "vd0", "0", "request", "128", "128", "0", "43936/43936", "43936/43936", "-", "27"]
    assert "nothing stands out on the guest's side" in text


def test_idle_queues_of_a_large_guest_are_counted_and_not_drawn():
    guest = fleet(64, 4)[0]
    busy = only_queue(incident()[0])._replace(queue_index=2)
    devices = [*guest.devices[:7], guest.devices[7]._replace(queues=[*guest.devices[7].queues[:2], busy]),
               *guest.devices[8:]]
    text = overview(guest._replace(devices=devices))
    assert [line.split()[:2] for line in rows(text, "device  queue")] == [["vd7", "2"]]
    assert "254 idle queues not shown: vd0 0-3, vd1 0-3, " in flat(text)
    assert "vd7 0-1," in flat(text)
    assert len(text.splitlines()) < 100


def test_queues_that_were_never_used_are_the_first_to_go():
    text = overview(console(32))
    assert [line.split()[:3] for line in rows(text, "device  queue")] == [["vdb", "0", "request"]]
    assert "64 idle queues not shown: hvc0 0-63" in text


def test_a_small_guest_shows_idle_queues_too():
    assert len(rows(overview(console(2)), "device  queue")) == 5


def test_queues_of_which_the_same_is_to_be_said_are_told_together():
    text = detail(console(32))
    assert "queue 0 (req.0), vring_virtqueue 0xffff888003c11000, callback virtblk_done:\n  * 128 buffers posted" in text
    assert "queues 1, 3, 5, 7, " in text
    assert text.count("nothing in flight") == 1


@pytest.mark.parametrize("names, shown", [
    (["vdb"], None), (["host0", "target0:0:0", "0:0:0:0", "sda"], "sda"), (["vport4p0", "vport4p1"], "vport4p0 +1"),
    (["a" * 12], "a" * 12), (["sda", "sdb", "sdc", "sdd"], "sda sdb +2"), (["abcdefghijkl", "m"], "2 names")])
def test_other_names_fit_their_column(names, shown):
    assert guest_text.device_rows(pair(guest_part={"linux_names": names})[0])[0][-1] == shown


def test_the_positions_of_a_packed_queue():
    guest = with_queues(pair()[0], packed_queue((1, 3, 4), (1,)))
    assert "  2:0 " in rows(overview(guest), "device  queue")[0]
    assert "packed queues: avail_idx is next_avail_idx:wrap counter" in overview(guest)
    assert rows(detail(guest), "queue  role")[0].split() == [
        "0", "request", "256", "248", "3", "2:0", "250:1", "on", "at", "250:1", "at", "2:0", "27"]
    assert "1 packed" in overview(guest)


def test_split_and_packed_queues_have_tables_of_their_own():
    guest = with_queues(pair()[0], only_queue(pair()[0]), packed_queue(queue_index=1))
    text = flat(detail(guest))
    assert "used_event: written by the driver" in text
    assert "Positions are offset:wrap counter." in text


def test_warnings_come_first():
    guest = incident()[0]
    guest = guest._replace(capture=guest.capture._replace(warnings=["pages\x1b are missing", "the guest ran"]))
    for text in (overview(guest), detail(guest)):
        assert text.splitlines()[2:4] == ["WARNING: pages\\x1b are missing", "WARNING: the guest ran"]


def test_very_many_warnings_are_cut():
    guest = incident()[0]
    guest = guest._replace(capture=guest.capture._replace(warnings=[f"vdb queue {n} moved" for n in range(64)]))
    assert overview(guest).count("WARNING: vdb queue") == 8
    assert "WARNING: and 56 more of these" in overview(guest)


def test_which_boot_it_was():
    guest = pair()[0]
    guest = guest._replace(target=guest.target._replace(boot_id="b-1", command_line="quiet " + "x" * 500),
                           capture=guest.capture._replace(uptime_ns=90_000_000_000, cpus_online="0-3"))
    text = flat(detail(guest))
    assert "up for 90.0 s, CPUs online 0-3, boot id b-1" in text
    assert "cmdline quiet xxx" in text and "x" * 400 not in text
    assert "boot id" not in overview(guest)


def test_a_network_interface():
    guest = pair(guest_part={"net": NetDevice("eth0", up=True, carrier=False)})[0]
    assert "interface   eth0, up, no carrier\n" in detail(guest)


def test_requests_oldest_first():
    guest = pair(avail=20, popped=16, used=12, last_used=8)[0]
    found = guest_requests.request_rows(guest.devices[0])
    assert [row[1] for row in found] == list(range(8, 20))
    assert [row[13] for row in found] == ["yes"] * 4 + ["no"] * 8
    assert (found[0][2], found[0][4], *found[0][7:9], found[0][10]) == (8, "write", 0, 4096, "30.0 s")


def test_requests_of_unknown_age_come_last():
    guest = pair(avail=20, used=18)[0]
    queue = only_queue(guest)
    requests = [queue.in_flight[0]._replace(age_ns=None), queue.in_flight[1]]
    device = with_queues(guest, queue._replace(in_flight=requests)).devices[0]
    assert [row[10] for row in guest_requests.request_rows(device)] == ["30.0 s", None]


def test_everything_that_is_known_of_a_request():
    guest = pair(avail=1, used=0)[0]
    queue = only_queue(guest)
    request = queue.in_flight[0]._replace(kind="scsi", operation="drv_in", cdb="000000000000", unit="0:0:1:0",
                                          task=Task(123, "dd"), issued_ns=1_500_000_000, descriptors=2, indirect=3)
    text = detail(with_queues(guest, queue._replace(in_flight=[request])))
    assert "1 entry in flight (kind scsi, state in_flight):" in text
    text = text[text.index("1 entry in"):]
    assert columns(text, "queue  head") == ["0", "0", "0", "drv_in", "0:0:1:0", "000000000000", "0", "4096", "dd[123]",
                                            "30.0", "s", "1.5", "s", "no"]
    assert columns(text[text.rindex("queue  head"):], "queue  head") == ["0", "0", "2+3"]


def test_a_table_that_is_not_known_is_not_shown_as_none():
    one = only_queue(pair(avail=1, used=0)[0]).in_flight[0]._replace(descriptors=1)
    lost = one._replace(absent={"indirect": "the device has written over the descriptor"})
    device = with_queues(pair()[0], only_queue(pair()[0])._replace(in_flight=[lost])).devices[0]
    assert guest_requests.request_rows(device)[0][-1] == "1+?"


def test_the_command_is_left_out_where_the_operation_says_it():
    guest = pair(avail=1, used=0)[0]
    queue = only_queue(guest)
    reading = queue.in_flight[0]._replace(operation="read", cdb="28000000000000000800")
    assert "28000000" not in detail(with_queues(guest, queue._replace(in_flight=[reading])))


def test_posted_buffers_are_no_requests():
    text = detail(console(1)._replace(devices=console(1).devices[:1]))
    assert "in flight, oldest first" not in text
    assert "128 buffers posted" in text


def test_very_many_requests_are_cut():
    text = detail(pair(num=1024, avail=1000, popped=0)[0])
    assert "1000 entries in flight, oldest first" in text
    assert "and 900 younger ones (listed in the JSON form)" in text
    assert len(text.splitlines()) < 150


def test_unknown_is_a_dash_and_never_zero():
    guest = pair(guest_queue={"ring": None, "driver": None, "irq": None, "size": None, "layout": None,
                              "in_flight": None, "used": None, "absent": {"ring": "page not in the dump"}})[0]
    text = detail(guest)
    assert columns(text, "queue  role") == ["0", "request", "-", "-", "-", "-/-", "-/-", "-", "-", "-", "-", "-"]
    assert "ring [vdb queue 0]: page not in the dump" in text
    assert columns(overview(guest), "device  queue") == ["vdb", "0", "request", "-", "-", "-", "-/-", "-/-", "-", "-"]


def test_a_queue_of_which_nothing_is_known_is_not_taken_for_idle():
    guest = fleet(20, 4)[0]
    unknown = guest.devices[3].queues[1]._replace(driver=None, ring=None, used=None, in_flight=None)
    devices = [*guest.devices[:3], guest.devices[3]._replace(queues=[unknown]), *guest.devices[4:]]
    assert [line.split()[:2] for line in rows(overview(guest._replace(devices=devices)), "device  queue")] == [
        ["vd3", "1"]]


def test_a_device_of_which_nothing_is_known():
    guest = pair(guest_device={"bus": None, "status": None, "features": None, "guest": None, "queues": []})[0]
    assert "\nvdb, virtio-blk, -\n" in detail(guest)
    assert rows(overview(guest), "device  type") == ["vdb     blk   -            0"]


def test_no_devices():
    assert "no virtio devices" in detail(pair()[0]._replace(devices=[]))


def test_a_module_without_debug_information_is_one_line():
    absent = {f"field{number}": "no debug information for struct vring_virtqueue" for number in range(20)}
    guest = fleet(9, 4)[0]
    devices = [device._replace(queues=[queue._replace(absent=absent) for queue in device.queues])
               for device in guest.devices]
    text = overview(guest._replace(devices=devices))
    assert flat(text).count("no debug information") == 1
    assert "field6, field7 and 12 more [vd0 queue 0, " in flat(text)


def test_the_block_layer_is_part_of_the_detail():
    text = detail(pair(guest_part={"block": [block_queue(2)]})[0])
    assert "block layer of vdb: scheduler none" in text
    assert "nothing is on a ring, yet 2 requests of vdb wait" in flat(text)


@pytest.mark.parametrize("show_detail", [True, False])
def test_hostile_names_are_harmless(show_detail):
    guest = pair(guest_device={"name": "vd\x1b[2Jb", "bus": Bus("pci", "\u202e")},
                 guest_part={"driver": "\x07", "linux_names": ["\x1b[1m"]},
                 guest_queue={"name": "\x1b]0;x\x07", "role": "\x1b"}, avail=8, used=4)[0]
    queue = only_queue(guest)
    hostile = queue._replace(in_flight=[queue.in_flight[0]._replace(operation="\x1b[31m", state="\n\n")])
    guest = with_queues(guest, hostile)._replace(target=guest.target._replace(name="\x9bhost", release="\r"))
    text = guest_text.show(guest, show_detail)
    assert all(line.isprintable() for line in text.split("\n"))
    assert "vd\\x1b[2Jb" in text
