"""Functions of modules, named by the tables that the kernel keeps."""
import struct

import pytest

from tests.fake_target import FakeTarget
from vqcheck.guest.module_symbols import symbol_name

HEAD, FIRST, SECOND, TABLES, SYMTAB, STRTAB, TEXT = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000, 0xC0000000
STRINGS = b"\0virtblk_done\0$x\0.Ltmp1\0data\0"

AREAS = {
    "module_core": [("module_core", None), ("core_size", 4), ("pad", 4)],
    "core_layout": [("core_layout", 0), ("core_layout.base", None), ("core_layout.size", 4), ("pad", 4)],
    "mem": [("mem", 64)],
}


def module_types(target, areas, own_tables):
    """struct module of some kernel; the size None stands for a pointer."""
    width = target.pointer_size
    tables = [("symtab", width), ("num_symtab", 4), ("pad2", 4), ("strtab", width)]
    fields = [("state", 8), ("list", 2 * width)]
    fields += [(name, width if size is None else size) for name, size in AREAS[areas]]
    target.declare("struct module", fields + (tables if own_tables else [("kallsyms", width)]))
    target.declare("struct mod_kallsyms", tables)
    target.declare("struct module_memory", [("base", width), ("pad", 8), ("size", 4), ("pad2", 4)])
    target.declare("struct list_head", [("next", width), ("prev", width)])


def guest(areas="core_layout", own_tables=False, byte_order="little", pointer_size=8):
    target = FakeTarget(byte_order, pointer_size)
    module_types(target, areas, own_tables)
    inside = target.member("struct module", "list").offset
    pointer = lambda value: target.encode(value, pointer_size)  # noqa: E731
    target.symbols["modules"] = target.put(HEAD, pointer(FIRST + inside) + pointer(SECOND + inside))
    symbols = [(0, 0), (14, TEXT + 0x10), (17, TEXT + 0x10), (1, TEXT + 0x10), (24, TEXT + 0x200), (0, TEXT + 0x300)]
    form = ("<" if byte_order == "little" else ">") + ("IBBHQQ" if pointer_size == 8 else "IIIBBH")
    raw = b"".join(struct.pack(form, name, 2, 0, 1, value, 8) if pointer_size == 8 else
                   struct.pack(form, name, value, 8, 2, 0, 1) for name, value in symbols)
    target.put(SYMTAB, raw)
    target.put(STRTAB, STRINGS.ljust(128, b"\0"))
    tables = {"symtab": SYMTAB, "num_symtab": len(symbols), "strtab": STRTAB}
    target.put_struct("struct mod_kallsyms", TABLES, tables)
    for at, following, base in ((FIRST, SECOND + inside, 0xD0000000), (SECOND, HEAD, TEXT)):
        values = {"list": pointer(following), **(tables if own_tables else {"kallsyms": TABLES})}
        if areas == "mem":
            stride = target.type_size("struct module_memory")
            size_at = target.member("struct module_memory", "size").offset
            entry = pointer(base).ljust(size_at, b"\0") + target.encode(0x1000, 4)
            values["mem"] = bytes(stride) + entry  # the first area is an empty one
        else:
            base_name, size_name = ("module_core", "core_size") if areas == "module_core" else (
                "core_layout.base", "core_layout.size")
            values.update({base_name: base, size_name: 0x1000})
        target.put_struct("struct module", at, values)
    return target


@pytest.mark.parametrize("areas", AREAS)
@pytest.mark.parametrize("own_tables", [False, True])
@pytest.mark.parametrize("byte_order, pointer_size", [("little", 8), ("big", 8), ("little", 4), ("big", 4)])
def test_a_function_of_a_module(areas, own_tables, byte_order, pointer_size):
    target = guest(areas, own_tables, byte_order, pointer_size)
    assert symbol_name(target, TEXT + 0x10) == "virtblk_done", "and neither of the marks at that address"


@pytest.mark.parametrize("address", [TEXT, TEXT + 0x11, TEXT + 0x300, TEXT + 0x1000, TEXT - 1, 0])
def test_an_address_where_nothing_begins(address):
    assert symbol_name(guest(), address) is None


@pytest.mark.parametrize("gone", [HEAD, SECOND, TABLES, SYMTAB, STRTAB])
def test_what_is_not_in_the_dump_is_no_error(gone):
    target = guest()
    target.forget(gone)
    assert symbol_name(target, TEXT + 0x10) is None


def test_a_hostile_count_is_not_believed():
    target = guest()
    target.change("struct mod_kallsyms", TABLES, num_symtab=0xFFFFFFFF)
    assert symbol_name(target, TEXT + 0x10) is None
    assert max(size for _, size in target.reads) < 1 << 16


def test_a_list_that_does_not_close():
    target = guest()
    inside = target.member("struct module", "list").offset
    target.memory[SECOND][inside:inside + 8] = target.encode(FIRST + inside, 8)
    assert symbol_name(target, 0xE0000000) is None


def test_a_kernel_without_modules():
    assert symbol_name(FakeTarget(), TEXT) is None
