"""QEMU's threads: where each stands, what it is for, and which calls it has put off.

Source: QEMU include/hw/core/cpu.h (struct CPUState), util/defer-call.c (DeferCallThreadState, since QEMU 8.2).
"""
from typing import Dict, List, NamedTuple, Optional, Tuple

from ..snapshot.device_model import ThreadState
from ..target.absence import Absences
from ..target.errors import NotSupported, TargetError
from ..target.target import Target, Thread
from ..target.view import View
from .loops import Loops
from .qobject import chain

DEFERRED = "co_tls_defer_call_thread_state"


class Known(NamedTuple):
    """What is known of a thread by what QEMU keeps of it."""

    role: str
    pointer: Optional[int]
    """Its thread pointer: glibc's pthread_t."""


def thread_states(target: Target, loops: Loops) -> List[ThreadState]:
    """All threads.  Raises NotSupported where the debugger lists none."""
    known = _known(target, loops)
    offset = Absences()
    deferred = offset.take("deferred_calls", target.tls_offset, DEFERRED)
    if deferred is None:
        offset.setdefault("deferred_calls", "not applicable: before QEMU 8.2 no calls were deferred")
    return [_state(target, one, known.get(one.id), deferred, offset["deferred_calls"] if deferred is None else "")
            for one in target.threads()]


def _state(target: Target, thread: Thread, known: Optional[Known], offset: Optional[int], why: str) -> ThreadState:
    absent = Absences()
    if thread.name is None:
        absent["name"] = "a core does not hold it"
    if thread.functions is None:
        absent["functions"] = thread.reason or "its stack can't be unwound"
    calls: Optional[Tuple[int, int]] = None
    if offset is None:
        absent["deferred_calls"] = why
    elif known is None or known.pointer is None:
        absent["deferred_calls"] = "not known: QEMU keeps no handle of this thread"
    else:
        calls = absent.take("deferred_calls", _deferred, target, known.pointer + offset)
    if calls is None:
        absent["defer_depth"] = absent["deferred_calls"]
    return ThreadState(
        id=thread.id,
        name=thread.name,
        role=known.role if known else None,
        functions=None if thread.functions is None else list(thread.functions),
        deferred_calls=calls[0] if calls else None,
        defer_depth=calls[1] if calls else None,
        absent=dict(absent),
    )


def _deferred(target: Target, address: int) -> Tuple[int, int]:
    """Calls put off, and how deep the thread is in defer_call_begin()."""
    state = View(target, "DeferCallThreadState", address & (1 << 8 * target.pointer_size) - 1)
    array = state.pointer("deferred_call_array")
    return (View(target, "GArray", array).uint("len") if array else 0), state.uint("nesting_level")


def _known(target: Target, loops: Loops) -> Dict[int, Known]:
    found: Dict[int, Known] = {}
    for id_, role, pointer in _vcpus(target):
        found[id_] = Known(role, pointer)
    for name, thread in loops.iothreads.items():
        pointer = Absences().take("", thread.pointer, "thread.thread")
        found[thread.uint("thread_id")] = Known(f"iothread {name}", pointer)
    if loops.main_thread is not None:
        found[loops.main_thread] = Known("main", _main_pointer(target))
    return found


def _main_pointer(target: Target) -> Optional[int]:
    try:
        return View(target, "struct QemuThread", target.address_of("io_thread")).pointer("thread")
    except TargetError:
        return None


def _vcpus(target: Target) -> List[Tuple[int, str, Optional[int]]]:
    try:
        return [(cpu.uint("thread_id"), f"vcpu {cpu.uint('cpu_index')}", _vcpu_pointer(cpu)) for cpu in vcpus(target)]
    except TargetError:
        return []


def _vcpu_pointer(cpu: View) -> Optional[int]:
    return Absences().take("", lambda: cpu.follow("struct QemuThread", "thread").pointer("thread"))


def vcpus(target: Target) -> List[View]:
    """The virtual CPUs (struct CPUState)."""
    for symbol in ("cpus_queue", "cpus"):  # renamed in QEMU 9.0
        address = target.symbol(symbol)
        if address is not None:
            return list(chain(target, target.read_pointer(address), "struct CPUState", "node.tqe_next"))
    raise NotSupported("QEMU's list of virtual CPUs is not known")
