"""Indicators of channel devices, and what is said of hangs where there are no vectors."""
import pytest

from tests import recordings
from tests.builders import pair
from vqcheck.check.judge import judge
from vqcheck.render import guest_text, host_text
from vqcheck.render.indicators import block, indicator_rows
from vqcheck.render.report import verdict_text
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.transport_model import Indicator

SCENES = ("healthy", "lost-interrupt", "lost-adapter-interrupt")
ADAPTER = Indicator(True, Hex(0x23F6000), 1, False, False)


def device(*indicators):
    """A device whose queues have these."""
    one = pair()[0].devices[0]
    return one._replace(queues=[one.queues[0]._replace(queue_index=place, indicator=bit)
                                for place, bit in enumerate(indicators)])


def recorded(scene):
    folder = f"kernels/6.1-s390x/{scene}"
    return [recordings.replay(recordings.bundle(folder, side, recordings.DATA)) for side in ("guest", "host")]


def test_a_device_without_any_says_nothing():
    assert block(device(None, None)) == [] and indicator_rows(device(None)) == []


def test_bits_that_are_clear():
    assert block(device(ADAPTER, None, ADAPTER._replace(bit=3))) == [
        "indicators (adapter interrupts):\n"
        "queue  area       bit  set  summary\n"
        "-----  ---------  ---  ---  -------\n"
        "    0  0x23f6000    1  no   no\n"
        "    2  0x23f6000    3  no   no"]


@pytest.mark.parametrize("summary, more", [(True, "no other adapter interrupt is made"), (False, None)])
def test_a_bit_that_is_set(summary, more):
    (text,) = block(device(ADAPTER._replace(set=True, summary=summary)))
    words = " ".join(text.split())
    assert "the bit of queue 0 is set: the device has interrupted for it" in words
    assert more in words if more else "no other" not in words


def test_classic_interrupts_have_no_summary():
    (text,) = block(device(Indicator(False, Hex(0x1000), 0, None, None)))
    assert text.startswith("indicators (classic interrupts):\nqueue  area    bit\n")


@pytest.mark.parametrize("scene", SCENES)
def test_both_sides_show_them(scene):
    guest, host = recorded(scene)
    for text in (guest_text.show(guest, True), host_text.show(host, True)):
        assert "indicators (adapter interrupts):" in text


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_said_of_what_channel_devices_have_not(scene):
    text = verdict_text.show(judge(*recorded(scene)))
    for word in ("MSI", "INTx", "irq_desc", "lapic", "irq count", "irqs/"):
        assert word not in text


def test_the_one_that_is_lost_is_named_by_its_bit():
    words = " ".join(verdict_text.show(judge(*recorded("lost-interrupt"))).split())
    assert "through indicator bit 1 at 0x" in words and "the count of VAI in the guest's /proc/interrupts" in words
    words = " ".join(verdict_text.show(judge(*recorded("lost-adapter-interrupt"))).split())
    assert "more I/O from the guest will NOT help: the summary indicator is set" in words
