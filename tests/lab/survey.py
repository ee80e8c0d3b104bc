"""What the guest prints of all its devices before a capture (initramfs.py): sysfs, debugfs, /proc, in its own words."""
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

DEVICE = re.compile(r"^LAB-DEVICE name=(\S+) id=0x(\w+) driver=(\S*) status=0x(\w+) features=([01]+) path=(\S+) end",
                    re.MULTILINE)
CLASS = re.compile(r"^LAB-CLASS path=(\S+) end", re.MULTILINE)
BOOT = re.compile(r"^LAB-BOOT id=(\S+) end", re.MULTILINE)
UPTIME = re.compile(r"^LAB-UPTIME seconds=(\S+) end", re.MULTILINE)
COMMAND_LINE = re.compile(r"^LAB-CMDLINE (.*) end", re.MULTILINE)
HANGS = re.compile(r"^LAB-HANGS disk=(\S+) end", re.MULTILINE)
BLOCK = re.compile(r"^LAB-BLOCK disk=(\S+) queue=(\d+) file=(\S+) (.*) end", re.MULTILINE)
BUSY = re.compile(r"\.op=(\w+),.*\.state=(\w+),.*\.tag=(\d+),")
NET = re.compile(r"^LAB-NET name=(\S+) (\S+)=(\S*) end", re.MULTILINE)
INTERRUPT = re.compile(r"^ *(\d+):(?: +\d+)+ .*?((?:\S+, )*virtio\S+(?:, \S+)*)$", re.MULTILINE)
ERROR = re.compile(r"^LAB-ERROR .*", re.MULTILINE)

LINES = (DEVICE, CLASS, BOOT, UPTIME, COMMAND_LINE, HANGS, BLOCK, NET, INTERRUPT, ERROR)


class Seen(NamedTuple):
    """A virtio device as the guest's own sysfs shows it."""

    name: str
    device_id: int
    driver: Optional[str]
    status: int
    features: int
    address: str
    """Of the device on its bus."""
    linux_names: List[str]
    """Disks, interfaces, SCSI hosts and input devices below it."""


class Busy(NamedTuple):
    """A request that a hardware queue has in hand, as blk-mq's debugfs shows it."""

    queue: int
    operation: str
    state: str
    tag: int


class Block(NamedTuple):
    """What blk-mq's debugfs says of a disk."""

    states: Dict[int, str]
    """Flags of each hardware queue."""
    tags: Dict[int, Dict[str, int]]
    """Of each hardware queue: nr_tags, and of the tags' bitmap depth, busy, ws_active and the like."""
    busy: List[Busy]
    dispatch: List[str]


class Survey(NamedTuple):
    """What the guest printed of itself before the capture."""

    boot_id: str
    uptime: float
    command_line: str
    devices: List[Seen]
    interrupts: Dict[int, List[str]]
    """/proc/interrupts: Linux irq number to the names of who shares it; several may have the same name."""
    blocks: Dict[str, Block]
    """By the names of disks; empty where the kernel has no debugfs for them."""
    hanging: List[str]
    """Disks where the writes of initramfs.HANGING wait."""
    net: Dict[str, str]
    """Files of /sys/class/net/eth0."""
    errors: List[str]
    """What the guest could not do."""

    def as_json(self) -> Dict[str, Any]:
        return {**self._asdict(), "devices": [one._asdict() for one in self.devices],
                "blocks": {disk: {**block._asdict(), "busy": [one._asdict() for one in block.busy]}
                           for disk, block in self.blocks.items()}}


def parse(console: str) -> Survey:
    """What the guest printed.  Raises AssertionError when it did not come to the end of it."""
    console = console.replace("\r", "")
    boot, uptime, command_line = (kind.search(console) for kind in (BOOT, UPTIME, COMMAND_LINE))
    assert boot is not None and uptime is not None and command_line is not None, console[-2000:]
    return Survey(boot[1], float(uptime[1]), command_line[1], _devices(console),
                  {int(number): names.split(", ") for number, names in INTERRUPT.findall(console)}, _blocks(console),
                  HANGS.findall(console), {name: value for _, name, value in NET.findall(console)},
                  ERROR.findall(console))


def text(console: str) -> str:
    """The lines of the console that a survey is made of, and no others."""
    console = console.replace("\r", "")
    return "".join(match[0] + "\n" for kind in LINES for match in kind.finditer(console))


def _devices(console: str) -> List[Seen]:
    classes = CLASS.findall(console)
    devices = []
    for name, device_id, driver, status, bits, path in DEVICE.findall(console):
        below = [one.rsplit("/", 1)[1] for one in classes if one.startswith(path + "/")]
        features = int(bits[::-1], 2)  # sysfs prints bit 0 first
        devices.append(Seen(name, int(device_id, 16), driver or None, int(status, 16), features,
                            path.rsplit("/", 2)[1], below))
    return devices


def _blocks(console: str) -> Dict[str, Block]:
    found: Dict[str, Block] = {}
    section: Dict[Tuple[str, int], str] = {}
    for disk, number, file, line in BLOCK.findall(console):
        block, queue = found.setdefault(disk, Block({}, {}, [], [])), int(number)
        if file == "state":
            block.states[queue] = line.strip()
        elif file == "busy":
            busy = BUSY.search(line)
            if busy:
                block.busy.append(Busy(queue, busy[1], busy[2], int(busy[3])))
        elif file == "dispatch":
            block.dispatch.append(line)
        elif file == "tags":
            # nr_tags and the like come first, then the same fields of one bitmap after the other.
            if line.endswith("tags:"):
                section[disk, queue] = line[:-1] + "."
            name, equals, value = line.partition("=")
            if equals and value.isdigit():
                block.tags.setdefault(queue, {})[section.get((disk, queue), "") + name] = int(value)
    return found
