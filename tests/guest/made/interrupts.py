"""The interrupts of a made-up guest."""
from typing import Dict, NamedTuple, Optional, Sequence

from . import trees
from .guest import Guest

NO_CPUS: Sequence[int] = ()
CONFIG_CHANGE = "vp_config_changed"

CPUS, AREA = 4, 64
"""CPUs of the guest, and bytes from one CPU's area to the next one's."""


class State(NamedTuple):
    """An irq_desc and what hangs on it; the default is a quiet MSI-X vector."""

    total: int = 41
    depth: int = 0
    bits: int = 0
    """irq_common_data.state_use_accessors"""
    inner: int = 0
    """core_internal_state__do_not_mess_with_it"""
    unhandled: int = 0
    hwirq: int = 1
    chip: str = "PCI-MSIX-0000:00:07.0"
    affinity: Sequence[int] = (0, 1, 2, 3)
    effective: Sequence[int] = (2,)


QUIET = State()


class Interrupts:
    """Descriptors by irq number, each with its actions."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self.descriptors: Dict[int, int] = {}
        self._last_action: Dict[int, int] = {}

    def action(self, number: int, name: str, dev_id: int, handler: Optional[str] = None, state: State = QUIET,
               at: Optional[int] = None, descriptor_at: Optional[int] = None) -> int:
        """Add a handler to an irq, which comes into being with its first."""
        guest = self._guest
        action = guest.struct("irqaction", f"action {name}", at, dev_id=dev_id, irq=number, name=name)
        if handler is not None:
            guest.set("irqaction", action, handler=self._symbol(handler))
        if number not in self.descriptors:
            self.descriptors[number] = self._descriptor(number, state, descriptor_at)
            guest.set("irq_desc", self.descriptors[number], action=action)
        else:
            guest.set("irqaction", self._last_action[number], next=action)
        self._last_action[number] = action
        return action

    def _symbol(self, name: str) -> int:
        return self._guest.symbols.setdefault(name, 0x9000000 + 16 * len(self._guest.symbols))

    def _descriptor(self, number: int, state: State, at: Optional[int]) -> int:
        guest = self._guest
        chip = guest.struct("irq_chip", "irq_chip", name=state.chip)
        message = guest.struct("msi_desc", "msi_desc", msg__address_lo=0xFEE01000, msg__address_hi=1, msg__data=0x4021)
        found = guest.struct("irq_desc", f"irq_desc {number}", at, depth=state.depth, irqs_unhandled=state.unhandled,
                             core_internal_state__do_not_mess_with_it=state.inner)
        values = {"irq_data.hwirq": state.hwirq, "irq_data.chip": chip, "tot_count": state.total}
        for where in ("irq_data", "irq_common_data"):  # where the kernel has them
            values.update({f"{where}.state_use_accessors": state.bits, f"{where}.msi_desc": message})
        members = guest.types["struct irq_desc"][1]
        guest.set("irq_desc", found, **{path: value for path, value in values.items() if path in members})
        if "tot_count" not in members:  # as before Linux 5.1: what it is the sum of, in each CPU's own area
            areas = bytearray(CPUS * AREA)
            for cpu in range(CPUS):
                areas[cpu * AREA:cpu * AREA + 4] = guest.encode(state.total - CPUS + 1 if cpu == 0 else 1, 4)
            guest.set("irq_desc", found, kstat_irqs=guest.new("kstat_irqs", bytes(areas)))
        self._mask(found, "affinity", state.affinity)
        self._mask(found, "effective_affinity", state.effective)
        return found

    def _mask(self, descriptor: int, name: str, cpus: Sequence[int]) -> None:
        guest = self._guest
        for path in (f"irq_common_data.{name}", f"irq_data.{name}"):
            member = guest.member("struct irq_desc", path)
            if member is None:
                continue
            if member.size == guest.type_size("struct cpumask"):
                guest.poke(descriptor + member.offset, mask(guest, cpus))
            elif cpus:
                allocated = guest.new(f"the mask {name}", mask(guest, cpus)[:guest.pointer_size])
                guest.set("irq_desc", descriptor, **{path: allocated})

    def finish(self) -> None:
        """Plant the tree that the kernel finds them in."""
        trees.plant(self._guest, self.descriptors)


def mask(guest: Guest, cpus: Sequence[int]) -> bytes:
    """A struct cpumask."""
    width = 8 * guest.pointer_size
    words = (guest.type_size("struct cpumask") or 0) // guest.pointer_size
    return b"".join(guest.pointer(sum(1 << cpu % width for cpu in cpus if cpu // width == word))
                    for word in range(words))
