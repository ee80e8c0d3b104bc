"""QEMU's words for bits, turned back into bits."""
import pytest

from tests.qmp_transcript import load
from vqcheck.host.by_qmp.ask import Answer
from vqcheck.host.by_qmp.words import features, mask, status_byte
from vqcheck.target.errors import Corrupt, NotSupported
from vqcheck.virtio.features import BY_DEVICE, STATUS, TRANSPORT


def spelled(*texts, **members):
    return Answer("x", {"transports": list(texts), **{name.replace("_", "-"): value
                                                      for name, value in members.items()}})


@pytest.mark.parametrize("device_id", sorted(BY_DEVICE))
def test_every_bit_that_has_a_name(device_id):
    for bit, name in BY_DEVICE[device_id].items():
        assert mask(spelled(dev_features=[f"VIRTIO_DEV_F_{name}: words about it"]), device_id) == 1 << bit


def test_every_bit_of_the_transport():
    for bit, name in TRANSPORT.items():
        for start in ("VIRTIO_F_", "VIRTIO_RING_F_"):
            assert mask(spelled(f"{start}{name}: words"), 2) == 1 << bit


@pytest.mark.parametrize("text, bit", [
    ("VIRTIO_F_IOMMU_PLATFORM: Device can be used on IOMMU platform", 33),
    ("VHOST_USER_F_PROTOCOL_FEATURES: Vhost-user protocol features negotiation supported", 30),
    ("VHOST_F_LOG_ALL: Logging write descriptors supported", 26),
    ("VIRTIO_I2C_F_ZERO_LEGNTH_REQUEST: Zero length requests supported", 0),
    ("VIRTIO_MEM_F_PERSISTENT_SUSPND: Plugged memory persists", 2),
    ("VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO: Driver can receive GSO over UDP tunnel packets", 65),
    ("VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO: Driver can receive GSO over UDP tunnel packets requiring checksum offload for "
     "the outer header", 66),
    ("VIRTIO_F_VERSION_1", 32),
])
def test_names_that_qemu_has_made_up_misspelt_or_used_twice(text, bit):
    assert mask(spelled(text), 1) == 1 << bit


def test_bits_that_qemu_has_no_words_for():
    assert mask(spelled("VIRTIO_F_VERSION_1: x", unknown_dev_features=1 << 40, unknown_dev_features2=2), 2) == (
        1 << 32 | 1 << 40 | 1 << 65)
    assert mask(spelled(), 2) == 0


@pytest.mark.parametrize("text", [
    "VIRTIO_BLK_F_TELEPATHY: it knows", "FLUSH: x", "", "VIRTIO_BLK_F_flush: x", "xVIRTIO_BLK_F_FLUSH: x",
    "VIRTIO_BLK_F_FLUSH\n: x", "VIRTIO_NET_F_MRG_RXBUF: of a net"])
def test_words_that_are_not_known_leave_no_mask(text):
    with pytest.raises(NotSupported):
        mask(spelled("VIRTIO_F_VERSION_1: x", dev_features=[text]), 2)


def test_one_feature_twice_leaves_no_mask():
    with pytest.raises(NotSupported, match="twice"):
        mask(spelled("VIRTIO_F_VERSION_1: x", "VIRTIO_F_VERSION_1: y"), 2)


@pytest.mark.parametrize("members", [
    {"transports": None}, {"transports": "x"}, {"transports": [1]}, {"transports": [], "dev-features": {}},
    {"transports": [], "unknown-dev-features": -1}, {"transports": [], "unknown-dev-features": 1 << 64},
    {"transports": [], "unknown-dev-features": True}, {"transports": [], "unknown-dev-features": "1"},
    {"transports": ["x"] * 5000}])
def test_what_is_malformed(members):
    with pytest.raises(Corrupt):
        mask(Answer("x", members), 2)


def test_offered_features_may_be_unknown_where_the_negotiated_are_not():
    answer = Answer("x", {"guest-features": {"transports": ["VIRTIO_F_VERSION_1: x"]},
                          "host-features": {"transports": ["VIRTIO_F_NEW: x"]}})
    found = features(answer, 2)
    assert (found.negotiated, found.names, found.offered) == (1 << 32, ["VERSION_1"], None)


def test_the_status_byte():
    for bit, name in STATUS.items():
        assert status_byte(Answer("x", {"status": {"statuses": [f"VIRTIO_CONFIG_S_{name}: x"]}})) == bit
    assert status_byte(Answer("x", {"status": {"statuses": ["VIRTIO_CONFIG_S_NEEDS_RESET: x"]}})) == 64
    assert status_byte(Answer("x", {"status": {"statuses": [], "unknown-statuses": 16}})) == 16
    assert status_byte(Answer("x", {"status": {}})) == 0


@pytest.mark.parametrize("status", [{"statuses": ["VIRTIO_CONFIG_S_ASLEEP: x"]}, {"statuses": ["DRIVER"]},
                                    {"statuses": [], "unknown-statuses": 256}, {"statuses": 3}, None, []])
def test_a_status_that_is_not_known(status):
    with pytest.raises((NotSupported, Corrupt)):
        status_byte(Answer("x", {"status": status}))


@pytest.mark.parametrize("name", ["7.2-devices-split", "10.0-devices-packed", "10.2-devices-split",
                                  "7.2-vhost-user-net"])
def test_every_word_of_real_qemus_is_known(name):
    answers = [one["return"] for one in load(name) if one["execute"] == "x-query-virtio-status"]
    assert answers
    for one in answers:
        found = features(Answer("x", one), one["device-id"])
        assert found.offered is not None and int(found.negotiated) & ~int(found.offered) == 0
        for member in ("guest-features", "host-features"):
            count = len(one[member]["transports"]) + len(one[member]["dev-features"])
            unknown = one[member].get("unknown-dev-features", 0)
            assert bin(mask(Answer("x", one[member]), one["device-id"])).count("1") == count + bin(unknown).count("1")
