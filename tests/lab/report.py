"""What the guest says of itself: one line a second on its serial console, printed by the initramfs."""
import re
from typing import Dict, List, NamedTuple, Tuple

LINE = re.compile(r"LAB uptime=([\d.]+) inflight=(\d+),(\d+) stat=([\d,]+) irqs=(\S*) writers=([\d,]+) end")


class Report(NamedTuple):
    """The guest's own view of /dev/vdb at one moment."""
    uptime: float
    reads_in_flight: int
    writes_in_flight: int
    stat: Tuple[int, ...]
    """/sys/block/vdb/stat, field by field."""
    interrupts: Dict[str, int]
    """From the name in /proc/interrupts ("virtio1-req.0") to the count over all CPUs; on s390x there is but one for all
    virtio devices, "AI"."""
    writers: Tuple[int, ...]
    """Bursts that each writer has finished."""

    @property
    def in_flight(self) -> int:
        return self.reads_in_flight + self.writes_in_flight

    @property
    def motion(self) -> Tuple[object, ...]:
        """What changes as long as the disk serves requests.  Leaves out the times in stat, which grow by themselves."""
        reads, _, _, _, writes = self.stat[:5]
        return reads, writes, self.in_flight, self.writers


def parse(console: str) -> List[Report]:
    """All whole reports on the console; a line that a kernel message cut in two is skipped."""
    return [_report(match) for match in LINE.finditer(console)]


def _report(match: "re.Match[str]") -> Report:
    uptime, reads, writes, stat, irqs, writers = match.groups()
    interrupts = {}
    for entry in filter(None, irqs.split(",")):
        _, name, count = entry.split(":")
        interrupts[name] = int(count)
    return Report(float(uptime), int(reads), int(writes), _numbers(stat), interrupts, _numbers(writers))


def _numbers(text: str) -> Tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))
