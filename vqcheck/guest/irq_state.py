"""What the kernel knows of one interrupt.

Source: Linux include/linux/irqdesc.h, include/linux/irq.h (IRQD_*, struct irq_data), kernel/irq/internals.h (IRQS_*),
include/linux/msi.h (struct msi_desc).
"""
from typing import List, Optional

from ..snapshot.kernel_model import Irq
from ..snapshot.kinds import Hex
from ..snapshot.transport_model import MsiMessage
from ..target.absence import Absences
from ..target.errors import NotSupported
from ..target.target import Target
from ..target.view import View
from .cpus import cpu_limit, cpu_list, mask_cpus, online_cpus, possible_cpus

IRQD_IRQ_MASKED = 1 << 17
IRQD_IRQ_INPROGRESS = 1 << 18
IRQS_SPURIOUS_DISABLED = 0x2
IRQS_PENDING = 0x200


def irq_state(target: Target, descriptor: View, action: View, shared: bool) -> Irq:
    """The record of an interrupt.  Raises TargetError where not even its number is known."""
    absent = Absences()
    # The state moved from irq_data to irq_common_data in Linux 4.2, as did the masks and the message in 4.3.
    state = absent.take("masked", descriptor.uint, "irq_common_data.state_use_accessors",
                        "irq_data.state_use_accessors")
    if state is None:
        absent["in_progress"] = absent["masked"]
    # `istate` is a macro for this telling name; it was a member before Linux 3.0.
    inner = absent.take("pending", descriptor.uint, "core_internal_state__do_not_mess_with_it", "istate")
    if inner is None:
        absent["spurious_disabled"] = absent["pending"]
    effective = absent.take("effective_affinity", _mask, target, descriptor, "effective_affinity")
    affinity = absent.take("affinity", _mask, target, descriptor, "affinity")
    return Irq(
        number=action.uint("irq"),
        name=absent.take("name", action.string, "name"),
        shared=shared,
        hwirq=absent.take("hwirq", descriptor.uint, "irq_data.hwirq"),
        chip=absent.take("chip", _chip, descriptor),
        msi=absent.take("msi", _msi, descriptor),
        total=absent.take("total", _total, target, descriptor),
        depth=absent.take("depth", descriptor.uint, "depth"),
        masked=None if state is None else bool(state & IRQD_IRQ_MASKED),
        in_progress=None if state is None else bool(state & IRQD_IRQ_INPROGRESS),
        pending=None if inner is None else bool(inner & IRQS_PENDING),
        spurious_disabled=None if inner is None else bool(inner & IRQS_SPURIOUS_DISABLED),
        unhandled=absent.take("unhandled", descriptor.uint, "irqs_unhandled"),
        affinity=None if affinity is None else cpu_list(affinity),
        effective_affinity=None if effective is None else cpu_list(effective),
        effective_online=absent.take("effective_online", _online, target, effective),
        absent=dict(absent),
    )


def _total(target: Target, descriptor: View) -> int:
    """How often it was taken, by all CPUs."""
    if descriptor.has("tot_count"):
        return descriptor.uint("tot_count")
    # Linux 5.1 brought that sum (1136b0728969 "genirq: Avoid summation loops for /proc/stat"); before, there is only
    # what it is the sum of: a counter in each CPU's own area.
    counter, offsets = descriptor.pointer("kstat_irqs"), target.address_of("__per_cpu_offset")
    if counter == 0:
        raise NotSupported("the interrupt has no counters")
    places = target.decode_pointers(target.read(offsets, cpu_limit(target) * target.pointer_size))
    wrap = 1 << 8 * target.pointer_size
    return sum(target.read_uint((counter + places[cpu]) % wrap, 4) for cpu in possible_cpus(target)) & 0xFFFFFFFF


def _chip(descriptor: View) -> Optional[str]:
    return descriptor.embedded("struct irq_data", "irq_data").follow("struct irq_chip", "chip").string("name")


def _msi(descriptor: View) -> MsiMessage:
    # msi_desc moved from irq_data to irq_common_data in Linux 4.3 (b237721c5d95 "genirq: Move field 'msi_desc' from
    # irq_data into irq_common_data").
    paths = ("irq_common_data.msi_desc", "irq_data.msi_desc")
    if descriptor.pointer(*paths) == 0:
        raise NotSupported("not applicable: the interrupt is not message-signalled")
    message = descriptor.follow("struct msi_desc", *paths).embedded("struct msi_msg", "msg")
    address = message.uint("address_hi") << 32 | message.uint("address_lo")
    return MsiMessage(Hex(address), Hex(message.uint("data")))


def _mask(target: Target, descriptor: View, name: str) -> List[int]:
    """A cpumask_var_t: a pointer with CONFIG_CPUMASK_OFFSTACK, else the mask itself."""
    # The masks moved from irq_data to irq_common_data in Linux 4.3 (9df872faa7e1 "genirq: Move field 'affinity' from
    # irq_data into irq_common_data").
    paths = (f"irq_common_data.{name}", f"irq_data.{name}")
    member = target.member_of("struct irq_desc", *paths)
    offstack = member.size == target.pointer_size < target.size_of("struct cpumask")
    address = descriptor.pointer(*paths) if offstack else descriptor.address + member.offset
    if address == 0:
        raise NotSupported(f"the interrupt has no {name}")
    return mask_cpus(target, address)


def _online(target: Target, effective: Optional[List[int]]) -> bool:
    if effective is None:
        raise NotSupported("the CPUs that take it are not known")
    if not effective:
        raise NotSupported("the kernel has noted no CPU that takes it")
    return bool(set(effective) & set(online_cpus(target)))
