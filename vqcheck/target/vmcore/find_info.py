"""The VMCOREINFO of the kernel that runs in a guest, and the proof that it is that kernel's.

Notes of an earlier boot may still lie in memory, and anyone in the guest can write what looks like one.  The right one
leads to the kernel's name for itself: it says where init_uts_ns is, and KASLR puts that elsewhere at every boot.

Source: Linux kernel/vmcore_info.c, until 6.8 kernel/crash_core.c; arch/x86/kernel/vmcore_info_64.c (phys_base),
arch/arm64/kernel/vmcore_info.c (kimage_voffset), arch/riscv/kernel/vmcore_info.c (va_kernel_pa_offset),
arch/s390/kernel/vmcore_info.c (KERNELOFFSET, KERNELOFFPHYS; the latter is the younger one).
"""
from typing import Callable, Dict, Iterable, NamedTuple, Optional, Tuple

from ..errors import NotSupported, TargetError
from ..files.vmcore_file import note_text, parse_vmcoreinfo, search_memory

Read = Callable[[int, int], bytes]
"""Reads guest-physical memory, exactly that many bytes.  Raises TargetError."""

START_KERNEL_MAP = 0xFFFFFFFF80000000
"""__START_KERNEL_map of x86-64."""

UTS_FIELD = 65
UTS_RELEASE = 2
UTS_SYSNAME = b"Linux\0"
NEAR = 64
"""The names are not always first in struct uts_namespace."""


class Info(NamedTuple):
    """A VMCOREINFO."""

    text: bytes
    found: bool
    """Whether it was merely found in memory, rather than told by the guest to QEMU."""
    proven: Optional[bool]
    """Whether it leads to a kernel of that release; None where that can't be told for this architecture."""

    @property
    def release(self) -> Optional[str]:
        """The kernel's release."""
        return parse_vmcoreinfo(self.text).get("OSRELEASE")


def told_by_device(place: Tuple[int, int], read: Read, machine: str, order: str = "<") -> Info:
    """The note at the (physical address, size) that the guest told QEMU.  Raises TargetError."""
    text = note_text(read(*place), order)
    if text is None:
        raise NotSupported(f"where the guest told QEMU that its VMCOREINFO is, at {place[0]:#x}, is none")
    return Info(text, False, _proven(text, read, machine))


def search(pieces: Iterable[Tuple[int, int]], read: Read, machine: str, order: str = "<") -> Optional[Info]:
    """The first in (physical address, size) pieces of memory that proves right; the last one where none does."""
    last: Optional[Info] = None
    for text in search_memory(pieces, lambda at, size: _as_much(read, at, size), order):
        last = Info(text, True, _proven(text, read, machine))
        if last.proven:
            break
    return last


def _as_much(read: Read, at: int, size: int) -> bytes:
    """Nothing where not all can be read: a note is not looked for beyond the memory that is there."""
    try:
        return read(at, size)
    except TargetError:
        return b""


def _proven(text: bytes, read: Read, machine: str) -> Optional[bool]:
    table = parse_vmcoreinfo(text)
    try:
        place = _physical(table, "init_uts_ns", machine)
        if place is None:
            return None
        raw = read(place, NEAR + (UTS_RELEASE + 1) * UTS_FIELD)
    except (TargetError, ValueError, OverflowError):
        return False
    at = raw.find(UTS_SYSNAME, 0, NEAR + len(UTS_SYSNAME))
    if at < 0:
        return False
    start = at + UTS_RELEASE * UTS_FIELD
    return raw[start:start + UTS_FIELD].split(b"\0", 1)[0].decode("utf-8", "backslashreplace") == table.get("OSRELEASE")


def _physical(table: Dict[str, str], symbol: str, machine: str) -> Optional[int]:
    """Where a variable of the kernel's lies; None where VMCOREINFO does not say enough.  Raises ValueError."""
    shift_of = SHIFTS.get(machine)
    shift = shift_of(table) if shift_of else None
    address = table.get(f"SYMBOL({symbol})")
    if shift is None or address is None:
        return None
    return int(address, 16) - shift


def _x86(table: Dict[str, str]) -> Optional[int]:
    base = table.get("NUMBER(phys_base)")
    return None if base is None else START_KERNEL_MAP - int(base)


def _number(name: str) -> Callable[[Dict[str, str]], Optional[int]]:
    def shift(table: Dict[str, str]) -> Optional[int]:
        value = table.get(f"NUMBER({name})")
        return None if value is None else int(value, 16)
    return shift


def _s390(table: Dict[str, str]) -> Optional[int]:
    """Linux lay at the same virtual addresses as physical ones until it began to say where it lies."""
    physical = table.get("KERNELOFFPHYS")
    return 0 if physical is None else int(table.get("KERNELOFFSET", "0"), 16) - int(physical, 16)


SHIFTS: Dict[str, Callable[[Dict[str, str]], Optional[int]]] = {
    "x86_64": _x86, "aarch64": _number("kimage_voffset"), "riscv64": _number("va_kernel_pa_offset"), "s390x": _s390}
"""By how much virtual addresses of the kernel's own image are above physical ones."""
