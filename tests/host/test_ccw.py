"""Channel devices (virtio-ccw) on recordings of real QEMUs for s390x: one that never ran, and some with a guest."""
import pytest

from tests import recordings
from tests.host.test_bad_memory import spoil
from tests.lab.test_ccw import GIVEN, TYPES
from vqcheck.host.snapshot import take
from vqcheck.target import vqcap
from vqcheck.target.recording import Replay

FILE = recordings.DATA / "ccw" / "host.vqcap"
HUNG = "kernels/6.1-s390x/lost-adapter-interrupt"
PROXY = "struct VirtioCcwDevice"


@pytest.fixture(scope="module", name="resting")
def _resting():
    return recordings.replay(vqcap.unpack(FILE.read_bytes()))


@pytest.fixture(name="hung")
def _hung():
    return recordings.bundle(HUNG, "host", recordings.DATA)


def queue_of(recorded):
    return recordings.replay(recorded).devices[0].queues[0]


def proxy_of(recorded):
    """Address of the only one that was read as a whole."""
    (found,) = {address for (_, address), raw in recorded.memory.items() if len(raw) == recorded.sizes[PROXY]}
    return found


def without_adapter_interrupts(recorded):
    """The same as if its driver had asked for classic interrupts."""
    proxy = proxy_of(recorded)
    offset, size = recorded.members["struct CcwDevice", "sch"]
    channel = int.from_bytes(recorded.memory[False, proxy][offset:offset + size], "little")
    spoil(recorded, channel, "thinint_active", "struct SubchDev", 0)


def test_each_device_is_where_it_was_put(resting):
    assert {one.host.qdev_id: one.type for one in resting.devices} == TYPES
    assert all(one.bus.type == "ccw" for one in resting.devices)
    assert {one.host.qdev_id: one.bus.address for one in resting.devices if one.host.qdev_id in GIVEN} == {
        name: number.replace("fe.", "0.") for name, number in GIVEN.items()}
    assert resting.target.machine == "s390x"


@pytest.mark.parametrize("name", ["scsi1", "0.1.00ab", "/machine/peripheral/scsi1/virtio-backend"])
def test_a_device_by_each_of_its_names(name):
    found = take(Replay(vqcap.unpack(FILE.read_bytes())), name)
    assert [one.name for one in found.devices] == ["scsi1"]


def test_without_a_driver_there_are_no_indicators(resting):
    for device in resting.devices:
        assert device.host.absent["intx"] == "not applicable: channel devices have no interrupt line"
        for queue in device.queues:
            assert queue.indicator is None
            assert queue.absent["indicator"] == "not applicable: the driver has not set indicators up"


def test_the_bits_that_nobody_saw(hung):
    seen = recordings.truth(HUNG, recordings.DATA).host
    found = queue_of(hung).indicator
    assert found == (True, seen.indicator_area, seen.indicator_bit, True, True, {})


def test_classic_bits(hung):
    area = queue_of(hung).indicator.area
    without_adapter_interrupts(hung)
    (host,) = [address for (_, address), raw in hung.memory.items() if len(raw) == 1 and raw == b"\x40"]
    hung.memory[(False, host + 7)] = b"\x01"
    found = queue_of(hung).indicator
    assert (found.adapter, found.area, found.bit, found.set, found.summary) == (False, area, 0, True, None)
    hung.memory[(False, host + 7)] = b"\xfe"
    assert queue_of(hung).indicator.set is False


@pytest.mark.parametrize("vector, words", [(64, "classic interrupts have no bit 64"),
                                           (0xFFFF, "not set indicators up")])
def test_a_queue_that_can_have_no_bit(hung, vector, words):
    without_adapter_interrupts(hung)
    spoil(hung, queue_of(hung).device.address, "vector", "struct VirtQueue", vector)
    assert words in queue_of(hung).absent["indicator"]


def test_a_driver_that_has_let_go_of_its_indicators(hung):
    spoil(hung, proxy_of(hung), "indicators", PROXY, 0)
    assert "not set indicators up" in queue_of(hung).absent["indicator"]


def test_guest_memory_that_is_not_in_the_core(hung):
    for key in [key for key, raw in hung.memory.items() if len(raw) == 1 and raw in (b"\x40", b"\x01")]:
        hung.unreadable[(*key, 1)] = "not in the core file"
        del hung.memory[key]
    found = queue_of(hung).indicator
    assert (found.bit, found.set, found.summary) == (1, None, None)
    assert "not in the core file" in found.absent["set"] and "not in the core file" in found.absent["summary"]
