"""Feature and status bits by name."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcheck.virtio import devices, features

BLOCK, NET, SCSI = 2, 1, 8


def test_the_features_of_the_incident():
    names = features.feature_names(5100301908, BLOCK)
    assert names == ["SEG_MAX", "GEOMETRY", "BLK_SIZE", "FLUSH", "TOPOLOGY", "CONFIG_WCE", "DISCARD", "WRITE_ZEROES",
                     "INDIRECT_DESC", "EVENT_IDX", "VERSION_1"]


def test_what_the_host_offers_beyond_them_is_for_legacy_drivers():
    assert features.LEGACY_ONLY == 6325038676 & ~5100301908
    assert features.feature_names(features.LEGACY_ONLY) == ["NOTIFY_ON_EMPTY", "ANY_LAYOUT", "BAD_FEATURE"]


@pytest.mark.parametrize("device_id, bit, name", [
    (BLOCK, 12, "MQ"), (NET, 22, "MQ"), (NET, 63, "SPEED_DUPLEX"), (SCSI, 1, "HOTPLUG"), (None, 34, "RING_PACKED"),
    (BLOCK, 127, "BIT_127"), (99, 0, "BIT_0")])
def test_names(device_id, bit, name):
    assert features.feature_names(1 << bit, device_id) == [name]


@given(st.integers(0, 2**128 - 1), st.sampled_from([None, BLOCK, NET, SCSI, 77]))
def test_every_bit_has_a_name_of_its_own(mask, device_id):
    names = features.feature_names(mask, device_id)
    assert len(set(names)) == len(names) == bin(mask).count("1")


def test_status_names():
    assert features.status_names(15) == ["ACKNOWLEDGE", "DRIVER", "DRIVER_OK", "FEATURES_OK"]
    assert features.status_names(0xD0) == ["BIT_4", "DEVICE_NEEDS_RESET", "FAILED"]
    assert features.status_names(0) == []


def test_device_types_and_roles():
    assert (devices.type_name(2), devices.type_name(1), devices.type_name(4000)) == ("blk", "net", "id-4000")
    assert devices.queue_role(2, 17) == "request"
    assert devices.queue_role(4000, 0) == "unknown"
