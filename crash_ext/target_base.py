"""What PyKdump and the loader have in common: a kernel whose modules need their debug information loaded."""
from typing import Optional

from vqcheck.target.target import Member, Target

from .module_debug import CrashKernel, ModuleDebug

UNREADABLE = "not mapped, or left out of the dump"
"""crash tells only that it could not read."""


class CrashTarget(CrashKernel, Target):
    """A kernel in crash.

    The debug information of a module is loaded when a type of it is asked for.  Where it can't be had, the type is
    absent, with what would bring it as the reason.
    """

    def __init__(self) -> None:
        self._modules = ModuleDebug(self)

    def gdb_member(self, type_name: str, path: str) -> Optional[Member]:
        """Where a member lies, as far as gdb knows it now."""
        raise NotImplementedError

    def type_size(self, type_name: str) -> Optional[int]:
        size = self.gdb_size(type_name)
        if size is None and self._modules.bring(type_name):
            size = self.gdb_size(type_name)
        return size

    def member(self, type_name: str, path: str) -> Optional[Member]:
        return None if self.type_size(type_name) is None else self.gdb_member(type_name, path)

    def why_no_type(self, type_name: str) -> Optional[str]:
        return self._modules.why_not(type_name)
