"""A double of pykdump.API, with the traps that were measured in the real one."""
import os
from typing import Any, Dict, List, Optional, Tuple

import crash
from crash import exec_crash_command, readmem  # noqa: F401  (`from pykdump.API import *` gives them)

_typeinfo: Dict[Tuple[str, str], int] = {}
"""Negative answers too are kept until purge_typeinfo()."""


class _SysInfo(Dict[str, Any]):
    """A dictionary with attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


sys_info = _SysInfo(RELEASE=crash.world["release"], KERNEL=crash.world["kernel"], DUMPFILE=crash.world["dump"],
                    MACHINE="x86_64  (2596 Mhz)", machine="x86_64", livedump=False)


class StructResult(int):
    """A typed value; its int is its address."""

    def __new__(cls, type_name: str, address: int) -> "StructResult":
        made = super().__new__(cls, address)
        made.__dict__["_type"] = type_name
        return made

    def __getattr__(self, name: str) -> int:
        if member_offset(self._type, name) == -1:  # so that hasattr() raises too
            raise KeyError(f"<{self._type} {int(self):#x}> does not have a field <{name}>")
        size = member_size(self._type, name)
        return int.from_bytes(readmem(self + member_offset(self._type, name), size), "little")

    def hasField(self, name: str) -> bool:  # noqa: N802
        return member_offset(self._type, name) != -1


def readSU(type_name: str, address: int) -> StructResult:  # noqa: N802
    return StructResult(type_name, address)


def _body(type_name: str) -> Dict[str, Dict[str, Any]]:
    try:
        return {one["fname"]: one for one in crash.gdb_typeinfo(type_name)["body"]}
    except crash.error:
        raise TypeError(f"no type {type_name}") from None


def getSizeOf(type_name: str) -> int:  # noqa: N802
    key = type_name, ""
    if key not in _typeinfo:
        try:
            _typeinfo[key] = crash.gdb_typeinfo(type_name)["typelength"]
        except crash.error:
            _typeinfo[key] = -1
    return _typeinfo[key]


struct_size = union_size = getSizeOf


def member_offset(type_name: str, name: str) -> int:
    key = type_name, "o" + name
    if key not in _typeinfo:
        try:
            _typeinfo[key] = _body(type_name)[name]["bitoffset"] // 8
        except (TypeError, KeyError):
            _typeinfo[key] = -1
    return _typeinfo[key]


def member_size(type_name: str, name: str) -> int:
    """-1 for a path, TypeError for an unknown struct."""
    return int(_body(type_name).get(name, {"typelength": -1})["typelength"])


def purge_typeinfo() -> None:
    _typeinfo.clear()


def exec_gdb_command(command: str) -> Optional[str]:
    """`show endian`, `add-symbol-file "FILE" 0`: what the project uses; None on an error."""
    if command == "show endian":
        return "The target endianness is set automatically (currently little endian).\n"
    name, path, address = command.split()
    module = os.path.basename(path.strip('"')).split(".")[0]
    if name != "add-symbol-file" or address != "0" or module not in crash.world["types_of"]:
        return None
    crash.loaded[module] = "gdb"
    return f"add symbol table from file {path}\n"


def lsModules() -> List[str]:  # noqa: N802
    """The kernel's own list, whatever crash knows of it; never raises."""
    return list(crash.world["types_of"])
