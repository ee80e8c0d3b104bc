"""Hangs that are known and have no rule of their own: who covers them, or which evidence no snapshot holds."""
from typing import NamedTuple, Tuple


class Elsewhere(NamedTuple):
    """An entry of the taxonomy without a rule of its own.

    id: as people cite it.
    title: what is wrong, in a few words.
    covered_by: ids of the rules that find it; empty where none does.
    evidence: what a snapshot would need and does not hold, or how it is covered.
    """

    id: str
    title: str
    covered_by: Tuple[str, ...]
    evidence: str


ENTRIES: Tuple[Elsewhere, ...] = (
    Elsewhere("K15", "A kick went to the wrong queue, or vhost was not told of it", ("V0", "K7"),
              "the kick eventfd as vhost has it lies in the host's kernel or in the backend's process; QEMU's side "
              "of it is in the snapshot"),
    Elsewhere("I10", "The interrupt is pending in the vCPU's local APIC and not taken", (),
              "it would take the local APIC's IRR, ISR and TPR, which with KVM lie in the host's kernel.  Ask `info "
              "lapic`"),
    Elsewhere("I15", "Interrupt moderation holds the interrupt back (NOTF_COAL)", (),
              "it would take the coalescing parameters and the time since the last interrupt, which the device keeps "
              "to itself; QEMU's own devices have no such feature"),
    Elsewhere("I16", "Hyper-V enlightened guests lose connectivity with vhost", (),
              "it would take the guest's side of a Windows guest, whose driver's memory is not read"),
    Elsewhere("I19", "vDPA: the call eventfd is still that of a shadow virtqueue", ("V0",),
              "the eventfd that the vDPA device was given, which lies in the host's kernel"),
    Elsewhere("I20", "An interrupt was sent by the wrong way while the device was starting or stopping", ("I2", "K11"),
              "the order of two threads that has passed; what it leaves behind is an unread guest notifier"),
    Elsewhere("B8", "A request of a network or encryption layer is lost inside QEMU's block drivers", ("B1",),
              "each block driver's own queues; the coroutine's stack, which the snapshot has, says where the "
              "request waits"),
    Elsewhere("C4", "Writable buffers before readable ones", ("C3",),
              "among the checks of a chain"),
    Elsewhere("C5", "Empty, unmappable or too many buffers in a chain", ("C3",),
              "among the checks of a chain, but for IOMMU translations, which the snapshot does not hold"),
    Elsewhere("C6", "inuse reached the queue's size", ("B9", "S4", "K9"),
              "inuse is compared with the indexes and the size"),
    Elsewhere("M3", "A kick was pending at a hand-over", ("K3", "K1"),
              "it shows as a late kick"),
    Elsewhere("M4", "The interrupt's route is wrong after a migration", ("I8",),
              "it shows as a stale route"),
    Elsewhere("M6", "A queue was reset on one side only", ("K12",),
              "it shows as a queue that is not enabled"),
    Elsewhere("M7", "A page of the ring was not sent again by a migration", ("C10", "C1"),
              "it shows as used->idx in memory that is older than QEMU's"),
    Elsewhere("S2", "One capture can be enough", (),
              "not a fault: `vqcheck inspect` reads both sides out of one core"),
    Elsewhere("S3", "The capture itself stopped the VM and drained its disks", ("K11", "B5"),
              "it shows as a run state"),
    Elsewhere("S5", "The guest was caught inside its handler", ("I0", "I13"),
              "said as what is under way: irq_desc, callbacks and NAPI tell"),
    Elsewhere("V2", "A vring is not enabled in the backend", ("V0",),
              "the backend's own state: vhost_virtqueue of the host's kernel, or the daemon's memory"),
    Elsewhere("V3", "An IOTLB miss is not answered", ("V0",),
              "vhost's pending IOTLB messages, in the host's kernel"),
    Elsewhere("V4", "A call or kick eventfd was not given to the backend", ("V0", "I18"),
              "the eventfds as the backend has them"),
    Elsewhere("V5", "The vhost worker is dead, blocked or throttled", ("V0",),
              "threads of the host's kernel or of the daemon"),
    Elsewhere("V6", "The backend stopped polling after memory was plugged in", ("V0",),
              "the daemon's own state"),
    Elsewhere("V7", "The backend suppresses notifications wrongly", ("I0", "V0"),
              "the backend's own signalled_used; the ring shows that an interrupt was due"),
)
"""Sorted as the taxonomy has them within each family."""
