"""crash as a Target, through PyKdump."""
import os
import struct
import sys
from typing import Iterable, Optional

import crash
import pykdump
from pykdump import API

from vqcheck.target.errors import Unreadable
from vqcheck.target.target import Identity, Member

from . import pykdump_types
from .target_base import UNREADABLE, CrashTarget

LIVE = ("/dev/", "/proc/")
"""Where the memory of the running kernel is read from."""


class PykdumpTarget(CrashTarget):
    """Answers from the crash that PyKdump lives in.

    PyKdump's typed struct values are not used: one read a struct is quicker, and they turn hasattr() into a KeyError.
    Nor are its calls that end the program without an exception when crash fails.
    """

    byte_order = sys.byteorder  # crash reads dumps of its own byte order
    pointer_size = struct.calcsize("P")

    def __init__(self) -> None:
        super().__init__()
        pykdump_types.refresh()

    def symbol(self, name: str) -> Optional[int]:
        return int(crash.sym2addr(name)) or None

    def symbol_name(self, address: int) -> Optional[str]:
        name: Optional[str] = crash.addr2sym(address)
        return name or None

    def gdb_size(self, type_name: str) -> Optional[int]:
        return pykdump_types.size(type_name)

    def gdb_member(self, type_name: str, path: str) -> Optional[Member]:
        return pykdump_types.member(type_name, path)

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        if address == 0:
            raise Unreadable(address, size, "PyKdump does not read at address 0")
        try:
            raw: bytes = crash.readmem(address, size, crash.PHYSADDR if physical else crash.KVADDR)
        except crash.error:
            raise Unreadable(address, size, UNREADABLE)
        return raw

    def release(self) -> str:
        return str(API.sys_info.RELEASE)

    def kernel_file(self) -> str:
        return str(API.sys_info["DEBUG KERNEL" if "DEBUG KERNEL" in API.sys_info else "KERNEL"]).split(" ", 1)[0]

    def modules(self) -> Iterable[str]:
        try:
            names: Iterable[str] = API.lsModules()
        except crash.error:  # started with --no_modules
            return ()
        return names

    def load_module(self, name: str, path: str) -> bool:
        # API.loadModule() would remember a failure for the rest of the session.
        try:
            return "MODULE" in API.exec_crash_command(f'mod -s {name} "{path}"')
        except crash.error:
            return False

    def load_types(self, path: str) -> bool:
        return API.exec_gdb_command(f'add-symbol-file "{path}" 0') is not None

    def forget_types(self) -> None:
        API.purge_typeinfo()  # for the programs that come after this one
        pykdump_types.forget_missing()

    def identity(self) -> Identity:
        source = str(API.sys_info.DUMPFILE).split(",", 1)[0]
        live = source.startswith(LIVE)
        return Identity(
            debugger=f"crash {crash.Crash_run} (PyKdump {pykdump.__version__})",
            method="live" if live else "dump",
            source=None if live else os.path.basename(source),
            machine=str(API.sys_info.machine),
        )
