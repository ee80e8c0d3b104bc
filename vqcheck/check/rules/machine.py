"""What concerns the VM as a whole: S6, G10, G12."""
from typing import List, NamedTuple, Sequence

from ...snapshot.model import Snapshot
from ..panic import died
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

def _panicked(machine: Machine) -> Outcome:
    if not machine.queues:
        return "asked once the queues are judged"
    if not died(machine.guest, machine.host):
        return "its kernel is not known to have panicked before the host's side was captured"
    return Found("the guest's kernel has panicked", [Evidence(
        "it has noted a CPU that panicked, and QEMU went on after that", "panic_cpu is set")])


PANICKED = Rule(
    id="G12", slug="guest-panicked",
    title="The guest's kernel has panicked",
    blame="guest",
    severity=NOTE, stage=MACHINE, test=_panicked,
    holds_when="the guest's panic_cpu is set, and the host's side was captured after its last tick",
    not_when=("the guest was made to panic because it hung (sysrq, an NMI, for kdump's sake), and the host's side was "
              "captured before that",),
    explanation="A kernel that has panicked takes no interrupt any more and posts nothing: what came back from its "
                "devices since then lies in the rings and looks as if interrupts had been lost.  A disk that had hung "
                "before may be why it panicked (hung_task_panic); its own last words tell.  Where a kdump kernel runs, "
                "the devices' rings are that one's.",
    confirm=("the guest's console; `log` in crash: what did it say last?",),
    actions=("read the panic's message: if a hung task was the reason, look at the ages of the requests",
             "keep the dump, and reset the VM"),
    references=("Linux kernel/panic.c, panic() and nmi_panic() (panic_cpu, since 4.5)",),
)

RULES = (OTHER_VM, EVERYWHERE, PANICKED)
