"""crash as a Target, through our own loader."""
import os
from typing import Any, Dict, Iterable, Optional

import _vqcrash

from vqcheck.guest import module_list
from vqcheck.target.target import Identity, Member

from . import loader_types
from .target_base import CrashTarget

PSEUDO_SYMBOL = "_MODULE_"
"""Begins the names that crash itself gives to the ends of modules."""


class LoaderTarget(CrashTarget):
    """Answers from the crash that this Python lives in."""

    def __init__(self) -> None:
        self._facts: Dict[str, Any] = _vqcrash.facts()
        super().__init__(None if self._facts["live"] else self._facts["dump"])
        loader_types.refresh()

    def gdb(self, command: str) -> Optional[str]:
        answer: Optional[str] = _vqcrash.gdb(command)
        return answer

    def crash_symbol(self, name: str) -> Optional[int]:
        address: Optional[int] = _vqcrash.symbol(name)
        return address

    def crash_name(self, address: int) -> Optional[str]:
        name: Optional[str] = _vqcrash.symbol_name(address)
        return None if name is None or name.startswith(PSEUDO_SYMBOL) else name

    def gdb_size(self, type_name: str) -> Optional[int]:
        return loader_types.size(type_name)

    def gdb_member(self, type_name: str, path: str) -> Optional[Member]:
        return loader_types.member(type_name, path)

    def crash_reads(self, address: int, size: int, physical: bool) -> Optional[bytes]:
        raw: Optional[bytes] = _vqcrash.readmem(address, size, physical)
        return raw

    def physical(self, address: int) -> Optional[int]:
        found: Optional[int] = _vqcrash.physical(address)
        return found

    def release(self) -> str:
        return str(self._facts["release"])

    def kernel_file(self) -> str:
        return str(self._facts["kernel"] or "")

    def modules(self) -> Iterable[str]:
        names: Iterable[str] = _vqcrash.modules()
        return names

    def load_module(self, name: str, path: str) -> bool:
        return bool(_vqcrash.load_module(name, path))

    def forget_types(self) -> None:
        loader_types.forget_missing()

    def identity(self) -> Identity:
        facts = self._facts
        return Identity(
            debugger=f"crash {facts['crash']} (loader)",
            build_id=module_list.kernel_build_id(self),
            method="live" if facts["live"] else "dump",
            runs=bool(facts["live"]) or None,
            source=os.path.basename(facts["dump"]) if facts["dump"] and not facts["live"] else None,
            machine=facts["machine"],
        )
