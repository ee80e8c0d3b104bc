"""The guest's CPU masks.

Source: Linux include/linux/cpumask.h, kernel/cpu.c (__cpu_online_mask), lib/bitmap.c.
"""
from typing import List

from ..target.errors import NotSupported
from ..target.target import Target


def online(target: Target) -> str:
    """The CPUs that are online, as a list like `0-3,8`.  Raises TargetError."""
    return cpu_list(online_cpus(target))


def online_cpus(target: Target) -> List[int]:
    """The numbers of the CPUs that are online.  Raises TargetError."""
    return _named(target, "online")


NOBODY = -1
"""PANIC_CPU_INVALID."""


def panicked(target: Target) -> bool:
    """Whether a CPU has panicked, for good: what calls panic() or crash_kexec() notes itself.  Raises TargetError."""
    address = target.symbol("panic_cpu")  # since Linux 4.5
    if address is None:
        raise NotSupported("the kernel does not note it, as those before 4.5")
    return target.read_uint(address, 4) != NOBODY & 0xFFFFFFFF


def possible_cpus(target: Target) -> List[int]:
    """The numbers of the CPUs that there may be: each has an area of its own.  Raises TargetError."""
    return _named(target, "possible")


def _named(target: Target, which: str) -> List[int]:
    # Before Linux 4.5 the mask was a static bitmap (5aec01b834fd "kernel/cpu.c: eliminate cpu_*_mask").
    names = (f"__cpu_{which}_mask", f"cpu_{which}_bits")
    for name in names:
        address = target.symbol(name)
        if address is not None:
            return mask_cpus(target, address)
    raise NotSupported(f"the kernel has neither {names[0]} nor {names[1]}")


def mask_cpus(target: Target, address: int) -> List[int]:
    """The numbers of the CPUs in a struct cpumask.  Raises TargetError."""
    width = 8 * target.pointer_size
    limit = cpu_limit(target)
    # A mask that was allocated ends with the word of the last possible CPU, however large its type is.
    words = target.decode_pointers(target.read(address, -(-limit // width) * target.pointer_size))
    return [cpu for cpu in range(limit) if words[cpu // width] >> cpu % width & 1]


def cpu_limit(target: Target) -> int:
    """How many CPUs there can be: nr_cpu_ids, a macro in kernels that were built for a fixed number."""
    most = 8 * target.size_of("struct cpumask")
    address = target.symbol("nr_cpu_ids")
    return most if address is None else min(target.read_uint(address, 4), most)


def cpu_list(numbers: List[int]) -> str:
    """CPU numbers as the kernel prints them: `0-3,8`."""
    spans: List[List[int]] = []
    for number in numbers:
        if spans and spans[-1][-1] == number - 1:
            spans[-1][-1] = number
        else:
            spans.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)
