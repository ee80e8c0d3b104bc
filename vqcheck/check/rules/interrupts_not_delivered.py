"""Interrupts that QEMU sent, or would, and that do not get out of the host: I2, I5, I6, I7, I8, I12, I18."""
from typing import Any, List, Optional

from ...snapshot.transport_model import MsiMessage, MsixVector
from .. import remedies
from ..case import Case
from ..late import Late
from ..records import NO_VECTOR
from ..remedies import REBIND
from ..result import Evidence, Outcome
from ..rule import CRITICAL, HIGH, INTERRUPTS, Rule
from ..stacks import in_words
from ..unknown import Unknown
from .common import fields, of_late_interrupt
from .lost_interrupt import behind

REWRITE = ("in the guest, write the irq's affinity again: cat /proc/irq/N/smp_affinity, and echo it back (that masks "
           "and unmasks the vector, writes its message again, and sends what is pending). The kernel refuses it where "
           "it manages the affinity itself, as it does for most disks")


def _msix(case: Case) -> MsixVector:
    """The queue's MSI-X entry, in use.  Raises Unknown where it is not known, or where INTx is used."""
    entry: MsixVector = case.get("notify.msix")
    if not entry.enabled:
        raise Unknown("MSI-X is not enabled: the interrupt goes by INTx")
    return entry


def _is_masked(entry: MsixVector) -> bool:
    return entry.masked or entry.function_masked


@of_late_interrupt
def _unread(case: Case, late: Late) -> Outcome:
    notifier = case.get("notify.guest_notifier")
    msix = case.peek("notify.msix")
    if msix is not None and msix.enabled and _is_masked(msix):
        return "the vector is masked, and the notifier is where interrupts wait meanwhile"
    if notifier.irqfd:
        return "KVM turns what is written there into interrupts"
    if notifier.eventfd_count and notifier.handler:
        return _main_loop_elsewhere(case, late)
    if notifier.eventfd_count:
        return behind(case, late, "the interrupt is in the guest notifier, and nobody reads it", Evidence(
            "neither KVM (irqfd) nor a handler of QEMU's has taken it", None, fields(
                fd=notifier.fd, eventfd_count=notifier.eventfd_count, irqfd=notifier.irqfd,
                handler=False)), actions=(_restart(case),))
    if notifier.eventfd_count is None and notifier.handler is False and notifier.irqfd is False and \
            case.peek("host.ioeventfd_started"):
        return behind(case, late, "nobody reads the guest notifier that QEMU writes its interrupts to", Evidence(
            "the device notifies by eventfd, and neither irqfd nor a handler is there to take it", None,
            "ioeventfd_started true, irqfd false, handler false"), actions=(_restart(case),))
    return "no interrupt waits in the guest notifier"


def _main_loop_elsewhere(case: Case, late: Late) -> Outcome:
    """The interrupt waits for QEMU's main loop, which reads the notifier where KVM does not."""
    main, notifier = case.threads.main, case.get("notify.guest_notifier")
    return behind(
        case, late, "the interrupt is in the guest notifier, and QEMU's main loop does not come to it", Evidence(
            "the main loop is to read it, as KVM does not", None, fields(
                fd=notifier.fd, eventfd_count=notifier.eventfd_count, irqfd=notifier.irqfd, handler=True)),
        *([Evidence("the main loop's thread", None, in_words(main))] if main else []),
        blame="host: QEMU's main loop, or what its thread waits for",
        actions=("find what the main thread waits for, from the stacks of all threads (gdb: thread apply all bt), and "
                 "cure that",))


def _restart(case: Case) -> str:
    return remedies.stop_and_cont(case, "stopping the device reads its guest notifiers and delivers what is in them")


UNREAD = Rule(
    id="I2", slug="guest-notifier-unread",
    title="An interrupt lies in the guest notifier, and nobody reads it",
    blame="host: QEMU's set-up of irqfd",
    severity=CRITICAL, stage=INTERRUPTS, test=_unread,
    holds_when="an interrupt is late, the vector is not masked, no irqfd is assigned to the guest notifier, and its "
               "counter is above zero or no handler is attached to it; where a handler is, its main loop does not come "
               "to it",
    needs=("kind", "returned", "notify.guest_notifier"),
    not_when=("the vector is masked: the irqfd of devices without a mask function of their own is then taken away "
              "on purpose, and the counter keeps the interrupt until it is unmasked (I5)",),
    explanation="With irqfd KVM takes the interrupt out of the guest notifier; without it QEMU's main loop does.  A "
                "vector whose irqfd was released, or never set up, while no handler was attached, swallows "
                "interrupts.",
    confirm=("eventfd-count in /proc/PID/fdinfo/FD of the guest notifier stays above zero",),
    actions=(REBIND,),
    references=("QEMU hw/virtio/virtio-pci.c, virtio_pci_set_guest_notifiers()",
                "QEMU commits 2ce6cff94d (9.0, use of a released vector), a8e63ff289 (9.1, uninitialised irqfd), "
                "a113d041e8, 4396d4bd74"),
    explains=("I0", "M1"),
)


@of_late_interrupt
def _masked(case: Case, late: Late) -> Outcome:
    entry = _msix(case)
    if not _is_masked(entry):
        return "the vector is not masked"
    irq = case.guest_queue.irq
    disagree = irq is not None and irq.masked is False and not irq.depth
    waits = entry.pending or bool(case.peek("notify.guest_notifier.eventfd_count"))
    says = "the interrupt waits for the vector to be unmasked" if waits else \
        "no interrupt waits behind the mask: it came before, or was dropped"
    return behind(
        case, late, "the queue's MSI-X vector is masked, so nothing the device sends arrives", Evidence(
            says, None, fields(masked=entry.masked, function_masked=entry.function_masked, pending=entry.pending)),
        *([Evidence("the guest's kernel takes the vector for unmasked: the two disagree", fields(
            irq=irq.number, masked=irq.masked))] if disagree and irq else []),
        blame="notification path: QEMU has the vector masked, the guest's kernel does not" if disagree else
              "guest or notification path: the queue's MSI-X vector is masked")


MASKED = Rule(
    id="I5", slug="vector-masked",
    title="The queue's MSI-X vector is masked",
    blame="guest, or its code that moves interrupts between CPUs",
    severity=CRITICAL, stage=INTERRUPTS, test=_masked,
    holds_when="an interrupt is late, MSI-X is enabled, and the vector's mask bit or the function's is set, "
               "whether or not the pending bit or the guest notifier's counter shows an interrupt that waits behind it",
    needs=("kind", "returned", "notify.msix"),
    not_when=("the kernel is just moving the interrupt to another CPU, or starting it (I0 asks that the state "
              "lasts)",
              "the kernel has disabled the irq (I11), and masks the vector lazily, at the next interrupt"),
    explanation="While a vector is masked its interrupts wait in the pending bit array.  Linux masks a vector while "
                "it changes its affinity and unmasks it again; a vector that stays masked hangs its queue.",
    confirm=("lspci -vv in the guest: MSI-X: Enable+ Masked-",
             "the entry's vector control in QEMU (msix_table), and irq_desc in the guest"),
    actions=(REWRITE, REBIND),
    references=("QEMU hw/pci/msix.c, msix_notify(), msix_handle_mask_update()",
                "Linux kernel/irq/chip.c, drivers/pci/msi; commits 43b11a91dd, bbef882cc1"),
    explains=("I0", "I2", "M1"),
)


@of_late_interrupt
def _pending(case: Case, late: Late) -> Outcome:
    entry = _msix(case)
    if _is_masked(entry):
        return "the vector is masked, and pending is then as it should be"
    if not entry.pending:
        return "no interrupt is pending in the pending bit array"
    return behind(case, late, "the interrupt is pending in the device's MSI-X table although the vector is unmasked",
                  Evidence("an unmasked vector has nothing pending: QEMU fires it when it is unmasked", None, fields(
                      masked=False, pending=True)))


PENDING = Rule(
    id="I6", slug="pending-although-unmasked",
    title="An interrupt is pending although its vector is unmasked",
    blame="host: QEMU's MSI-X",
    severity=CRITICAL, stage=INTERRUPTS, test=_pending,
    holds_when="an interrupt is late, MSI-X is enabled, the vector is not masked, and its bit in the pending bit "
               "array is set",
    needs=("kind", "returned", "notify.msix"),
    explanation="QEMU sends what is pending when the guest unmasks the vector.  If both are seen at once, that was "
                "left out, as it can be when the table is loaded.",
    confirm=("the same in a second capture",),
    actions=(REWRITE, REBIND),
    references=("QEMU hw/pci/msix.c, msix_handle_mask_update(), msix_load()",),
    explains=("I0", "M1"),
)


@of_late_interrupt
def _no_vector(case: Case, late: Late) -> Outcome:
    vector = case.get("notify.vector")
    if vector == NO_VECTOR:
        if not case.by_vector:
            return "the device has a line in the place of vectors, or what the driver set is not known"
        return behind(case, late, "the queue has no interrupt vector in QEMU", Evidence(
            "QEMU sends nothing for a queue without a vector", _irq(case), "vector 65535 (VIRTIO_NO_VECTOR)"))
    mine = case.peek("irq.vector")
    if mine is not None and mine != vector:
        return behind(case, late, "the driver set another vector than the one that QEMU has for the queue", Evidence(
            "QEMU sends the queue's interrupts elsewhere", f"vector {mine}", f"vector {vector}"))
    entry = _msix(case)
    if entry.in_use:
        return "the queue's vector is in use"
    return behind(case, late, "QEMU drops the queue's interrupts: its vector is not marked in use", Evidence(
        "msix_notify() returns at once for a vector that is not in use", _irq(case), f"vector {vector}, in_use false"))


def _irq(case: Case) -> Optional[str]:
    irq = case.guest_queue.irq
    return None if irq is None else f"irq {irq.number}, vector {irq.vector}"


NO_VECTOR_RULE = Rule(
    id="I7", slug="no-vector",
    title="QEMU has no vector for a queue whose interrupts the guest waits for",
    blame="guest or state load: the queue's vector was not set, or was lost",
    severity=CRITICAL, stage=INTERRUPTS, test=_no_vector,
    holds_when="an interrupt is late, and VirtQueue.vector is VIRTIO_NO_VECTOR although the guest has an irq for the "
               "queue, or is not the one that the driver set, or is not marked in use (msix_entry_used)",
    needs=("kind", "returned", "notify.vector"),
    not_when=("the queue has no callback: control queues of network devices, poll queues of disks",
              "the device uses INTx"),
    explanation="The driver writes the queue's vector when it sets the queue up.  QEMU drops interrupts of queues "
                "without one, and of vectors that nobody marked as used, without a word.",
    confirm=("the common configuration of the device: queue_msix_vector",),
    actions=(REBIND,),
    references=("QEMU hw/pci/msix.c, msix_notify()", "QEMU hw/virtio/virtio-pci.c, virtio_pci_notify()"),
    explains=("I0", "M1"),
)


@of_late_interrupt
def _stale_route(case: Case, late: Late) -> Outcome:
    entry = _msix(case)
    if _is_masked(entry):
        return "the vector is masked, and its route is written anew when it is unmasked"
    table = MsiMessage(entry.address, entry.data)
    guest = case.guest_queue.irq.msi if case.guest_queue.irq else None
    sent, route = case.peek("notify.irqfd_message"), case.peek("notify.route")
    against = [("the guest's msi_desc", guest), ("the message QEMU gave to KVM", sent),
               ("KVM's route", _untranslated(case, table, route))]
    if all(message is None for _, message in against):
        case.get("notify.route")
        case.get("irq.msi")
    other = [(name, message) for name, message in against if message is not None and message != table]
    if not other:
        return "the messages in the MSI-X table, in KVM's route and in the guest agree"
    name, message = other[0]
    return behind(case, late, f"{name} and the vector's entry in the MSI-X table differ, so interrupts go astray",
                  *_messages(table, guest, sent, route))


REMAPPED = 0x10
"""Bit 4 of an MSI address: remappable format, which the IOMMU translates before it becomes a route."""


ADDRESS_HAS, ID_ABOVE = 0xFE0, 35
"""Bits 5 to 11 of an MSI address hold the upper bits of the APIC id of a vCPU above 255; a route has them in its upper
half (QEMU kvm_swizzle_msi_ext_dest_id(), since 6.0)."""


def _untranslated(case: Case, table: MsiMessage, route: Optional[MsiMessage]) -> Optional[MsiMessage]:
    """KVM's route as it was before QEMU's kvm_arch_fixup_msi_route() made it fit; None where it can't be compared."""
    if route is None or table.address & REMAPPED:
        return None
    machine = case.peek("guest_snapshot.target.machine")
    if machine == "aarch64":  # an SMMU translates the address of the doorbell, and leaves the data as it is
        return route._replace(address=table.address)
    if machine != "x86_64":
        return route
    address = route.address & 0xFFFFFFFF | route.address >> ID_ABOVE & ADDRESS_HAS
    return route._replace(address=type(route.address)(address))


def _messages(table: MsiMessage, guest: Any, sent: Any, route: Any) -> List[Evidence]:
    found = [Evidence("the MSI message as each of them has it", _spelled(guest), f"table {_spelled(table)}")]
    for name, message in (("given to KVM", sent), ("in KVM's route", route)):
        if message is not None:
            found.append(Evidence(f"the message {name}", None, _spelled(message)))
    return found


def _spelled(message: Any) -> Optional[str]:
    return None if message is None else f"address {int(message.address):#x} data {int(message.data):#x}"


STALE_ROUTE = Rule(
    id="I8", slug="stale-msi-route",
    title="The interrupt's route is stale",
    blame="host: QEMU or KVM, or a guest that rewrote an unmasked entry",
    severity=CRITICAL, stage=INTERRUPTS, test=_stale_route,
    holds_when="an interrupt is late, the vector is not masked, and the message in the MSI-X table differs from the "
               "one that QEMU gave to KVM, from KVM's route, or from the guest's msi_desc",
    needs=("kind", "returned", "notify.msix"),
    not_when=("interrupt remapping is on: the route is the message after translation, and only the others are "
              "compared",
              "an SMMU translates the address of the doorbell: of the route only the data is compared",
              "the vCPU's APIC id is above 255: the route has its upper bits elsewhere"),
    explanation="KVM delivers by a copy of the message that QEMU gave it.  When the guest moves the interrupt to "
                "another CPU, QEMU has to bring that copy up to date; one that it forgot sends interrupts to the old "
                "CPU and vector, where nobody expects them.",
    confirm=("dmesg of the guest: \"No irq handler for vector\"",
             "the routes that QEMU gave to KVM: KVMState.irq_routes, in gdb"),
    actions=(REWRITE, REBIND),
    references=("QEMU accel/kvm/kvm-all.c, kvm_irqchip_update_msi_route()",
                "QEMU commits def4c5570c (7.0, explicit commit), 54ad31fb0a (8.0, route updated after redelivery), "
                "c5478fea27"),
    explains=("I0", "M1"),
)


@of_late_interrupt
def _line(case: Case, late: Late) -> Outcome:
    line, isr = case.get("host.intx"), case.get("host.isr")
    if case.by_vector is None:
        raise Unknown("whether the queue has a vector or the device a line is not known")
    if case.by_vector:
        return "the device uses MSI-X"
    if line.level:
        return "the device asserts its interrupt line: QEMU has done its part"
    if line.disabled:
        return behind(case, late, "the guest has the device's INTx disabled", Evidence(
            "the command register's interrupt disable bit is set", None, "INTx disabled"))
    if isr & 1:
        return behind(case, late, "the device has an interrupt to deliver, and does not assert its line", Evidence(
            "bit 0 of isr is set and the line is low", None, fields(isr=isr, level=line.level)))
    if not case.vhost and case.evaluated is False:
        return "QEMU has not evaluated the need to interrupt for the entry due: its line had no reason to rise"
    return behind(case, late, "the device's line is low and its ISR is clear: somebody took the interrupt, and the "
                              "queue "
                  "was not looked at", Evidence("isr was read, or never set, with entries returned", None, fields(
                      isr=isr, level=line.level)))


LINE = Rule(
    id="I12", slug="line-not-asserted",
    title="The device's interrupt line is low with entries to consume",
    blame="host: QEMU's interrupt line, or another reader of ISR",
    severity=HIGH, stage=INTERRUPTS, test=_line,
    holds_when="an interrupt is late, MSI-X is not in use, and the line is not asserted",
    needs=("kind", "returned", "host.intx", "host.isr"),
    not_when=("MSI-X is in use: isr then proves nothing",
              "QEMU has not evaluated the need to interrupt for the entry due (I1, M1)"),
    explanation="Without MSI-X the device sets bit 0 of ISR and asserts its line; reading ISR clears both.  A line "
                "that is low although entries wait was either not asserted, or its ISR was read by somebody who did "
                "not look at this queue, as with a shared line.",
    confirm=("cat /proc/interrupts in the guest: who shares the line",),
    actions=(REBIND,),
    references=("virtio 1.2, 4.1.4.5 ISR status capability",
                "QEMU commit 83d768b564 (2.8, ISR not set by dataplane: Windows hung at hibernation)"),
    explains=("I0", "I4", "M1"),
)


@of_late_interrupt
def _behind_mask(case: Case, late: Late) -> Outcome:
    count = case.get("notify.vhost.masked_count")
    if not count:
        return "no interrupt waits in vhost's notifier for masked vectors"
    entry = _msix(case)
    if _is_masked(entry):
        return "the vector is masked, and vhost's interrupts wait for it to be unmasked"
    return behind(case, late, "vhost still signals the notifier for masked vectors, although the vector is unmasked",
                  Evidence("interrupts lie in the notifier that stands in while the vector is masked", None, fields(
                      masked_notifier=case.peek("notify.vhost.masked_notifier"), masked_count=count, masked=False)))


BEHIND_MASK = Rule(
    id="I18", slug="vhost-behind-mask",
    title="vhost signals the notifier of a masked vector that is unmasked",
    blame="host: QEMU's hand-over of call eventfds to the vhost backend",
    severity=CRITICAL, stage=INTERRUPTS, test=_behind_mask,
    holds_when="an interrupt is late, vhost serves the queue, the vector is unmasked, and the counter of "
               "vhost_virtqueue.masked_notifier is above zero",
    needs=("kind", "returned", "notify.vhost.masked_count", "notify.msix"),
    explanation="While a vector is masked QEMU gives vhost another eventfd to signal.  On unmasking it gives the "
                "real one back; a vhost-user backend that takes that in late goes on signalling the other.",
    confirm=("the counter of the masked notifier does not fall",),
    actions=(REWRITE, REBIND),
    references=("QEMU commit 1ba9a52203, \"make vhost_set_vring_file() synchronous\" (10.2)",
                "virtiofsd issues 101, 133, 213"),
    explains=("I0",),
)

RULES = (UNREAD, MASKED, PENDING, NO_VECTOR_RULE, STALE_ROUTE, LINE, BEHIND_MASK)

