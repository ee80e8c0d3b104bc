"""KVM's routing table, as QEMU last wrote it down: which message an interrupt number of KVM's stands for.

Source: QEMU accel/kvm/kvm-all.c (KVMState.irq_routes); Linux include/uapi/linux/kvm.h (struct kvm_irq_routing).
"""
from typing import Dict, Optional

from ..snapshot.kinds import Hex
from ..snapshot.transport_model import MsiMessage
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.target import Target
from ..target.view import View
from .qobject import static_pointer

KVM_IRQ_ROUTING_MSI = 2
MAX_ROUTES = 4096
"""KVM_MAX_IRQ_ROUTES."""


class Routes:
    """The table, read on first use."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._messages: Optional[Dict[int, MsiMessage]] = None

    def message(self, virq: int) -> MsiMessage:
        """The message behind an interrupt number.  Raises TargetError where there is none."""
        if self._messages is None:
            self._messages = _read(self._target)
        if virq not in self._messages:
            raise NotSupported(f"KVM has no message for its interrupt {virq}")
        return self._messages[virq]


def _read(target: Target) -> Dict[int, MsiMessage]:
    try:
        address = static_pointer(target, "kvm_state")
    except TargetError:
        address = 0
    if address == 0:
        raise NotSupported("not applicable: KVM is not in use")
    table = View(target, "struct KVMState", address).follow("struct kvm_irq_routing", "irq_routes")
    count = table.uint("nr")
    if count > MAX_ROUTES:
        raise Corrupt(f"KVM's routing table claims {count} entries")
    size = target.size_of("struct kvm_irq_routing_entry")
    start = table.address + target.size_of("struct kvm_irq_routing")
    entries = (View(target, "struct kvm_irq_routing_entry", start + number * size) for number in range(count))
    return {one.uint("gsi"): _message(one) for one in entries if one.uint("type") == KVM_IRQ_ROUTING_MSI}


def _message(entry: View) -> MsiMessage:
    return MsiMessage(Hex(entry.uint("u.msi.address_hi") << 32 | entry.uint("u.msi.address_lo")),
                      Hex(entry.uint("u.msi.data")))
