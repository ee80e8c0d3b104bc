"""Which interrupt a virtqueue has: the irq_desc whose action's dev_id is the virtqueue.

Source: Linux drivers/virtio/virtio_pci_common.c (vp_find_vqs_msix(), vp_find_vqs_intx()), kernel/irq/irqdesc.c,
include/linux/irqdesc.h, include/linux/irq.h (IRQD_*), kernel/irq/internals.h (IRQS_*).
"""
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..snapshot.kernel_model import Irq
from ..target.absence import Absences
from ..target.errors import TargetError
from ..target.target import Target
from ..target.view import View
from .lists import tree_entries

IRQD_IRQ_MASKED = 1 << 17
IRQD_IRQ_INPROGRESS = 1 << 18
IRQS_PENDING = 0x200

SHARED_HANDLERS = ("vp_vring_interrupt", "vp_interrupt")
"""Handlers whose dev_id is the whole device: one vector for all queues, or INTx."""

MAX_ACTIONS = 64


class _Action(NamedTuple):
    descriptor: View
    action: View


class Irqs:
    """All interrupt actions of the guest, by their dev_id; gathered on first use."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._by_dev_id: Optional[Dict[int, List[_Action]]] = None

    def of_queue(self, virtqueue: int, device: int) -> Tuple[Optional[Irq], Optional[str]]:
        """The queue's interrupt, or None and the reason."""
        try:
            actions = self._actions()
        except TargetError as problem:
            return None, str(problem)
        for found in actions.get(virtqueue, []):
            return _irq(found, shared=False), None
        for found in actions.get(device, []):
            if self._target.symbol_name(found.action.pointer("handler")) in SHARED_HANDLERS:
                return _irq(found, shared=True), None
        return None, "no interrupt has this queue, or its device, as its dev_id"

    def _actions(self) -> Dict[int, List[_Action]]:
        if self._by_dev_id is None:
            found: Dict[int, List[_Action]] = {}
            for entry in _actions(self._target):
                found.setdefault(entry.action.pointer("dev_id"), []).append(entry)
            self._by_dev_id = found
        return self._by_dev_id


def _actions(target: Target) -> Iterator[_Action]:
    for address in tree_entries(target, target.address_of("irq_desc_tree")):
        descriptor = View(target, "struct irq_desc", address)
        at = descriptor.pointer("action")
        for _ in range(MAX_ACTIONS):
            if at == 0:
                break
            action = View(target, "struct irqaction", at)
            yield _Action(descriptor, action)
            at = action.pointer("next")


def _irq(found: _Action, shared: bool) -> Irq:
    descriptor, action = found
    absent = Absences()
    state = absent.take("masked", descriptor.uint, "irq_common_data.state_use_accessors")
    if state is None:
        absent["in_progress"] = absent["masked"]
    inner = absent.take("pending", descriptor.uint, "core_internal_state__do_not_mess_with_it", "istate")
    return Irq(
        number=action.uint("irq"),
        name=absent.take("name", action.string, "name"),
        shared=shared,
        total=absent.take("total", descriptor.uint, "tot_count"),
        depth=absent.take("depth", descriptor.uint, "depth"),
        masked=None if state is None else bool(state & IRQD_IRQ_MASKED),
        in_progress=None if state is None else bool(state & IRQD_IRQ_INPROGRESS),
        pending=None if inner is None else bool(inner & IRQS_PENDING),
        absent=dict(absent),
    )
