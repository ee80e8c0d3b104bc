"""Names of functions in kernel modules, out of the symbol tables that the kernel keeps of them.

Source: Linux include/linux/module.h (struct module, struct mod_kallsyms), kernel/module/kallsyms.c
(add_kallsyms(), find_kallsyms_symbol()); the ELF specification, "Symbol Table" (Elf32_Sym, Elf64_Sym).
"""
import struct
from typing import Iterator, Optional, Tuple

from ..target.errors import Corrupt, TargetError
from ..target.target import Target
from ..target.view import View
from .lists import list_entries

MAX_SYMBOLS = 1 << 20
NAME_LIMIT = 512
"""Bytes; KSYM_NAME_LEN of Linux 6.1 and later."""

NO_NAMES = ("$", ".L", "L0")
"""How symbols begin that mark places and name nothing (is_mapping_symbol())."""


def symbol_name(target: Target, address: int) -> Optional[str]:
    """The name of the module's function that starts exactly at an address; None where none is found.  Never raises."""
    try:
        for module in _modules(target):
            if any(start <= address < start + size for start, size in _areas(target, module)):
                return _name_in(target, module, address)
    except TargetError:
        pass
    return None


def _modules(target: Target) -> Iterator[View]:
    inside = target.member_of("struct module", "list").offset
    for node in list_entries(target, target.address_of("modules")):
        yield View(target, "struct module", node - inside)


def _areas(target: Target, module: View) -> Iterator[Tuple[int, int]]:
    """Where a module's code and data lie."""
    if module.has("core_layout"):
        yield module.pointer("core_layout.base"), module.uint("core_layout.size")
    elif module.has("module_core"):  # until Linux 4.4 (7523e4dc5057 "module: use a structure to encapsulate layout.")
        yield module.pointer("module_core"), module.uint("core_size")
    else:  # since Linux 6.4 (ac3b43283923 "module: replace module_layout with module_memory")
        kind = "struct module_memory"
        raw, stride = module.raw("mem"), target.size_of(kind)
        base, size = target.member_of(kind, "base"), target.member_of(kind, "size")
        for at in range(0, len(raw) - stride + 1, stride):
            yield (target.decode_uint(raw[at + base.offset:at + base.offset + base.size]),
                   target.decode_uint(raw[at + size.offset:at + size.offset + size.size]))


def _name_in(target: Target, module: View, address: int) -> Optional[str]:
    # struct mod_kallsyms came with Linux 4.5 (8244062ef1e5 "modules: fix longstanding /proc/kallsyms vs module
    # insertion race."); before its members were struct module's.
    table = module.follow("struct mod_kallsyms", "kallsyms") if module.has("kallsyms") else module
    count = table.uint("num_symtab")
    if count > MAX_SYMBOLS:
        raise Corrupt(f"a module has {count} symbols")
    entry = struct.Struct(("<" if target.byte_order == "little" else ">") +
                          ("IBBHQQ" if target.pointer_size == 8 else "IIIBBH"))
    value = 4 if target.pointer_size == 8 else 1
    strings = table.pointer("strtab")
    for symbol in entry.iter_unpack(target.read(table.pointer("symtab"), entry.size * count)):
        if symbol[value] == address:
            name = target.read_string(strings + symbol[0], NAME_LIMIT)
            if name and not name.startswith(NO_NAMES):
                return name
    return None
