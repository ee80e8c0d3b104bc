"""Interrupts as the guest's kernel has them: one row an irq, and what is wrong with it."""
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..snapshot.kernel_model import Irq
from ..snapshot.model import Device
from .escape import escape
from .wide import fitting, said_once
from .words import bullet, ranges, wrapped

IRQS = ("irq", "queues", "name", "vector", "hwirq", "total", "CPUs", "taken\nby", "state", "MSI\naddress/data",
        "chip")

NO_VECTOR = 0xFFFF
"""VIRTIO_MSI_NO_VECTOR: a queue without a vector of its own; beside an irq it says that the device uses INTx."""


def irqs(device: Device) -> List[Tuple[Irq, List[int]]]:
    """The device's interrupts and the indexes of their queues, in the order of the queues."""
    found: Dict[int, Tuple[Irq, List[int]]] = {}
    for queue in device.queues:
        if queue.irq is not None:
            found.setdefault(queue.irq.number, (queue.irq, []))[1].append(queue.queue_index)
    return list(found.values())


def block(device: Device) -> List[str]:
    """The table of interrupts and the sentences about them; nothing where none is known."""
    rows = irq_rows(device)
    if not rows:
        return []
    shown, same = said_once(rows, IRQS, ["chip"])
    title = wrapped(f"interrupts (chip {same['chip']}):" if same else "interrupts:", "", "    ")
    lines = [line for irq, _ in irqs(device) for sentence in sentences(irq) for line in bullet(escape(sentence))]
    return ["\n".join([*title, fitting(shown, IRQS), *lines])]


def irq_rows(device: Device) -> List[Sequence[Any]]:
    """One row an interrupt."""
    return [(irq.number, ranges(queues, 4), irq.name, "none" if irq.vector == NO_VECTOR else irq.vector,
             None if irq.hwirq == irq.vector else irq.hwirq, irq.total, irq.affinity, _taken_by(irq), _state(irq),
             irq.msi and f"{int(irq.msi.address):#x}/{int(irq.msi.data):#x}", irq.chip)
            for irq, queues in irqs(device)]


def _taken_by(irq: Irq) -> Optional[str]:
    if irq.effective_affinity is None:
        return None
    return irq.effective_affinity + (" (offline)" if irq.effective_online is False else "")


def _state(irq: Irq) -> Optional[str]:
    words = [word for word, is_so in (
        ("disabled", irq.depth), ("masked", irq.masked), ("pending", irq.pending), ("in progress", irq.in_progress),
        ("spurious-disabled", irq.spurious_disabled)) if is_so]
    if not words and None in (irq.depth, irq.masked, irq.pending, irq.in_progress, irq.spurious_disabled):
        return None
    return ", ".join(words) or "ok"


def is_shut_down(irq: Irq) -> bool:
    """Whether the kernel has parked the interrupt with its CPUs.

    Others it moves to a CPU that stays; a managed one it shuts down, and brings back with the CPU (irq_shutdown() in
    kernel/irq/cpuhotplug.c migrate_one_irq()).  blk-mq gives the queue no requests meanwhile.
    """
    return bool(irq.depth and irq.masked) and irq.effective_online is False


def problems(irq: Irq) -> List[str]:
    """What keeps the interrupt from being taken or handled, in a few words each."""
    offline, parked = irq.effective_affinity or "-", is_shut_down(irq)
    return [words for words, is_so in (
        (f"shut down with CPU {offline}, which is offline", parked),
        (f"disabled (depth {irq.depth})", irq.depth and not parked),
        ("masked", irq.masked and not parked),
        ("pending", irq.pending),
        ("turned off as spurious", irq.spurious_disabled),
        (f"goes to CPU {offline}, which is offline", irq.effective_online is False and not parked)) if is_so]


def sentences(irq: Irq) -> List[str]:
    """What there is to say of an interrupt; nothing where all is well."""
    name = f"irq {irq.number}"
    said, parked = [], is_shut_down(irq)
    if parked:
        said.append(f"{name} is shut down (disabled and masked): the kernel does so with a managed interrupt when the "
                    f"last of its CPUs goes offline, here {irq.effective_affinity or '-'}; no new request should go to "
                    "its queue")
    if irq.depth and not parked:
        said.append(f"{name} is disabled (depth {irq.depth})")
    if irq.masked and not parked:
        said.append(f"{name} is masked")
    if irq.pending:
        said.append(f"{name} is pending: an interrupt came and is still to be handled")
    if irq.in_progress:
        said.append(f"{name} is in progress: a CPU is inside its handler and may be about to consume what is "
                    "completed")
    if irq.spurious_disabled:
        said.append(f"the kernel has turned {name} off, as nobody handled it (IRQS_SPURIOUS_DISABLED, "
                    f"{'an unknown number' if irq.unhandled is None else irq.unhandled} unhandled)")
    if irq.effective_online is False and not parked:
        said.append(f"{name} goes to CPU {irq.effective_affinity or '-'}, and no CPU of these is online")
    return said
