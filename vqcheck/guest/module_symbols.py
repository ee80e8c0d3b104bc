"""Symbols of the kernel's modules, as the kernel itself keeps them: for a debugger that knows those of vmlinux alone.

Source: Linux kernel/module/kallsyms.c (find_kallsyms_symbol(), find_kallsyms_symbol_value()), include/linux/module.h
(struct module, struct mod_kallsyms), include/uapi/linux/elf.h (Elf64_Sym).  Needs CONFIG_KALLSYMS.
"""
import struct
from typing import Iterator, List, NamedTuple, Optional, Tuple

from ..target.errors import Corrupt, TargetError
from ..target.target import Target, decode_text
from ..target.view import View
from .module_list import modules

MAX_SYMBOLS = 1 << 17
"""Of one module; the largest have tens of thousands."""
MAX_NAMES = 8 << 20
"""Bytes of names in one module."""

NAME_LIMIT = 512
"""Bytes; KSYM_NAME_LEN of Linux 6.1 and later."""

NO_NAMES = ("$", ".L", "L0")
"""How symbols begin that mark places and name nothing (is_mapping_symbol())."""

SYMBOL = {8: "IBBHQQ", 4: "IIIBBH"}
"""Elf64_Sym and Elf32_Sym by the size of a pointer."""
VALUE = {8: 4, 4: 1}
"""Which of the fields is st_value; the first is st_name in both."""


class _Module(NamedTuple):
    view: View
    spans: List[Tuple[int, int]]
    """Where it lies: (first address, the one after the last)."""


def symbol_name(target: Target, address: int) -> Optional[str]:
    """The symbol of a module that starts exactly at an address; None where none is found.  Never raises."""
    return ModuleSymbols(target).name(address)


class ModuleSymbols:
    """Symbols of all modules, looked for when asked."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._modules: Optional[List[_Module]] = None

    def name(self, address: int) -> Optional[str]:
        """The symbol that starts exactly at an address; None where there is none, or the list can't be read."""
        try:
            for module in self._list():
                if any(start <= address < end for start, end in module.spans):
                    return self._name_in(module.view, address)
        except TargetError:
            pass
        return None

    def address(self, name: str) -> Optional[int]:
        """The address of a symbol; None where no module has it, or the list can't be read."""
        try:
            for module in self._list():
                found = self._address_in(module.view, name)
                if found is not None:
                    return found
        except TargetError:
            pass
        return None

    def _list(self) -> List[_Module]:
        if self._modules is None:
            self._modules = []  # what is asked meanwhile is in vmlinux
            self._modules = list(self._walk())
        return self._modules

    def _walk(self) -> Iterator[_Module]:
        for view in modules(self._target):
            yield _Module(view, list(_spans(self._target, view)))

    def _name_in(self, module: View, address: int) -> Optional[str]:
        names, symbols = self._table(module)
        for st_name, value in symbols:
            if value == address:
                name = self._target.read_string(names + st_name, NAME_LIMIT)
                if name and not name.startswith(NO_NAMES):
                    return name
        return None

    def _address_in(self, module: View, name: str) -> Optional[int]:
        names, symbols = self._table(module)
        longest = len(name.encode()) + 1
        size = max((st_name for st_name, _ in symbols), default=0)
        if size > MAX_NAMES:
            raise Corrupt(f"the module at {module.address:#x} claims {size} bytes of names")
        raw = self._target.read(names, size) if size else b""
        for st_name, value in symbols:
            text = raw[st_name:st_name + longest]
            if len(text) < longest:  # the last one, whose end is not known
                text = self._target.read(names + st_name, longest)
            if decode_text(text) == name:
                return value
        return None

    def _table(self, module: View) -> Tuple[int, List[Tuple[int, int]]]:
        """Where the names are, and (st_name, st_value) of each symbol."""
        target = self._target
        # Linux 4.5 moved the members into a struct of their own (8244062ef1e5 "modules: fix longstanding
        # /proc/kallsyms vs module insertion race.").
        table = module.follow("struct mod_kallsyms", "kallsyms") if module.has("kallsyms") else module
        count = table.uint("num_symtab")
        if count > MAX_SYMBOLS:
            raise Corrupt(f"the module at {module.address:#x} claims {count} symbols")
        layout = struct.Struct((">" if target.byte_order == "big" else "<") + SYMBOL[target.pointer_size])
        raw = target.read(table.pointer("symtab"), count * layout.size) if count else b""
        value = VALUE[target.pointer_size]
        return table.pointer("strtab"), [(symbol[0], symbol[value]) for symbol in layout.iter_unpack(raw)]


def _spans(target: Target, module: View) -> Iterator[Tuple[int, int]]:
    if module.has("mem"):  # ac3b43283923 "module: replace module_layout with module_memory", Linux 6.4
        raw, stride = module.raw("mem"), target.size_of("struct module_memory")
        base, size = (target.member_of("struct module_memory", name) for name in ("base", "size"))
        for at in range(0, len(raw) - stride + 1, stride):
            start = target.decode_uint(raw[at + base.offset:at + base.offset + base.size])
            yield start, start + target.decode_uint(raw[at + size.offset:at + size.offset + size.size])
    else:  # 7523e4dc5057 "module: use a structure to encapsulate layout.", Linux 4.5
        start = module.pointer("core_layout.base", "module_core")
        yield start, start + module.uint("core_layout.size", "core_size")
