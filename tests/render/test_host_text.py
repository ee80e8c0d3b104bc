"""The host's text: every number at its place, and no more said than the host can know."""
import pytest

from tests.builders import fleet, incident, pair
from tests.render.test_guest_text import columns, flat
from vqcheck.render import host_text
from vqcheck.render.host_says import of_device, sentences
from vqcheck.snapshot.device_model import HostDevice, Notifier, ThreadState
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.transport_model import MsixVector
from vqcheck.virtio.devices import POSTED

MSIX = MsixVector(True, False, False, False, True, Hex(0xFEE01000), Hex(0x4022))


def detail(snapshot):
    return host_text.show(snapshot, True)


def said(event_idx=True, **scene):
    host = pair(event_idx=event_idx, **scene)[1]
    device = host.devices[0]
    return sentences(device.queues[0], device.host, event_idx, host.threads)


def test_the_queue_of_the_incident():
    text = detail(incident()[1])
    assert columns(text, "queue  size") == [
        "0", "128", "split", "43936/43936/43936", "43936/43936", "0", "invalid", "0", "43932", "43936"]
    assert columns(text, "queue  notification") == [
        "0", "on", "0/0", "1", "ok", "fd", "51", "enabled", "fd", "49", "irqfd", "iothread0", "4242"]


def test_the_device_of_the_incident():
    text = flat(detail(incident()[1]))
    assert "virtio-disk1, virtio-blk, pci 0000:00:07.0, virtio-blk-device" in text
    assert "qom path /machine/peripheral/virtio-disk1/virtio-backend" in text
    assert "offered 0x179006e54" in text
    assert "VM running, vm_running yes, started yes, broken no, disabled no, vhost no, ioeventfd yes, isr 1" in text
    assert "disk1-format (raw, /dev/dm-65) iostatus ok, in_flight 0" in text


def test_what_the_host_of_the_incident_says():
    host = incident()[1]
    found = sentences(host.devices[0].queues[0], host.devices[0].host, True, host.threads)
    assert found[0].startswith("nothing posted and nothing under way")
    assert found[1].startswith("QEMU has never completed the decision whether to interrupt")
    assert found[2] == ("thread 4242 (iothread iothread0) serves it and stands in ppoll < qemu_poll_ns < "
                        "fdmon_poll_wait < aio_poll < iothread_run < qemu_thread_start")


def test_posted_and_not_popped():
    assert said(avail=2, popped=65534)[0] == (
        "4 requests posted and not popped: avail->idx 2, last_avail_idx 65534; heads 126, 127, 0, 1")


def test_buffers_of_a_receive_or_event_queue_are_no_requests():
    host = pair(avail=8, popped=0, used=0, last_used=0)[1]
    device = host.devices[0]
    assert sentences(device.queues[0], device.host, True, host.threads, POSTED)[0].startswith(
        "8 buffers posted for what is to come: avail->idx 8, last_avail_idx 0")


def test_popped_and_not_returned():
    assert said(avail=8, used=7)[0] == "1 request popped and not returned: last_avail_idx 8, used_idx 7"


@pytest.mark.parametrize("state, event_idx, sentence", [
    ({}, True, "whether to interrupt was decided for everything returned"),
    ({"signalled_used": 43934}, True, "2 returned entries for which QEMU has not yet decided whether to interrupt"),
    ({"signalled_used": 0, "signalled_used_valid": False}, True, "QEMU has never completed the decision"),
    ({"signalled_used": 9, "signalled_used_valid": False}, True, "signalled_used 9 is not valid"),
    ({"signalled_used": 0, "signalled_used_valid": False}, False, "signalled_used means nothing here"),
])
def test_what_signalled_used_proves(state, event_idx, sentence):
    assert said(event_idx=event_idx, device=state)[1].startswith(sentence)


def test_signalled_used_of_a_fresh_queue_proves_nothing_odd():
    found = said(avail=0, device={"signalled_used": 0, "signalled_used_valid": False})
    assert found[1] == "signalled_used 0 is not valid: the next completion is certain to notify"


@pytest.mark.parametrize("scene, sentence", [
    ({"device": {"inuse": 3}}, "inuse 3 is not what the indexes say: 0"),
    ({"host_ring": {"used_idx": 43935}}, "used_idx 43936 is not what the ring says: used->idx 43935"),
    ({"host_ring": {"avail_idx": 7}}, "the indexes contradict each other: avail->idx 7"),
    ({"device": {"notification": False}}, "the device has kicks turned off (notification false)"),
    ({"device": {"notification": False}, "notify": {"polling": True}},
     "kicks are turned off while the event loop polls"),
    ({"notify": {"host_notifier": Notifier(51, eventfd_count=1)}}, "a kick lies unread in the host notifier, fd 51"),
    ({"notify": {"guest_notifier": Notifier(49, eventfd_count=2)}}, "an interrupt lies unread in the guest notifier"),
    ({"notify": {"host_notifier": Notifier(51, handler=False)}}, "no handler is attached to the host notifier"),
    ({"notify": {"msix": MSIX._replace(masked=True)}}, "vector 1 is masked"),
    ({"notify": {"msix": MSIX._replace(function_masked=True)}}, "MSI-X is masked for the whole function"),
    ({"notify": {"msix": MSIX._replace(pending=True)}}, "vector 1 has its pending bit set"),
    ({"notify": {"msix": MSIX._replace(in_use=False)}}, "vector 1 is not in use"),
    ({"host_part": {"vhost_started": True}}, "vhost serves this queue"),
    ({"host_queue": {"device": None}}, "the device's state is not known"),
    ({"host_queue": {"ring": None}}, "nothing under way (inuse 0)"),
    ({"host_queue": {"layout": "packed"}, "device": {"inuse": 2}}, "2 descriptors popped and not returned"),
    ({"stack": []}, "thread 4242 (iothread iothread0) serves it; its stack is not known"),
])
def test_other_things_a_host_can_tell(scene, sentence):
    assert any(one.startswith(sentence) for one in said(**scene)), said(**scene)


def test_no_arithmetic_on_the_indexes_of_vhost():
    found = said(avail=9, popped=3, used=1, host_part={"vhost_started": True})
    assert not any("posted" in one or "popped" in one or "signalled_used" in one for one in found)


def test_a_thread_that_is_not_listed():
    assert len(said(notify={"thread": 1})) == 2
    assert len(said(notify={"thread": None})) == 2


def test_a_deep_stack_is_cut():
    assert said(stack=[f"f{number}" for number in range(9)])[-1].endswith("f4 < f5 < ...")


@pytest.mark.parametrize("part, sentence", [
    (HostDevice(broken=True), "the device is broken"),
    (HostDevice(disabled=True), "the device is disabled"),
    (HostDevice(run_state="io-error"), "the VM is not running: io-error"),
    (HostDevice(run_state="running", vm_running=False), "the device takes the VM for stopped"),
    (HostDevice(started=False), "the device is not started"),
])
def test_the_device_as_a_whole(part, sentence):
    assert [one[:len(sentence)] for one in of_device(part)] == [sentence]


def test_the_block_layer():
    host = pair(avail=4, used=2, block={"quiesce_counter": 1, "parked": 2, "throttled": 3})[1]
    text = flat(detail(host))
    assert "the block layer has 2 requests in flight" in text
    assert "the block layer is drained (quiesce_counter 1)" in text
    assert "2 requests parked for a retry after an error" in text
    assert "3 requests in the throttle group's waiting line" in text
    assert "the block layer tracks 2 requests: node type offset bytes" in text
    assert "disk1-format write 4096 4096" in text


def test_a_healthy_device_has_nothing_to_say():
    assert of_device(pair()[1].devices[0].host) == []


def test_unknown_is_a_dash_and_never_zero():
    host = pair(host_queue={"ring": None, "device": None, "notify": None, "size": None, "layout": None},
                host_device={"features": None, "status": None, "host": None, "bus": None})[1]
    text = detail(host)
    assert columns(text, "queue  size") == ["0", "-", "-", "-/-/-", "-/-", "-", "-", "-", "-"]
    assert columns(text, "queue  notification") == ["0"] + ["-"] * 8


def test_a_vector_that_is_none():
    text = detail(pair(notify={"vector": 65535, "msix": MSIX._replace(enabled=False)})[1])
    assert columns(text, "queue  notification")[3:5] == ["none", "off"]


def test_the_overview():
    text = host_text.show(fleet(3, 2)[1], False)
    assert columns(text, "device        type") == [
        "virtio-disk0", "blk", "0000:00:00.0", "15", "2", "split", "0x130006e54", "0x179006e54", "iothread0"]
    assert columns(text, "device        qom path") == ["virtio-disk0", "peripheral/virtio-disk1", "disk1-format"]
    assert columns(text, "device        queue") == [
        "virtio-disk0", "0", "request", "128", "43936/43936/43936", "43936/43936", "0", "43936", "valid", "-"]
    assert len([line for line in text.splitlines() if line.startswith("virtio-disk")]) == 3 + 3 + 6
    assert "nothing stands out on the host's side" in text
    assert "VM running, kvm, big lock free" in text


def test_no_devices():
    assert "no virtio devices" in host_text.show(pair()[1]._replace(devices=[]), True)


@pytest.mark.parametrize("show_detail", [True, False])
def test_it_fits_a_hundred_columns(show_detail):
    for scene in (incident()[1], pair(num=256, avail=9, popped=5, used=65530)[1]):
        assert max(map(len, host_text.show(scene, show_detail).splitlines())) <= 100


def test_hostile_names_are_harmless():
    host = pair(host_device={"name": "d\x1b[2J"}, host_part={"qom_path": "\x1b", "type": "\n", "run_state": "\u202e"},
                block={"node": "\x1b", "filename": "/x\n\ny", "tracked": None, "iostatus": "\x07"},
                notify={"context": "\x1b"}, stack=["\x1b[31mppoll"])[1]
    host = host._replace(threads=[*host.threads, ThreadState(1, "\x1b")])
    for text in (detail(host), host_text.show(host, False)):
        assert all(line.isprintable() for line in text.split("\n"))
    assert "\\x1b[31mppoll" in detail(host)
