"""Where a coroutine waits: the stack of one that has been switched out, on a core as well.

Such a coroutine has left its registers in a jump buffer, three of them hidden by glibc's pointer guard.  The guard is
taken from the random bytes that the kernel gave the process, so that no thread's registers are needed for it.

Source: QEMU util/coroutine-ucontext.c (CoroutineUContext), include/qemu/coroutine_int.h (struct Coroutine); glibc
sysdeps/x86_64/jmpbuf-offsets.h, sysdeps/unix/sysv/linux/x86_64/pointer_guard.h, sysdeps/unix/sysv/linux/dl-osinfo.h
(_dl_setup_pointer_guard()).
"""
from typing import Dict, List, NamedTuple

from ..target.errors import NotSupported
from ..target.target import Target
from ..target.view import View

AT_RANDOM = 25
BACKEND = "CoroutineUContext"

WORD = (1 << 64) - 1


class _Machine(NamedTuple):
    """How setjmp() keeps registers."""

    registers: Dict[str, int]
    """gdb's name of each to its place among the words."""
    hidden: List[str]
    rotated: int
    """By how many bits to the left, after the guard was mixed in."""


MACHINES = {
    "x86_64": _Machine({"rbx": 0, "rbp": 1, "r12": 2, "r13": 3, "r14": 4, "r15": 5, "rsp": 6, "rip": 7},
                       ["rbp", "rsp", "rip"], 17),
    "aarch64": _Machine({**{f"x{19 + place}": place for place in range(12)}, "sp": 13}, ["x30", "sp"], 0),
}


def stack(target: Target, address: int) -> List[str]:
    """The functions that a coroutine stands in, innermost first, without those of the switch itself.

    Raises NotSupported for one that is running, and on hosts whose jump buffers are not known.
    """
    if View(target, "struct Coroutine", address).pointer("caller"):
        raise NotSupported("the coroutine is running: its thread's stack shows where")
    machine = MACHINES.get(target.identity().machine or "")
    if machine is None:
        raise NotSupported(f"jump buffers of {target.identity().machine or 'this host'} are not understood")
    raw = View(target, BACKEND, address).raw("env")
    words = [target.decode_uint(raw[at:at + 8]) for at in range(0, 8 * (1 + max(machine.registers.values())), 8)]
    guard = pointer_guard(target)
    registers = {}
    for name, place in machine.registers.items():
        value = words[place]
        registers[name] = _shown(value, guard, machine.rotated) if name in machine.hidden else value
    if "x30" in registers:  # the return address is where it goes on
        registers["pc"] = registers["x30"]
    return _beyond_the_switch(list(target.unwind(registers)))


def pointer_guard(target: Target) -> int:
    """The value that glibc mixes into what it wants to keep from being overwritten."""
    place = target.auxv().get(AT_RANDOM)
    if place is None:
        raise NotSupported("the process's auxiliary vector does not name its random bytes")
    return target.read_uint(place + target.pointer_size, target.pointer_size)


def _shown(value: int, guard: int, rotated: int) -> int:
    return (value >> rotated | value << 64 - rotated) & WORD ^ guard if rotated else value ^ guard


SWITCH = ("qemu_coroutine_switch", "qemu_coroutine_yield", "__sigsetjmp", "sigsetjmp")
BOTTOM = "coroutine_trampoline"
"""Where every coroutine begins; what lies below it on the stack is nobody's."""


def _beyond_the_switch(functions: List[str]) -> List[str]:
    """Without what every coroutine stands in at its two ends."""
    start, end = 0, functions.index(BOTTOM) if BOTTOM in functions else len(functions)
    while start < end and functions[start] in SWITCH:
        start += 1
    return functions[start:end]
