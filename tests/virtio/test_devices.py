"""What each queue of each device is for, and how it looks when all is well."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcheck.virtio import devices
from vqcheck.virtio.devices import LAZY, PARKED, POLLED, POSTED, REQUEST, UNKNOWN, queue_class, queue_role
from vqcheck.virtio.features import BALLOON_FREE_PAGE_HINT, BALLOON_REPORTING, BALLOON_STATS_VQ, NET_CTRL_VQ, NET_MQ

STATS, HINT, REPORTING = 1 << BALLOON_STATS_VQ, 1 << BALLOON_FREE_PAGE_HINT, 1 << BALLOON_REPORTING
MQ, CTRL_VQ = 1 << NET_MQ, 1 << NET_CTRL_VQ


def roles(device_id, queues, bits=None):
    return [queue_role(device_id, index, queues, bits) for index in range(queues)]


def test_type_names():
    assert (devices.type_name(2), devices.type_name(1), devices.type_name(4000)) == ("blk", "net", "id-4000")
    assert len(set(devices.TYPES.values())) == len(devices.TYPES)


@pytest.mark.parametrize("device_id, expected", [
    (devices.BLOCK, ["request"] * 3),
    (devices.SCSI, ["control", "event", "request", "request"]),
    (devices.CONSOLE, ["rx", "tx", "control rx", "control tx", "rx", "tx", "rx", "tx"]),
    (devices.VSOCK, ["rx", "tx", "event"]),
    (devices.GPU, ["control", "cursor"]),
    (devices.INPUT, ["event", "status"]),
    (devices.SOUND, ["control", "event", "tx", "rx"]),
    (devices.IOMMU, ["request", "event"]),
    (devices.RNG, ["request", UNKNOWN]),
    (4000, [UNKNOWN]),
])
def test_roles_by_index(device_id, expected):
    assert roles(device_id, len(expected)) == expected
    assert [queue_role(device_id, index) for index in range(len(expected))] == expected


@pytest.mark.parametrize("queues, expected", [
    (2, ["rx", "tx"]), (3, ["rx", "tx", "control"]), (4, ["rx", "tx"] * 2), (5, ["rx", "tx"] * 2 + ["control"])])
def test_the_control_queue_of_a_network_device_is_the_odd_one_at_the_end(queues, expected):
    assert roles(devices.NET, queues) == roles(devices.NET, queues, MQ | CTRL_VQ) == expected


@pytest.mark.parametrize("index, bits, role", [
    (0, None, "rx"), (1, None, "tx"), (2, None, UNKNOWN), (2, CTRL_VQ, "control"), (2, 0, UNKNOWN),
    (2, CTRL_VQ | MQ, UNKNOWN), (2, CTRL_VQ | 1 << 60, UNKNOWN), (4, CTRL_VQ, UNKNOWN), (3, CTRL_VQ | MQ, "tx")])
def test_a_network_device_of_unknown_size(index, bits, role):
    assert queue_role(devices.NET, index, features=bits) == role


def test_crypto():
    assert roles(devices.CRYPTO, 3) == ["data", "data", "control"]
    assert [queue_role(devices.CRYPTO, index) for index in (0, 1)] == ["data", UNKNOWN]


def test_fs():
    assert roles(devices.FS, 3, 0) == ["hiprio", "request", "request"]
    assert roles(devices.FS, 3, 1) == ["hiprio", "notification", "request"]
    assert roles(devices.FS, 3) == ["hiprio", UNKNOWN, "request"]


@pytest.mark.parametrize("bits, queues, expected", [
    (STATS, 3, ["stats"]),
    (STATS | HINT, 4, ["stats", "free page"]),
    (STATS | REPORTING, 4, ["stats", "reporting"]),  # QEMU and Linux
    (STATS | REPORTING, 5, ["stats", UNKNOWN, "reporting"]),  # by the standard
    (STATS | HINT | REPORTING, 5, ["stats", "free page", "reporting"]),
    (HINT | REPORTING, 4, ["free page", "reporting"]),
    (HINT | REPORTING, 5, [UNKNOWN, "free page", "reporting"]),
    (0, 3, [UNKNOWN]),
    (None, 3, [UNKNOWN]),
])
def test_balloon(bits, queues, expected):
    assert roles(devices.BALLOON, queues, bits) == ["inflate", "deflate", *expected]


@pytest.mark.parametrize("index, bits, role", [
    (3, HINT | REPORTING, UNKNOWN), (2, HINT | REPORTING, "free page"), (4, HINT | REPORTING, "reporting"),
    (3, STATS | REPORTING, "reporting"), (4, STATS | REPORTING, "reporting"), (5, STATS | HINT | REPORTING, UNKNOWN)])
def test_a_balloon_of_unknown_size_may_have_gaps(index, bits, role):
    assert queue_role(devices.BALLOON, index, features=bits) == role


@pytest.mark.parametrize("device_id, role, expected", [
    (devices.BLOCK, "request", REQUEST), (devices.SCSI, "request", REQUEST), (devices.SCSI, "event", POSTED),
    (devices.NET, "rx", POSTED), (devices.NET, "tx", LAZY), (devices.NET, "control", POLLED),
    (devices.BALLOON, "stats", PARKED), (devices.RNG, "request", POSTED), (devices.VSOCK, "tx", REQUEST),
    (devices.IOMMU, "request", POLLED), (devices.GPU, "control", PARKED), (devices.INPUT, "event", POSTED),
    (devices.BLOCK, UNKNOWN, UNKNOWN), (4000, "request", UNKNOWN)])
def test_classes(device_id, role, expected):
    assert queue_class(device_id, role) == expected


@given(device_id=st.sampled_from(sorted(devices.TYPES)), queues=st.integers(1, 70), bits=st.integers(0, 2**64 - 1),
       knows_size=st.booleans(), knows_bits=st.booleans())
def test_every_role_has_a_class(device_id, queues, bits, knows_size, knows_bits):
    for index in range(queues):
        role = queue_role(device_id, index, queues if knows_size else None, bits if knows_bits else None)
        assert (queue_class(device_id, role) == UNKNOWN) == (role == UNKNOWN)


@given(device_id=st.sampled_from(sorted(devices.TYPES)), queues=st.integers(1, 70), bits=st.integers(0, 2**64 - 1))
def test_knowing_less_never_names_another_role(device_id, queues, bits):
    if device_id == devices.BALLOON:
        bits &= STATS | HINT | REPORTING
        queues = min(queues, 2 + bin(bits).count("1"))
    if device_id == devices.NET and not bits & (MQ | 1 << 60):
        queues = 3 if bits & CTRL_VQ else 2
    for index in range(queues):
        whole = queue_role(device_id, index, queues, bits)
        for less in (queue_role(device_id, index), queue_role(device_id, index, queues),
                     queue_role(device_id, index, features=bits)):
            assert less in (whole, UNKNOWN)


def test_no_queue_has_a_negative_index():
    assert [queue_role(device_id, -1, 4, 0) for device_id in devices.TYPES] == [UNKNOWN] * len(devices.TYPES)


def test_a_driver_that_leaves_gaps_knows_fewer_queues_than_its_highest_index():
    assert queue_role(devices.BALLOON, 4, 4, STATS | REPORTING) == "reporting"
