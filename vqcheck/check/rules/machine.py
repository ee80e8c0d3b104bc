"""What concerns the VM as a whole: S6, G10."""
from typing import List, NamedTuple, Sequence

from ...snapshot.model import Snapshot
from ..result import Evidence, Found, Outcome
from ..rule import HIGH, MACHINE, NOTE, Rule
from ..verdict import SHOWN, QueueVerdict

INTERRUPT = "I0"


class Machine(NamedTuple):
    """The captures of a VM, and what became of its queues; of none, before they are judged."""

    guest: Snapshot
    host: Snapshot
    queues: Sequence[QueueVerdict] = ()


def _other_vm(machine: Machine) -> Outcome:
    ours, theirs = machine.guest.target.uuid, machine.host.target.uuid
    if not ours or not theirs or ours.lower() == theirs.lower():
        return "the two sides name the same VM, as far as they name one"
    return Found(f"the snapshots are of different VMs: the guest's UUID is {ours}, the host's {theirs}", [Evidence(
        "a VM has one UUID, which its firmware tables hold too", f"uuid {ours}", f"uuid {theirs}")])


OTHER_VM = Rule(
    id="S6", slug="different-vms",
    title="The snapshots are of different VMs",
    blame="the captures",
    severity=NOTE, stage=MACHINE, test=_other_vm,
    holds_when="both sides know the VM's UUID, and do not agree",
    not_when=("QEMU was started without -uuid, and the guest's tables hold none",),
    explanation="Queues of two VMs may lie at the same addresses, and fit together by chance.",
    confirm=("dmidecode -s system-uuid in the guest; -uuid on QEMU's command line",),
    actions=("capture both sides of the same VM",),
    references=(),
)


def _everywhere(machine: Machine) -> Outcome:
    waiting: List[QueueVerdict] = [one for one in machine.queues if _misses_interrupt(one)]
    devices = sorted({one.guest_device for one in waiting})
    if len(devices) < 2:
        return "interrupts are not missing on several devices at once"
    return Found(
        f"{len(devices)} devices miss their interrupts at once: look at what they have in common before each of them",
        [Evidence("an interrupt is due and lost on each of them", ", ".join(devices))],
        against=["each device may have lost its interrupt by itself, as after a migration (M1)"])


def _misses_interrupt(queue: QueueVerdict) -> bool:
    return any(one.certainty == SHOWN and INTERRUPT in (one.rule, *(other.rule for other in one.consequences))
               for one in queue.findings)


EVERYWHERE = Rule(
    id="G10", slug="interrupts-missing-everywhere",
    title="Several devices miss their interrupts at once",
    blame="a vCPU that does not run, or the interrupt controller",
    severity=HIGH, stage=MACHINE, test=_everywhere,
    holds_when="interrupts are lost (I0) on queues of two devices or more",
    not_when=("a migration or a stop that all devices went through (M1, K11)",),
    explanation="A vCPU that is not scheduled, or stuck with interrupts off, takes none of them: every queue whose "
                "interrupt goes there looks as if its own had been lost.",
    confirm=("/proc/PID/task/TID/sched of the vCPU threads; steal time and soft lockups in the guest",),
    actions=("look at the vCPUs: are their threads scheduled, and do they run? (top -H, `info cpus`, soft lockups in "
             "dmesg)",
             "look at the interrupt controller: `info pic`, on x86 `info lapic`"),
    references=("Linux commit c112b5f50232 (posted interrupts that may be lost)",),
)

RULES = (OTHER_VM, EVERYWHERE)
