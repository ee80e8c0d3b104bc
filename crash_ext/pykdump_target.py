"""crash as a Target, through PyKdump."""
import os
import re
from typing import Iterable, Optional

import crash
import pykdump
from pykdump import API

from vqcheck.guest import module_list
from vqcheck.target.errors import NotSupported, Unreadable
from vqcheck.target.target import Identity, Member

from . import pykdump_types
from .target_base import CrashTarget

LIVE = ("/dev/", "/proc/")
"""Where the memory of the running kernel is read from."""


class PykdumpTarget(CrashTarget):
    """Answers from the crash that PyKdump lives in.

    PyKdump's typed struct values are not used: one read a struct is quicker, and they turn hasattr() into a KeyError.
    Nor are its calls that end the program without an exception when crash fails.
    """

    def __init__(self) -> None:
        super().__init__(None if _is_live() else _dump())
        if "on" in str(API.exec_crash_command("set zero_excluded")).split():
            raise NotSupported("crash was told to read what is left out of the dump as zeros, and PyKdump would pass "
                               "them on; `set zero_excluded off` ends that")
        listing = _modules()
        self._names = [line.split()[1] for line in listing.splitlines()[1:]]
        pykdump_types.refresh(listing)

    def gdb(self, command: str) -> Optional[str]:
        answer: Optional[str] = API.exec_gdb_command(command)
        return answer

    def crash_symbol(self, name: str) -> Optional[int]:
        return int(crash.sym2addr(name)) or None

    def crash_name(self, address: int) -> Optional[str]:
        name: Optional[str] = crash.addr2sym(address)
        return name or None

    def gdb_size(self, type_name: str) -> Optional[int]:
        return pykdump_types.size(type_name)

    def gdb_member(self, type_name: str, path: str) -> Optional[Member]:
        return pykdump_types.member(type_name, path)

    def crash_reads(self, address: int, size: int, physical: bool) -> Optional[bytes]:
        if address == 0:
            raise Unreadable(address, size, "PyKdump does not read at address 0")
        try:
            raw: bytes = crash.readmem(address, size, crash.PHYSADDR if physical else crash.KVADDR)
        except crash.error:
            return None
        return raw

    def physical(self, address: int) -> Optional[int]:
        try:
            lines = str(API.exec_crash_command(f"vtop {address:x}")).splitlines()
            return int(lines[1].split()[1], 16)
        except (crash.error, IndexError, ValueError):
            return None

    def release(self) -> str:
        return str(API.sys_info.RELEASE)

    def kernel_file(self) -> str:
        return _path("DEBUG KERNEL" if "DEBUG KERNEL" in API.sys_info else "KERNEL")

    def modules(self) -> Iterable[str]:
        return self._names

    def load_module(self, name: str, path: str) -> bool:
        # API.loadModule() would remember a failure for the rest of the session.
        try:
            return "MODULE" in API.exec_crash_command(f'mod -s {name} "{path}"')
        except crash.error:
            return False

    def forget_types(self) -> None:
        API.purge_typeinfo()  # for the programs that come after this one
        pykdump_types.forget_missing()

    def identity(self) -> Identity:
        live = _is_live()
        return Identity(
            debugger=f"crash {crash.Crash_run} (PyKdump {pykdump.__version__})",
            build_id=module_list.kernel_build_id(self),
            method="live" if live else "dump",
            runs=bool(live) or None,
            source=None if live else os.path.basename(_dump()),
            machine=str(API.sys_info.machine),
        )


def _modules() -> str:
    """The modules that crash knows, a line each under a heading: address, name, place, debug information.

    API.lsModules() walks the kernel's own list, and has also those that crash was told to leave (--no_modules).
    """
    try:
        return str(API.exec_crash_command("mod"))
    except crash.error:  # it knows none
        return ""


def _dump() -> str:
    """The path of what is read."""
    return _path("DUMPFILE").split(",", 1)[0]


def _path(key: str) -> str:
    """A path out of what `sys` prints, without the remarks after it: `vmcore  [PARTIAL DUMP]`, `vmlinux  [TAINTED]`.

    Source: crash kernel.c (display_sys_stats()).
    """
    return re.split(r" +[\[(]", str(API.sys_info[key]), maxsplit=1)[0]


def _is_live() -> bool:
    return _dump().startswith(LIVE)
