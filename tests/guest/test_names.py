"""The names under which the small devices are shown: a console, a share's tag, a card, a disk deep below."""
import pytest

from tests.fake_target import FakeTarget
from vqcheck.guest.bus import Below, VirtioDevice
from vqcheck.guest.drivers import driver_kind
from vqcheck.target.view import View

CONSOLE, RNG, NINE_P, GPU, INPUT, FS, PMEM = 3, 4, 9, 16, 18, 26, 27
DEVICE, PRIVATE, TEXT, PORTS, HVC, PARENT = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000
PORT_SIZE = 0x100


def driver(target, device_id, *below):
    view = View(target, "struct virtio_device", DEVICE)
    return driver_kind(device_id)(target, VirtioDevice(view, "virtio5", None, None, list(below), None), None)


def bare(priv=PRIVATE):
    target = FakeTarget()
    device = target.declare("struct device", [("kobj.name", 8), ("parent", 8), ("bus", 8), ("class", 8), ("p", 8)])
    target.declare("struct virtio_device", [("index", 8), ("dev", device), ("priv", 8)])
    target.put_struct("struct virtio_device", DEVICE, {"priv": priv})
    return target


def consoles(*indexes):
    """A console device with a port for each index of a hvc_struct; None for a port that is no console."""
    target = bare()
    target.declare("struct ports_device", [("list", 16), ("ports", 16)])
    target.declare("struct port", [("list", 16), ("portdev", 8), ("cons.hvc", 8)])
    target.declare("struct hvc_struct", [("index", 4)])
    head = PRIVATE + 16
    nodes = [PORTS + PORT_SIZE * number for number in range(len(indexes))]
    links = [*nodes, head]
    target.put(PRIVATE, bytes(16) + target.encode(links[0], 8) * 2)
    for number, (node, index) in enumerate(zip(nodes, indexes)):
        hvc = 0 if index is None else HVC + 16 * number
        target.put_struct("struct port", node, {"list": target.encode(links[number + 1], 8) * 2, "portdev": PRIVATE,
                                                "cons.hvc": hvc})
        if index is not None:
            target.put_struct("struct hvc_struct", hvc, {"index": index})
    return target


VPORTS = [Below("vport5p1", "virtio-ports", 0x9000, 1), Below("vport5p2", "virtio-ports", 0x9100, 1)]


@pytest.mark.parametrize("indexes, name", [
    ((0,), "hvc0"), ((None, 3), "hvc3"), ((2, 1), "hvc2"), ((None,), "vport5p1"), ((), "vport5p1"),
    ((16,), "vport5p1"), ((-1,), "vport5p1"),
])
def test_a_console_or_else_its_first_port(indexes, name):
    assert driver(consoles(*indexes), CONSOLE, *VPORTS).display_name() == name


@pytest.mark.parametrize("spoil", [
    lambda target: target.forget(PRIVATE),
    lambda target: target.forget(PORTS),
    lambda target: target.forget(HVC),
    lambda target: target.change("struct port", PORTS, portdev=0x666),
    lambda target: target.types.pop("struct port"),
    lambda target: target.change("struct virtio_device", DEVICE, priv=0),
], ids=["no ports_device", "no port", "no hvc_struct", "a port of another device", "no debug information", "no driver"])
def test_a_console_that_can_not_be_read_is_shown_by_its_port(spoil):
    target = consoles(0)
    spoil(target)
    assert driver(target, CONSOLE, *VPORTS).display_name() == "vport5p1"
    assert driver(target, CONSOLE).display_name() is None


def test_ports_on_a_list_without_end():
    target = consoles(None, None)
    target.memory[PORTS + PORT_SIZE][:8] = target.encode(PORTS, 8)
    assert driver(target, CONSOLE, *VPORTS).display_name() == "vport5p1"


def tagged(device_id, text):
    """A device whose private struct names it; the text, or None for a NULL pointer."""
    target = bare()
    name = 0 if text is None else TEXT
    target.put(TEXT, (text or "").encode().ljust(64, b"\0"))
    if device_id == RNG:
        target.declare("struct virtrng_info", [("hwrng", 40), ("name", 25)])
        target.put_struct("struct virtrng_info", PRIVATE, {"name": (text or "").encode()})
    elif device_id == NINE_P:
        target.declare("struct virtio_chan", [("inuse", 8), ("vdev", 8), ("tag", 8)])
        target.put_struct("struct virtio_chan", PRIVATE, {"vdev": DEVICE, "tag": name})
    else:
        target.declare("struct virtio_fs", [("kobj", 64), ("tag", 8)])
        target.put_struct("struct virtio_fs", PRIVATE, {"tag": name})
    return target


@pytest.mark.parametrize("device_id", [RNG, NINE_P, FS])
@pytest.mark.parametrize("text, name", [("virtio_rng.0", "virtio_rng.0"), ("", None), (None, None)])
def test_a_name_in_the_drivers_own_struct(device_id, text, name):
    assert driver(tagged(device_id, text), device_id).display_name() == name


@pytest.mark.parametrize("device_id", [RNG, NINE_P, FS])
def test_no_name_where_the_drivers_struct_can_not_be_read(device_id):
    gone, untyped, unbound = (tagged(device_id, "share") for _ in range(3))
    gone.forget(PRIVATE)
    untyped.types = {name: kind for name, kind in untyped.types.items() if "device" in name}
    unbound.change("struct virtio_device", DEVICE, priv=0)
    assert [driver(one, device_id).display_name() for one in (gone, untyped, unbound)] == [None] * 3


def test_a_channel_of_another_device_does_not_give_its_tag():
    target = tagged(NINE_P, "share")
    target.change("struct virtio_chan", PRIVATE, vdev=0x666)
    assert driver(target, NINE_P).display_name() is None


def beside(*names):
    """A graphics device whose DRM devices are its siblings on the PCI device."""
    target = bare(0)
    target.declare("struct class", [("name", 8)])
    target.declare("struct device_private", [("klist_children.k_list", 16), ("knode_parent.n_node", 16),
                                             ("device", 8)])
    drm, private = 0x7000, 0x7100
    target.put_struct("struct class", drm, {"name": TEXT})
    target.put(TEXT, b"drm".ljust(64, b"\0"))
    links = [0x8010 + 0x100 * number for number in range(len(names))] + [private]
    target.put_struct("struct device", PARENT, {"p": private})
    target.put_struct("struct device_private", private, {"klist_children.k_list": target.encode(links[0], 8) * 2})
    for number, name in enumerate(names):
        device, text = 0x8080 + 0x100 * number, TEXT + 64 * (number + 1)
        target.put(text, name.encode().ljust(64, b"\0"))
        target.put_struct("struct device", device, {"kobj.name": text, "class": drm})
        target.put_struct("struct device_private", links[number] - 16, {
            "knode_parent.n_node": target.encode(links[number + 1], 8) * 2, "device": device})
    at = target.member_of("struct virtio_device", "dev").offset + target.member_of("struct device", "parent").offset
    target.memory[DEVICE][at:at + 8] = target.encode(PARENT, 8)
    return target


def test_a_card_below_or_beside_the_virtio_device():
    card = [Below("renderD128", "drm", 0x9000, 1), Below("card0", "drm", 0x9100, 1)]
    assert driver(bare(0), GPU, *card).display_name() == "card0"
    assert driver(beside("renderD128", "card1"), GPU).display_name() == "card1"


def test_no_card():
    target = beside("card1")
    target.forget(PARENT)
    assert [driver(one, GPU).display_name() for one in (target, bare(0))] == [None, None]


def test_names_that_need_no_struct():
    memory = [Below(name, kind, 0x9000, depth) for name, kind, depth in (
        ("ndbus0", "nd", 1), ("pmem0", "block", 5), ("pmem0p1", "block", 6))]
    keyboard = [Below("input3", "input", 0x9000, 1), Below("event3", "input", 0x9100, 2)]
    assert driver(bare(), PMEM, *memory).display_name() == "pmem0"
    assert driver(bare(), INPUT, *keyboard).display_name() == "input3"
    assert driver(bare(), 5).display_name() is None
