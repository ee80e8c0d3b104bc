"""Guest memory by what the human monitor prints, which is believed only if it is what it should be."""
import re

import pytest

from vqcheck.host.by_qmp.careful import Careful
from vqcheck.host.by_qmp.memory import CHUNK, GuestMemory
from vqcheck.target.errors import Corrupt, NotSupported, TargetError, Unreadable

START = 0x1000


class Monitor:
    """RAM of 64 KiB from START on, as QEMU prints it; `tweak` changes what is printed."""

    def __init__(self, tweak=lambda line, text: text):
        self.memory = bytes(range(256)) * 256
        self.tweak = tweak
        self.lines = []

    def execute(self, command, arguments):
        line = arguments["command-line"]
        self.lines.append(line)
        return self.tweak(line, self.gpa2hva(line) if line.startswith("gpa2hva") else self.xp(line))

    def gpa2hva(self, line):
        address = int(line.split()[1], 16)
        if not START <= address < START + len(self.memory):
            return f"No memory is mapped at address {address:#x}\r\n"
        return f"Host virtual address for {address:#x} (ram) is {0x7f0000000000 + address:#x}\r\n"

    def xp(self, line):
        size, address = int(re.match(r"xp /(\d+)xb", line).group(1)), int(line.split()[2], 16)
        text = ""
        for at in range(0, size, 8):
            raw = self.memory[address - START + at:address - START + min(at + 8, size)]
            text += f"{address + at:016x}:" + "".join(f" {one:#04x}" for one in raw) + "\r\n"
        return text


def memory(tweak=lambda line, text: text):
    return GuestMemory(Careful(Monitor(tweak)))


@pytest.mark.parametrize("offset, size", [(0, 1), (0, 4), (5, 2), (3, 17), (0, 0), (100, CHUNK + 1), (0, 3 * CHUNK)])
def test_bytes(offset, size):
    monitor = Monitor()
    area = GuestMemory(Careful(monitor)).area(START + 8, 4096)
    assert area.read(offset, size) == monitor.memory[8 + offset:8 + offset + size]
    assert [line for line in monitor.lines if line.startswith("gpa2hva")] == ["gpa2hva 0x1008", "gpa2hva 0x2007"]


def test_an_area_is_looked_up_once():
    monitor = Monitor()
    ram = GuestMemory(Careful(monitor))
    assert ram.area(START, 16) is ram.area(START, 16)
    assert len(monitor.lines) == 2


@pytest.mark.parametrize("address, size", [(0, 16), (START - 1, 16), (START + 65535, 2), (0xfee00000, 4),
                                           ((1 << 64) - 1, 2)])
def test_what_is_not_ram(address, size):
    with pytest.raises(Unreadable):
        memory().area(address, size)


@pytest.mark.parametrize("offset, size", [(-1, 1), (0, 17), (16, 1), (15, 2), (4, -1)])
def test_outside_of_an_area(offset, size):
    with pytest.raises(Corrupt):
        memory().area(START, 16).read(offset, size)


def test_memory_that_is_not_to_be_read():
    with pytest.raises(NotSupported, match="a migration is under way"):
        GuestMemory(Careful(Monitor()), "a migration is under way").area(START, 4)


@pytest.mark.parametrize("text", [
    "Memory at address 0x1000 is not RAM\r\n", "", "\x1b[2J", "unknown command: 'gpa2hva'\r\n",
    "Host virtual address for 0x1008 (ram) is 0x7f0000001000\r\n", "Host virtual address for 0x1000 (ram) is (nil)\r\n",
    "Host virtual address for 0x1000 (ram) is 0x7f0000001000 and more\r\n",
])
def test_a_look_up_that_is_not_understood(text):
    with pytest.raises(Unreadable):
        memory(lambda line, _: text).area(START, 1)


@pytest.mark.parametrize("tweak", [
    lambda line, text: text.replace("(ram)", "(other)") if "0x100f" in line else text,
    lambda line, text: text.replace("0x7f000000100f", "0x7f00000f100f"),
], ids=["two blocks", "not side by side"])
def test_an_area_in_pieces(tweak):
    with pytest.raises(Unreadable, match="one piece"):
        memory(tweak).area(START, 16)


@pytest.mark.parametrize("damage", [
    lambda text: "0000000000001000: Cannot access memory\r\n",
    lambda text: text + text,
    lambda text: text.splitlines()[0] + "\r\n",
    lambda text: text.replace("0x00", "0x000", 1),
    lambda text: text.replace("0x00", "00", 1),
    lambda text: text.replace("0000000000001008", "0000000000001000"),
    lambda text: text.replace(": ", ":  ", 1),
    lambda text: "warning: something\r\n" + text,
    lambda text: "",
    lambda text: text.upper(),
    lambda text: text[:-4],
], ids=range(11))
def test_a_dump_that_is_not_understood(damage):
    area = memory(lambda line, text: damage(text) if line.startswith("xp") else text).area(START, 16)
    with pytest.raises(TargetError):
        area.read(0, 16)


def test_a_monitor_that_says_no_text():
    with pytest.raises(Corrupt, match="is not text"):
        memory(lambda line, text: 5).area(START, 1)
