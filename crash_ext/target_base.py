"""What PyKdump and the loader have in common: a kernel whose modules need their debug information loaded."""
import struct
import sys
from typing import Optional

from vqcheck.guest import module_list
from vqcheck.guest.module_symbols import ModuleSymbols
from vqcheck.target.errors import Unreadable
from vqcheck.target.target import Member, Target

from .dump_holes import Holes
from .module_debug import CrashKernel, ModuleDebug

UNREADABLE = "not mapped, or left out of the dump"
"""crash tells only that it could not read."""

LEFT_OUT = "left out of the dump"


class CrashTarget(CrashKernel, Target):
    """A kernel in crash.

    The debug information of a module is loaded when a type of it is asked for.  Where it can't be had, the type is
    absent, with what would bring it as the reason.
    """

    def __init__(self, dump: Optional[str]) -> None:
        """`dump` is the path of what is read; None for a live system."""
        self._modules = ModuleDebug(self)
        self._module_symbols = ModuleSymbols(self)
        self._holes = Holes(dump)
        self.byte_order = self._gdb_byte_order()
        self.pointer_size = self._pointer_size()

    def gdb(self, command: str) -> Optional[str]:
        """What a command of the gdb inside crash prints; None where it fails."""
        raise NotImplementedError

    def crash_symbol(self, name: str) -> Optional[int]:
        """The address of a symbol that crash knows."""
        raise NotImplementedError

    def crash_name(self, address: int) -> Optional[str]:
        """The name of the symbol that crash knows to start at an address."""
        raise NotImplementedError

    def gdb_member(self, type_name: str, path: str) -> Optional[Member]:
        """Where a member lies, as far as gdb knows it now."""
        raise NotImplementedError

    def crash_reads(self, address: int, size: int, physical: bool) -> Optional[bytes]:
        """What crash reads at an address; None where it refuses."""
        raise NotImplementedError

    def physical(self, address: int) -> Optional[int]:
        """The physical address behind one of the kernel's; None where it is not mapped."""
        raise NotImplementedError

    def symbol(self, name: str) -> Optional[int]:
        address = self.crash_symbol(name)
        if address is None and not self.modules():  # crash was told to leave them, or could not make them out
            address = self._module_symbols.address(name)
        return address

    def symbol_name(self, address: int) -> Optional[str]:
        fits = 0 <= address < 1 << 8 * self.pointer_size
        name = self.crash_name(address) if fits else None
        if name is None and fits and not self.modules():
            name = self._module_symbols.name(address)
        return name

    def type_size(self, type_name: str) -> Optional[int]:
        size = self.gdb_size(type_name)
        if size is None and self._modules.bring(type_name):
            size = self.gdb_size(type_name)
        return size

    def member(self, type_name: str, path: str) -> Optional[Member]:
        return None if self.type_size(type_name) is None else self.gdb_member(type_name, path)

    def why_no_type(self, type_name: str) -> Optional[str]:
        return self._modules.why_not(type_name)

    def build_id(self, name: str) -> Optional[str]:
        return module_list.build_id(self, name)

    def load_types(self, path: str) -> bool:
        return self.gdb(f'add-symbol-file "{path}" 0') is not None

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        last = (1 << 64 if physical else 1 << 8 * self.pointer_size) - 1  # beyond it C would count from 0 again
        raw = self.crash_reads(address, size, physical) if 0 <= address <= last else None
        if raw is None:
            raise Unreadable(address, size, UNREADABLE)
        if self._holes.has_made_up(raw, address, _itself if physical else self.physical):
            raise Unreadable(address, size, LEFT_OUT)
        return raw

    def _gdb_byte_order(self) -> str:
        """The target's, which need not be this machine's."""
        answer = self.gdb("show endian") or ""
        return "big" if "big endian" in answer else "little" if "little endian" in answer else sys.byteorder

    def _pointer_size(self) -> int:
        size = self.gdb_size("struct list_head")  # two pointers; gdb takes longer over an expression
        return size // 2 if size in (8, 16) else struct.calcsize("P")


def _itself(address: int) -> int:
    return address
