"""What may differ between the lab's machines."""
from typing import NamedTuple, Sequence

from . import qemu_build
from .kernel import DEFAULT
from .subject import SUBJECTS, Subject


class Options(NamedTuple):
    """What may differ between machines; the defaults are those of the scenes."""
    kernel: str = DEFAULT
    """A key of kernel.SOURCES."""
    qemu: str = qemu_build.DEFAULT
    """A key of qemu_build.SOURCES."""
    packed: bool = False
    platform: str = ""
    """A key of devices.PLATFORMS, if not the usual one for the kernel."""
    devices: bool = False
    """Whether there is one of every virtio device, and writes that hang on two disks."""
    device: str = "blk"
    """A key of subject.SUBJECTS: the device under test."""
    queues: int = 1
    queue: int = 0
    """Which of its queues of requests is under test."""
    event_idx: bool = True
    in_order: bool = False
    """Whether devices offer IN_ORDER, which newer QEMUs do and newer kernels take."""
    iothread: bool = True
    polling: bool = False
    """Whether the iothread polls rings before it sleeps: a poll finds a request whose kick was lost."""
    panics: bool = False
    """Whether an NMI has the guest's kernel panic, and stand still then."""
    fails: bool = False
    """Whether writes fail for want of space as soon as the machine was stopped once."""
    cpus: int = 2
    pinned: bool = False
    """Whether each writer keeps to a CPU, and so to a queue, of its own."""
    writers: int = 4
    idle: bool = False
    """Whether the writers stop after a first few bursts."""
    memory_mb: int = 128
    pairs: int = 1
    """Pairs of queues of the network card.  More than one need a tap, which is in a network namespace of QEMU's own."""
    mixed: bool = False
    """Whether a SCSI disk and a network card are busy too."""

    @property
    def subject(self) -> Subject:
        """The device under test."""
        return SUBJECTS[self.device]

    @property
    def modules(self) -> Sequence[str]:
        """What the guest needs besides the disks' modules."""
        return [one for subject in SUBJECTS.values() for one in subject.modules] if self.mixed else self.subject.modules

    @property
    def network(self) -> bool:
        """Whether it has a network card, besides those of a machine with every device."""
        return self.mixed or self.device == "net"

    @property
    def queue_index(self) -> int:
        """The index of the queue under test in its device."""
        return self.subject.requests + self.queue


DEFAULTS = Options()
