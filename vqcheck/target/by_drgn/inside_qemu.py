"""A guest's kernel in the memory of its QEMU: a core of it, or a live one.

Needs the drgn package (`pip install vqcheck[drgn]`), 0.3.0 or newer, which brought memory by other ways than a dump.
"""
from typing import Callable, NamedTuple, Sequence, Tuple, TypeVar

import drgn

from ..errors import TargetError
from ..files import vmcore_file
from .kernel import MACHINES, CannotOpen, Finish, Memory
from .target import Caught
from .warnings import heard

Kernel = TypeVar("Kernel")

TOO_OLD = (f"drgn {drgn.__version__} can't read a guest inside QEMU, 0.3.0 or newer can: pip install --upgrade drgn; "
           "or make a dump of it with `vqcheck vmcore` and read that with `vqcheck guest`")


class Guest(NamedTuple):
    """A guest's memory; addresses are guest-physical."""

    machine: str
    """As uname -m has it."""
    ranges: Sequence[Tuple[int, int]]
    """(address, size) of all of it."""
    read: Callable[[int, int], bytes]
    """Exactly that many bytes at an address.  Raises TargetError."""
    vmcoreinfo: bytes
    found: bool
    """Whether VMCOREINFO was merely found in it."""
    source: str
    """Where it was read: a core's path, or words for a process."""
    caught: Caught


def open_guest(guest: Guest, finish: "Finish[Kernel]") -> Kernel:
    """What `finish` makes of the kernel's memory.  Raises CannotOpen, and what `finish` raises."""
    architecture = MACHINES.get(guest.machine)
    if architecture is None:
        raise CannotOpen(f"{guest.source}: a guest of {guest.machine} can't be read inside QEMU; make a dump of it "
                         "with `vqcheck vmcore`")
    program = drgn.Program(drgn.Platform(architecture))
    if not hasattr(program, "set_linux_kernel_custom"):
        raise CannotOpen(TOO_OLD)
    for start, size in guest.ranges:
        program.add_memory_segment(start, size, _reader(guest.read), True)
    with heard() as warnings:
        try:
            program.set_linux_kernel_custom(guest.vmcoreinfo, bool(guest.caught.runs))
        except Exception as problem:  # drgn's own errors have no class of their own
            raise CannotOpen(f"{guest.source}: VMCOREINFO of its guest: {' '.join(str(problem).split())}")
        table = vmcore_file.parse_vmcoreinfo(guest.vmcoreinfo)
        return finish(Memory(program, guest.source, table, guest.found, warnings, guest.caught))


def _reader(read: Callable[[int, int], bytes]) -> Callable[[int, int, int, bool], bytes]:
    def answer(address: int, count: int, offset: int, physical: bool) -> bytes:
        try:
            return read(address, count)
        except TargetError as problem:
            raise drgn.FaultError(str(problem), address)
    return answer
