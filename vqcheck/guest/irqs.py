"""Which interrupt a virtqueue has: the irq_desc whose action's dev_id is the virtqueue.

Source: Linux drivers/virtio/virtio_pci_common.c (vp_find_vqs_msix(), vp_find_vqs_intx()), virtio_mmio.c
(vm_find_vqs()), kernel/irq/irqdesc.c.
"""
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..snapshot.kernel_model import Irq
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.target import Target
from ..target.view import View
from .irq_state import irq_state
from .trees import maple_entries, radix_entries

SHARED_HANDLERS = ("vp_vring_interrupt", "vp_interrupt", "vm_interrupt")
"""Handlers whose dev_id is the whole device: one vector for all its queues, INTx, or a virtio-mmio interrupt."""

MAX_ACTIONS = 64
MAX_DESCRIPTORS = 65536


class Action(NamedTuple):
    """A handler of an interrupt."""

    descriptor: View
    """Its struct irq_desc."""
    action: View
    """Its struct irqaction."""


class Irqs:
    """All interrupt actions of the guest, by their dev_id; gathered on first use, as far as they can be read."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._by_dev_id: Optional[Dict[int, List[Action]]] = None
        self._problem: Optional[str] = None

    def of_queue(self, virtqueue: int, device: int) -> Tuple[Optional[Irq], Optional[str]]:
        """The queue's interrupt, or None and the reason."""
        try:
            found, shared = self._find(virtqueue, device)
            return irq_state(self._target, found.descriptor, found.action, shared), None
        except TargetError as problem:
            return None, str(problem)

    def _find(self, virtqueue: int, device: int) -> Tuple[Action, bool]:
        actions = self._actions()
        for found in actions.get(virtqueue, []):
            return found, False
        for found in actions.get(device, []):
            if self._serves_queues(found.action):
                return found, True
        missed = f"; of some that is not known: {self._problem}" if self._problem else ""
        raise NotSupported(f"no interrupt has this queue, or its device, as its dev_id{missed}")

    def _serves_queues(self, action: View) -> bool:
        """Whether an action of the whole device is for its queues, and not for changes of its configuration."""
        handler = self._target.symbol_name(action.pointer("handler"))
        if handler is not None:
            return handler in SHARED_HANDLERS
        # A module's symbols may be unknown; its names are virtio1-virtqueues, virtio1-config, and for INTx virtio1.
        return not (action.string("name") or "").endswith("-config")

    def _actions(self) -> Dict[int, List[Action]]:
        if self._by_dev_id is None:
            self._by_dev_id = {}
            try:
                for count, address in enumerate(_descriptors(self._target)):
                    if count >= MAX_DESCRIPTORS:
                        raise Corrupt(f"more than {MAX_DESCRIPTORS} interrupts")
                    self._gather(address, self._by_dev_id)
            except TargetError as problem:
                self._problem = self._problem or str(problem)
        return self._by_dev_id

    def _gather(self, address: int, found: Dict[int, List[Action]]) -> None:
        """Add the actions of one descriptor; what can't be read of it is no loss to the others."""
        try:
            for entry in _actions(self._target, address):
                found.setdefault(entry.action.pointer("dev_id"), []).append(entry)
        except TargetError as problem:
            self._problem = self._problem or str(problem)


def _actions(target: Target, address: int) -> Iterator[Action]:
    descriptor = View(target, "struct irq_desc", address)
    at = descriptor.pointer("action")
    for _ in range(MAX_ACTIONS):
        if at == 0:
            break
        action = View(target, "struct irqaction", at)
        yield Action(descriptor, action)
        at = action.pointer("next")


def _descriptors(target: Target) -> Iterator[int]:
    tree = target.symbol("irq_desc_tree")
    if tree is not None:
        entries = radix_entries(target, tree)
    else:
        # A maple tree since Linux 6.5 (721255b9826b "genirq: Use a maple tree for interrupt descriptor management").
        entries = maple_entries(target, target.address_of("sparse_irqs"))
    for _, address in entries:
        yield address
