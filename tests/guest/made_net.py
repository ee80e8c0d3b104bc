"""A made-up network interface with two queue pairs, in a FakeTarget: synthetic."""
from typing import Sequence

from tests.fake_target import FakeTarget
from vqcheck.guest.bus import Below, VirtioDevice
from vqcheck.guest.drivers.net import NetDriver
from vqcheck.snapshot.driver_model import DriverState
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.model import Queue
from vqcheck.target.view import View

PAIRS = 2
VIRTIO_DEVICE, INFO, NET, RQ, SQ, TX = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000
SKB, XDP_FRAME, LIST_HEAD = 0x7000, 0x7100, 0x8000
VQS = [0x10000 + 0x1000 * index for index in range(2 * PAIRS + 1)]
IFF_UP = 1
START, NOCARRIER = 1, 4
SCHED, NPSVC, LISTED, THREADED = 1, 8, 16, 256


def made_net(napi: Sequence[str] = ("poll_owner", "list_owner"), tx_napi: bool = True, pointer_size: int = 8,
             byte_order: str = "little") -> FakeTarget:
    """The interface eth0, up, with a carrier, all its NAPI contexts idle; `napi` are members that not all have."""
    target = FakeTarget(byte_order, pointer_size)
    _types(target, napi, tx_napi)
    put = target.put_struct
    put("struct virtio_device", VIRTIO_DEVICE, {"priv": INFO})
    put("struct virtnet_info", INFO, {"vdev": VIRTIO_DEVICE, "dev": NET, "sq": SQ, "rq": RQ,
                                      "max_queue_pairs": PAIRS})
    put("struct net_device", NET, {"name": b"eth0", "flags": 0x1000 | IFF_UP, "state": START | 2, "_tx": TX,
                                   "num_tx_queues": PAIRS})
    for pair in range(PAIRS):
        put("struct receive_queue", napi_owner(target, "rq", pair), {"vq": VQS[2 * pair]})
        put("struct send_queue", napi_owner(target, "sq", pair), {"vq": VQS[2 * pair + 1]})
        put("struct netdev_queue", TX + pair * target.size_of("struct netdev_queue"),
            {"dev": NET, "trans_start": 4294895361 + pair})
        set_napi(target, "rq", pair)
        if tx_napi:
            set_napi(target, "sq", pair)
    put("struct sk_buff", SKB, {"dev": NET, "len": 90})
    put("struct sk_buff", XDP_FRAME, {"dev": 0, "len": 77})  # whatever lies there: the memory of another struct
    return target


def _types(target: FakeTarget, napi: Sequence[str], tx_napi: bool) -> None:
    declare, word = target.declare, target.pointer_size
    declare("struct device", [("kobj.name", word), ("parent", word)])
    declare("struct virtio_device", [("index", word), ("dev", 2 * word), ("priv", word)])
    declare("struct virtnet_info", [("vdev", word), ("dev", word), ("sq", word), ("rq", word),
                                    ("max_queue_pairs", 2)])
    declare("struct net_device", [("name", 16), ("flags", 4), ("num_tx_queues", 4), ("state", word), ("_tx", word),
                                  ("dev", 2 * word)])
    size = declare("struct napi_struct", [("poll_list", 2 * word), ("state", word), ("weight", 4),
                                          *((name, 4) for name in napi)])
    declare("struct receive_queue", [("vq", word), ("napi", size)])
    declare("struct send_queue", [("vq", word), ("napi" if tx_napi else "name", size)])
    declare("struct netdev_queue", [("dev", word), ("trans_start", word), ("state", word)])
    declare("struct sk_buff", [("next", word), ("prev", word), ("dev", word), ("len", 4)])


def napi_owner(target: FakeTarget, array: str, pair: int) -> int:
    """The address of virtnet_info.rq[pair] or .sq[pair]."""
    start, kind = (RQ, "struct receive_queue") if array == "rq" else (SQ, "struct send_queue")
    return start + pair * target.size_of(kind)


def set_napi(target: FakeTarget, array: str, pair: int, state: int = LISTED, on_list: bool = False,
             poll_owner: int = -1, list_owner: int = -1, weight: int = 64) -> None:
    """The NAPI context of a queue as it shall be."""
    kind = "struct receive_queue" if array == "rq" else "struct send_queue"
    owner = napi_owner(target, array, pair)
    inside = target.member_of(kind, "napi").offset
    node = owner + inside + target.member_of("struct napi_struct", "poll_list").offset
    following = LIST_HEAD if on_list else node
    if on_list:
        target.put(LIST_HEAD, target.encode(node, target.pointer_size) * 2)
    values = {"state": state, "poll_owner": poll_owner, "list_owner": list_owner, "weight": weight}
    members = target.types["struct napi_struct"][1]
    raw = bytearray(target.size_of("struct napi_struct"))
    raw[members["poll_list"].offset:members["poll_list"].offset + members["poll_list"].size] = \
        target.encode(following, target.pointer_size) * 2
    for name, value in values.items():
        if name in members:
            raw[members[name].offset:members[name].offset + members[name].size] = \
                target.encode(value, members[name].size)
    target.memory[owner][inside:inside + len(raw)] = raw


def driver(target: FakeTarget) -> NetDriver:
    """What the walker knows of the interface."""
    below = [Below("eth0", "net", NET + target.member_of("struct net_device", "dev").offset, 1)]
    view = View(target, "struct virtio_device", VIRTIO_DEVICE)
    return NetDriver(target, VirtioDevice(view, "virtio3", None, None, below, None), None)


def queue(index: int) -> Queue:
    """A queue as the ring's reader leaves it."""
    role = "ctrl" if index == 2 * PAIRS else "tx" if index % 2 else "rx"
    return Queue(queue_index=index, role=role, driver=DriverState(Hex(VQS[index])), absent={"irq": "as it was"})
