"""crash as a Target, through our own loader."""
import os
from typing import Any, Dict, Iterable, Optional

import _vqcrash

from vqcheck.target.errors import Unreadable
from vqcheck.target.target import Identity, Member

from . import loader_types
from .target_base import UNREADABLE, CrashTarget

PSEUDO_SYMBOL = "_MODULE_"
"""Begins the names that crash itself gives to the ends of modules."""

LAST = (1 << 64) - 1
"""The last address; beyond it C would count from 0 again."""


class LoaderTarget(CrashTarget):
    """Answers from the crash that this Python lives in."""

    def __init__(self) -> None:
        super().__init__()
        self._facts: Dict[str, Any] = _vqcrash.facts()
        self.byte_order = self._facts["byte_order"]
        self.pointer_size = self._facts["pointer_size"]
        loader_types.refresh()

    def symbol(self, name: str) -> Optional[int]:
        address: Optional[int] = _vqcrash.symbol(name)
        return address

    def symbol_name(self, address: int) -> Optional[str]:
        name: Optional[str] = _vqcrash.symbol_name(address) if 0 <= address <= LAST else None
        return None if name is None or name.startswith(PSEUDO_SYMBOL) else name

    def gdb_size(self, type_name: str) -> Optional[int]:
        return loader_types.size(type_name)

    def gdb_member(self, type_name: str, path: str) -> Optional[Member]:
        return loader_types.member(type_name, path)

    def read(self, address: int, size: int, physical: bool = False) -> bytes:
        raw: Optional[bytes] = _vqcrash.readmem(address, size, physical) if 0 <= address <= LAST else None
        if raw is None:
            raise Unreadable(address, size, UNREADABLE)
        return raw

    def release(self) -> str:
        return str(self._facts["release"])

    def kernel_file(self) -> str:
        return str(self._facts["kernel"] or "")

    def modules(self) -> Iterable[str]:
        names: Iterable[str] = _vqcrash.modules()
        return names

    def load_module(self, name: str, path: str) -> bool:
        return bool(_vqcrash.load_module(name, path))

    def load_types(self, path: str) -> bool:
        return _vqcrash.gdb(f'add-symbol-file "{path}" 0') is not None

    def forget_types(self) -> None:
        loader_types.forget_missing()

    def identity(self) -> Identity:
        facts = self._facts
        return Identity(
            debugger=f"crash {facts['crash']} (loader)",
            method="live" if facts["live"] else "dump",
            source=os.path.basename(facts["dump"]) if facts["dump"] and not facts["live"] else None,
            machine=facts["machine"],
        )
