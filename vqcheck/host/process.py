"""What all devices of one QEMU process have in common, read once."""
from typing import Dict, List, Optional

from ..snapshot.device_model import ThreadState
from ..snapshot.loop_model import QemuState
from ..target.absence import Absences
from ..target.errors import NotSupported
from ..target.target import Target
from ..target.view import View
from .block.waiting import in_loops
from .clock import Clock
from .kvm import Routes
from .loop_state import loop_state
from .loops import Loops
from .memory import GuestMemory, guest_memory
from .qobject import enum_name, static_pointer, type_names
from .stacks import Stacks
from .threads import thread_states
from .vhost import VhostDevices


class Process:
    """One QEMU process.  Raises TargetError where it is none, or has no debug information."""

    def __init__(self, target: Target, anywhere: Optional[int]) -> None:
        """`anywhere` is the address of any QOM object of the process, None where it has no device."""
        self.target = target
        self.loops = Loops(target, anywhere)
        self.absent = Absences()
        self.run_state = self.absent.take("run_state", run_state, target)
        self.threads: Optional[List[ThreadState]] = self.absent.take("threads", thread_states, target, self.loops)
        self.clock = Clock(target)
        self.vhost = VhostDevices(target)
        self.routes = Routes(target)
        self.stacks = Stacks(target)
        self._waiting: Optional[Dict[int, str]] = None
        self._memory: Optional[GuestMemory] = None

    @property
    def memory(self) -> GuestMemory:
        """The guest's memory.  Raises TargetError."""
        if self._memory is None:
            self._memory = guest_memory(self.target)
        return self._memory

    @property
    def waiting(self) -> Dict[int, str]:
        """Where coroutines wait, by their addresses, outside the graph of block nodes."""
        if self._waiting is None:
            self._waiting = in_loops(self.target, self.loops)
        return self._waiting

    def state(self) -> QemuState:
        """The process as a whole."""
        target, absent = self.target, Absences()
        if self.run_state is None:
            absent["run_state"] = self.absent["run_state"]
        if self.loops.problem:
            absent["loops"] = self.loops.problem
        return QemuState(
            run_state=self.run_state,
            accelerator=absent.take("accelerator", accelerator, target),
            incoming=absent.take("incoming", incoming, target),
            bql_owner=absent.take("bql_owner", _bql_owner, target),
            loops=[loop_state(target, loop, self.loops.iothreads.get(loop.name)) for loop in self.loops.all()],
            absent=dict(absent),
        )


def run_state(target: Target) -> str:
    """The VM's run state, as QMP's query-status prints it."""
    return enum_name(target, "RunState", target.read_uint(target.address_of("current_run_state"), 4))


def accelerator(target: Target) -> str:
    """What runs the guest's code: the machine's accelerator without `-accel`."""
    machine = View(target, "struct MachineState", static_pointer(target, "current_machine"))
    if machine.has("accelerator"):  # since QEMU 5.0
        name = type_names(target, machine.pointer("accelerator"))[0]
        return name[:-len("-accel")] if name.endswith("-accel") else name
    raise NotSupported("this QEMU does not keep its accelerator with the machine")


def incoming(target: Target) -> str:
    """The state of an incoming migration (enum MigrationStatus), which that of a VM that began here never leaves."""
    address = static_pointer(target, "current_incoming")
    if address == 0:
        return "none"
    return enum_name(target, "MigrationStatus",
                     View(target, "struct MigrationIncomingState", address).uint("state"))


def _bql_owner(target: Target) -> int:
    """The thread that holds the big lock: a mutex of glibc's, which notes its owner."""
    for symbol in ("bql", "qemu_global_mutex"):  # renamed in QEMU 9.0
        address = target.symbol(symbol)
        if address is not None:
            return View(target, "struct QemuMutex", address).uint("lock.__data.__owner")
    raise NotSupported("QEMU's big lock is not known")


