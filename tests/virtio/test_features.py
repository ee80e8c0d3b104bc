"""Feature and status bits by name."""
import re
from pathlib import Path

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


def test_a_device_type_has_no_bits_in_the_reserved_range():
    for bits in features.BY_DEVICE.values():
        assert not set(bits) & set(features.TRANSPORT)
        assert len(set(bits.values())) == len(bits)


HEADERS = Path("/usr/include/linux")
PREFIXES = {
    "NET": 1, "BLK": 2, "CONSOLE": 3, "BALLOON": 5, "SCSI": 8, "GPU": 16, "RTC": 17, "VSOCK": 19, "CRYPTO": 20,
    "IOMMU": 23, "MEM": 24, "SND": 25, "FS": 26, "PMEM": 27, "SCMI": 32, "I2C": 34, "CAN": 36, "BT": 40, "GPIO": 41,
}
BIT = re.compile(r"^#define\s+VIRTIO_(?:([A-Z0-9]+)_)?F_([A-Z0-9_]+)\s+(\d+)\b", re.MULTILINE)


def kernel_bits():
    """Device id (None: the transport), bit and name of every feature that the installed kernel headers define."""
    headers = sorted(HEADERS.glob("virtio_*.h"))
    if not headers:
        pytest.skip("no kernel headers here: apt-get install linux-libc-dev")
    for header in headers:
        for prefix, name, bit in BIT.findall(header.read_text()):
            if prefix not in ("TRANSPORT", "PCI"):  # bounds of the reserved range, and a register's bits
                yield None if prefix in ("", "RING") else PREFIXES[prefix], int(bit), name


def test_the_names_are_those_of_the_kernel_headers():
    found = list(kernel_bits())
    assert (2, 12, "MQ") in found and (None, 29, "EVENT_IDX") in found
    ours = [(device_id, bit, features.feature_names(1 << bit, device_id)[0]) for device_id, bit, _ in found]
    assert ours == found


def test_the_types_are_those_of_the_kernel_headers():
    header = HEADERS / "virtio_ids.h"
    if not header.exists():
        pytest.skip("no kernel headers here: apt-get install linux-libc-dev")
    ids = re.findall(r"^#define\s+VIRTIO_ID_\w+\s+(\d+)\b", header.read_text(), re.MULTILINE)
    assert len(ids) > 20
    assert {int(one) for one in ids} <= set(devices.TYPES)
