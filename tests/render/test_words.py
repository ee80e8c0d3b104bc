"""Small wordings."""
import pytest

from tests.builders import incident
from vqcheck.render import words
from vqcheck.snapshot.model import Bus, Observation


@pytest.mark.parametrize("nanoseconds, text", [
    (None, None), (0, "0.0 ms"), (5_200_000, "5.2 ms"), (30_000_000_000, "30.0 s"), (599_000_000_000, "599.0 s"),
    (3_600_000_000_000, "60 min"), (7_260_000_000_000, "2 h 01 min"), (-5_000_000, "-5.0 ms")])
def test_age(nanoseconds, text):
    assert words.age(nanoseconds) == text


def test_numbers_and_lists():
    assert (words.plural(1, "entry", "entries"), words.plural(4, "entry", "entries")) == ("1 entry", "4 entries")
    assert words.plural(0, "request") == "0 requests"
    assert words.slashed(43936, None) == "43936/-"
    assert words.listed(range(3)) == "0, 1, 2"
    assert words.listed(range(20), 2) == "0, 1 and 18 more"
    assert [words.yes_no(value) for value in (True, False, None)] == ["yes", "no", None]


def test_the_legend_puts_the_event_indexes_the_right_way_round():
    used, avail = words.LEGEND.split(".  ")
    assert used.startswith("used_event: written by the driver") and "gates interrupts (device to driver)" in used
    assert avail.startswith("avail_event: written by the device") and "gates kicks (driver to device)" in avail


def test_addresses_on_the_bus():
    device = incident()[0].devices[0]
    assert words.bus_text(device) == "pci 0000:00:07.0"
    assert words.bus_short(device) == "0000:00:07.0"
    assert words.bus_short(device._replace(bus=Bus("mmio", "a003e00.virtio_mmio"))) == "mmio a003e00.virtio_mmio"
    assert words.bus_text(device._replace(bus=None)) == "-"


def test_the_title_says_who_was_read_and_what_was_seen():
    guest = incident()[0]
    seen = guest._replace(capture=guest.capture._replace(observation=Observation(True, "fio\x1b stands still")))
    text = " ".join(" ".join(words.title(seen)).split())
    assert text.startswith("guest guest1 (6.1.0-56-cloud-amd64, x86_64), dump guest.kdump at 2026-03-01T12:00:00")
    assert text.endswith("vqcheck 0.1.0 in crash 8.0.2 seen stuck: fio\\x1b stands still")
