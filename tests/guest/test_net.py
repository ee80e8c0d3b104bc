"""virtio-net in the guest: the interface, NAPI in every state, transmit queues, packets, and what can be missing."""
import pytest

from tests.guest import made_net as made
from tests.guest.made_net import LISTED, NPSVC, SCHED, THREADED, made_net, set_napi
from vqcheck.guest.drivers import driver_kind
from vqcheck.guest.drivers.net import NetDriver
from vqcheck.target.absence import Absences


def about(target, index):
    return made.driver(target).about_queue(made.queue(index))


def test_the_interface():
    absent = Absences()
    net = made.driver(made_net()).fields(absent)["net"]
    assert (net.name, net.address, net.up, net.carrier, net.absent) == ("eth0", made.NET, True, True, {})
    assert absent == {} and made.driver(made_net()).display_name() == "eth0" and driver_kind(1) is NetDriver


def test_an_interface_that_is_down_and_has_no_carrier():
    target = made_net()
    target.change("struct net_device", made.NET, flags=0x1000, state=made.NOCARRIER)
    net = made.driver(target).fields(Absences())["net"]
    assert (net.up, net.carrier) == (False, False)


def test_without_an_interface_its_absence_has_a_reason():
    target, absent = made_net(), Absences()
    bare = made.driver(target)
    bare.device = bare.device._replace(below=[], why_none_below="a list does not close")
    assert bare.fields(absent) == {} and absent == {"net": "a list does not close"}
    assert bare.display_name() is None
    assert bare.about_queue(made.queue(1)).absent["tx_queue"] == "a list does not close"


def test_an_interface_that_is_not_in_the_dump():
    target = made_net()
    target.forget(made.NET)
    net = made.driver(target).fields(Absences())["net"]
    assert net.address == made.NET and (net.name, net.up, net.carrier) == (None, None, None)
    assert set(net.absent) == {"name", "up", "carrier"}


@pytest.mark.parametrize("order, width", [("little", 8), ("big", 8), ("little", 4), ("big", 4)])
def test_each_queue_has_its_own_napi(order, width):
    target = made_net(byte_order=order, pointer_size=width)
    for index in range(4):
        set_napi(target, "sq" if index % 2 else "rq", index // 2, LISTED | index << 5)
    found = [about(target, index) for index in range(5)]
    assert [one.napi and one.napi.state for one in found] == [16, 48, 80, 112, None]
    assert [one.tx_queue and one.tx_queue.trans_start for one in found] == [None, 4294895361, None, 4294895362, None]
    assert all(one.absent == {"irq": "as it was"} for one in found)


IDLE = (True, False, False, None)
DISABLED = (False, False, False, None)


@pytest.mark.parametrize("state, words, expected", [
    (LISTED, {}, IDLE),
    (LISTED | SCHED, {"on_list": True, "list_owner": 3}, (True, True, False, 3)),
    (LISTED | SCHED, {"list_owner": 3}, (True, True, True, 3)),
    (LISTED | SCHED | NPSVC, {}, DISABLED),
    (LISTED | SCHED | NPSVC, {"poll_owner": 2}, (True, True, True, 2)),
    (LISTED | SCHED, {"poll_owner": 2, "list_owner": 3}, (True, True, True, 2)),
    (LISTED, {"poll_owner": 2}, (True, False, True, 2)),
], ids=["idle", "waits for the softirq", "inside the poll", "disabled", "netpoll polls it",
        "the softirq polls it with netpoll's lock", "just completed under netpoll's lock"])
def test_what_a_cpu_does_with_a_napi_context(state, words, expected):
    target = made_net()
    set_napi(target, "rq", 1, state, **words)
    napi = about(target, 2).napi
    assert (napi.enabled, napi.scheduled, napi.polling, napi.cpu) == expected and napi.absent == {}


@pytest.mark.parametrize("index, array, weight, flags", [(1, "sq", 0, made.IFF_UP), (0, "rq", 64, 0)],
                         ids=["napi_tx is off", "the interface was never up"])
def test_before_linux_5_9_a_context_that_was_never_enabled_looks_scheduled(index, array, weight, flags):
    target = made_net()
    target.change("struct net_device", made.NET, flags=flags)
    set_napi(target, array, 0, SCHED, weight=weight)
    napi = about(target, index).napi
    assert (napi.enabled, napi.scheduled, napi.polling, napi.cpu) == DISABLED


def test_a_context_that_polls_while_the_interface_is_up_was_enabled():
    target = made_net()
    set_napi(target, "sq", 0, SCHED)
    assert about(target, 1).napi.polling is True


def test_a_threaded_napi_context_tells_only_that_it_is_scheduled():
    target = made_net()
    set_napi(target, "rq", 0, LISTED | SCHED | THREADED)
    napi = about(target, 0).napi
    assert (napi.enabled, napi.scheduled, napi.polling, napi.cpu) == (True, True, None, None)
    assert "thread" in napi.absent["polling"] and "no CPU's list" in napi.absent["cpu"]


def test_a_kernel_without_list_owner_and_without_netpoll():
    target = made_net(napi=())
    set_napi(target, "rq", 0, LISTED | SCHED)
    napi = about(target, 0).napi
    assert (napi.enabled, napi.scheduled, napi.polling, napi.cpu) == (True, True, True, None)
    assert "no member list_owner" in napi.absent["cpu"]


def test_before_transmit_queues_had_napi_the_bits_are_not_told_apart():
    target = made_net(tx_napi=False)
    set_napi(target, "rq", 0, SCHED | NPSVC)
    rx, tx = about(target, 0), about(target, 1)
    assert (rx.napi.state, rx.napi.scheduled, rx.napi.enabled, rx.napi.polling) == (9, True, None, None)
    assert set(rx.napi.absent) == {"enabled", "polling", "cpu"}
    assert tx.napi is None and "no member napi" in tx.absent["napi"] and tx.tx_queue.stopped is False


def test_a_poll_list_that_does_not_lead_back():
    target = made_net()
    set_napi(target, "rq", 0, LISTED | SCHED, on_list=True)
    target.put(made.LIST_HEAD, bytes(16))
    napi = about(target, 0).napi
    assert napi.scheduled and napi.polling is None and "does not lead back" in napi.absent["polling"]


@pytest.mark.parametrize("state, stopped, stack_stopped", [(0, False, False), (1, True, False), (2, False, True)])
def test_a_transmit_queue_and_who_stopped_it(state, stopped, stack_stopped):
    target = made_net()
    target.change("struct netdev_queue", made.TX, state=state)
    found = about(target, 1).tx_queue
    assert (found.state, found.stopped, found.stack_stopped) == (state, stopped, stack_stopped)


@pytest.mark.parametrize("tag", [0, 1, 2], ids=["plain", "orphaned by the enum", "orphaned by the flag"])
def test_a_packet_on_its_way_out(tag):
    found = made.driver(made_net()).request("tx", 7, made.SKB | tag)
    assert (found.head, found.token, found.kind, found.bytes) == (7, made.SKB | tag, "skb", 90) and found.absent == {}


@pytest.mark.parametrize("tag", [1, 2, 3], ids=["by the flag", "by the enum", "AF_XDP"])
def test_an_xdp_frame_is_no_packet(tag):
    found = made.driver(made_net()).request("tx", 7, made.XDP_FRAME | tag)
    assert (found.kind, found.bytes, found.absent) == ("buffer", None, {})


def test_the_token_of_an_af_xdp_frame_is_no_address():
    target = made_net()
    found = made.driver(target).request("tx", 7, 1514 << 4 | 3)
    assert (found.kind, found.bytes, found.absent) == ("buffer", None, {}) and target.reads == []


def test_an_untagged_token_that_is_no_packet_of_the_interface():
    found = made.driver(made_net()).request("tx", 7, made.XDP_FRAME)
    assert found.kind is None and "no packet of this interface" in found.absent["kind"]


def test_a_packet_that_is_not_in_the_dump():
    found = made.driver(made_net()).request("tx", 7, 0xBAD000)
    assert found.kind is None and found.token == 0xBAD000 and "not in the dump" in found.absent["kind"]


@pytest.mark.parametrize("role", ["rx", "ctrl", "unknown"])
def test_what_other_queues_hold_is_not_looked_at(role):
    target = made_net()
    found = made.driver(target).request(role, 7, made.SKB)
    assert (found.kind, found.bytes) == ("buffer", None) and target.reads == []


def test_without_debug_information_of_virtio_net_the_transmit_queue_remains():
    target = made_net()
    del target.types["struct virtnet_info"]
    found = about(target, 3)
    assert found.napi is None and "struct virtnet_info" in found.absent["napi"]
    assert found.tx_queue.trans_start == 4294895362


@pytest.mark.parametrize("kind, address, member, value, words", [
    ("struct virtio_device", made.VIRTIO_DEVICE, "priv", 0, "NULL"),
    ("struct virtio_device", made.VIRTIO_DEVICE, "priv", 0xBAD000, "not in the dump"),
    ("struct virtnet_info", made.INFO, "vdev", 0x666, "no struct virtnet_info of this device"),
    ("struct virtnet_info", made.INFO, "max_queue_pairs", 1, "1 queue pairs and none for queue 3"),
    ("struct virtnet_info", made.INFO, "sq", 0xBAD000, "not in the dump"),
    ("struct virtnet_info", made.INFO, "sq", made.RQ, "virtnet_info.sq[1] is not of this queue"),
])
def test_a_wrong_turn_on_the_way_to_napi(kind, address, member, value, words):
    target = made_net()
    target.change(kind, address, **{member: value})
    found = about(target, 3)
    assert found.napi is None and words in found.absent["napi"]
    assert found.tx_queue is not None and found.absent["irq"] == "as it was"


@pytest.mark.parametrize("member, value, words", [
    ("num_tx_queues", 1, "1 transmit queues and none of number 1"),
    ("_tx", 0, "struct net_device._tx is NULL"),
    ("_tx", made.RQ, "no transmit queue of this interface"),
])
def test_a_wrong_turn_on_the_way_to_the_transmit_queue(member, value, words):
    target = made_net()
    target.change("struct net_device", made.NET, **{member: value})
    found = about(target, 3)
    assert found.tx_queue is None and words in found.absent["tx_queue"] and found.napi is not None


@pytest.mark.parametrize("forgotten", ["INFO", "NET", "TX", "RQ", "SQ"])
def test_any_piece_may_be_missing(forgotten):
    target = made_net()
    target.forget(getattr(made, forgotten))
    for index in range(5):
        found = about(target, index)
        for field in ("napi", "tx_queue"):
            expected = index < 4 and (field == "napi" or index % 2)
            assert (getattr(found, field) is not None or field in found.absent) == bool(expected)
