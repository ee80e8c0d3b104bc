"""Which guest this is, and what time it has."""
import pytest

from tests.guest import machine as made
from tests.guest.machine import machine
from vqcheck.guest.clock import clock
from vqcheck.guest.snapshot import take
from vqcheck.guest.system import system
from vqcheck.target.errors import Corrupt, NoSymbol


def test_the_guest():
    found = system(machine())
    assert (found.kind, found.release, found.machine, found.name) == ("linux", "4.18.0-made-up", "aarch64", "guest")
    assert found.uuid == "4c4c4544-0042-3510-8051-c4c04f4e3132"
    assert found.boot_id == "10111213-1415-1617-1819-1a1b1c1d1e1f"
    assert found.command_line == made.COMMAND_LINE
    assert set(found.absent) == {"build_id"}


def test_a_boot_id_that_nobody_has_asked_for():
    target = machine()
    target.poke(target.symbols["sysctl_bootid"], bytes(16))
    found = system(target)
    assert found.boot_id is None and "nobody has" in found.absent["boot_id"]


@pytest.mark.parametrize("symbol, field", [("init_uts_ns", "release"), ("sysctl_bootid", "boot_id"),
                                           ("saved_command_line", "command_line"), ("dmi_ident", "uuid")])
def test_what_the_kernel_does_not_have(symbol, field):
    target = machine()
    del target.symbols[symbol]
    found = system(target)
    assert getattr(found, field) is None and symbol in found.absent[field]


def test_a_machine_without_a_uuid():
    target = machine()
    target.poke(target.symbols["dmi_ident"], bytes(24 * 8))
    found = system(target)
    assert found.uuid is None and "firmware tables" in found.absent["uuid"]


def test_the_uuid_of_linux_5_8_and_later():
    target = machine()
    table = target.symbols["dmi_ident"]
    serial, uuid = (target.read(table + 8 * number, 8) for number in (7, 8))
    target.poke(table + 8 * 7, bytes(8) + target.read(table + 8 * 6, 8) + serial + uuid)
    assert system(target).uuid == "4c4c4544-0042-3510-8051-c4c04f4e3132"
    target.poke(table + 8 * 10, bytes(8))
    assert system(target).uuid is None, "the serial is none"


def test_a_command_line_without_end_is_cut():
    target = machine()
    text = target.new("a long text", b"x" * 10000)
    target.poke(target.symbols["saved_command_line"], target.pointer(text))
    assert system(target).command_line == "x" * 4096


def test_the_clock():
    found = clock(machine())
    assert (found.monotonic_ns, found.boottime_ns) == (made.NOW_NS, made.NOW_NS + made.SLEPT_NS)
    assert found.realtime == made.REALTIME + 0.5


def test_the_copy_in_timekeeper_data_and_the_core_of_linux_6_13():
    target = machine("7.2")
    assert clock(target).monotonic_ns == made.NOW_NS
    target.symbols["tk_core"] = target.symbols.pop("timekeeper_data")
    assert clock(target).monotonic_ns == made.NOW_NS


def test_a_kernel_without_a_clock():
    target = machine()
    del target.symbols["shadow_timekeeper"]
    with pytest.raises(NoSymbol, match="shadow_timekeeper, timekeeper_data or tk_core"):
        clock(target)
    snapshot = take(target, "vdb")
    assert snapshot.capture.clock_ns is None and "shadow_timekeeper" in snapshot.capture.absent["clock_ns"]
    assert snapshot.capture.time is None and snapshot.capture.absent["time"] and snapshot.capture.absent["uptime_ns"]
    assert snapshot.devices[0].queues[0].in_flight[0].age_ns is None


@pytest.mark.parametrize("values, words", [
    ({"xtime_sec": 1 << 40}, "seconds since 1970"),
    ({"tkr_mono__base": (1 << 64) - 1}, "ns since boot"),
    ({"offs_boot": -made.NOW_NS - 1}, "with the time it was suspended"),
])
def test_a_clock_that_can_not_be(values, words):
    target = machine()
    target.change("struct timekeeper", target.symbols["shadow_timekeeper"], **values)
    with pytest.raises(Corrupt, match=words):
        clock(target)


@pytest.mark.parametrize("prefix", ["tkr", "tkr_mono"])
def test_the_clock_of_linux_3_17_to_4_0(prefix):
    """Its struct tk_read_base was called tkr, and had no `base` of that name."""
    target = machine()
    size, members = target.types["struct timekeeper"]
    target.types["struct timekeeper"] = size, {
        path.replace("tkr_mono", prefix): member for path, member in members.items() if path != "tkr_mono.base"}
    target.set("timekeeper", target.symbols["shadow_timekeeper"],
               wall_to_monotonic__tv_sec=made.NOW_NS // 10**9 - made.REALTIME - 1,
               wall_to_monotonic__tv_nsec=500_000_000)
    assert clock(target).monotonic_ns == made.NOW_NS


def test_a_request_younger_than_the_last_tick_is_of_age_0():
    target = machine()
    target.change("struct request", made.REQUESTS, start_time_ns=made.NOW_NS + 1_000_000)
    assert take(target, "vdb").devices[0].queues[0].in_flight[0].age_ns == 0
