"""Symbols of modules out of the kernel's own tables."""
import struct

import pytest

from tests.fake_target import FakeTarget
from vqcheck.guest.module_symbols import MAX_SYMBOLS, ModuleSymbols

MODULES, TABLES, NAMES = 0x1000, 0x3000, 0x5000
SYMBOLS = {"virtblk_done": 0xA000100, "virtio_queue_rq": 0xA000200, "init_vq": 0xA000300}
"""In the module at 0xA000000, of 0x1000 bytes."""


def kernel(since="6.4", byte_order="little", pointer_size=8, count=None):
    """A kernel with two modules, one of which has symbols."""
    target = FakeTarget(byte_order, pointer_size)
    target.symbols["modules"] = MODULES
    table = [("symtab", pointer_size), ("num_symtab", 4), ("strtab", pointer_size)]
    members = [("state", 8), ("list", 2 * pointer_size)]
    if since == "6.4":
        target.declare("struct module_memory", [("base", pointer_size), ("size", 4)])
        members += [("kallsyms", pointer_size), ("mem", 2 * target.types["struct module_memory"][0])]
    elif since == "4.5":
        members += [("kallsyms", pointer_size), ("core_layout.base", pointer_size), ("core_layout.size", 4)]
    else:
        members += [*table, ("module_core", pointer_size), ("core_size", 4)]
    target.declare("struct module", members)
    target.declare("struct mod_kallsyms", table)
    names = b"\0" + b"".join(name.encode() + b"\0" for name in SYMBOLS)
    target.put(NAMES, names + b"\xff" * 32)
    layout = struct.Struct((">" if byte_order == "big" else "<") + ("IBBHQQ" if pointer_size == 8 else "IIIBBH"))
    entries = [layout.pack(*([0] * 6))]
    for name, value in SYMBOLS.items():
        at = names.index(name.encode())
        entries.append(layout.pack(at, 0, 0, 1, value, 0) if pointer_size == 8 else layout.pack(at, value, 0, 0, 0, 1))
    target.put(TABLES, b"".join(entries))
    where = {"symtab": TABLES, "num_symtab": len(entries) if count is None else count, "strtab": NAMES}
    target.put_struct("struct mod_kallsyms", TABLES + 0x1000, where)
    _module(target, since, MODULES + 0x100, MODULES + 0x200, {"symtab": 0, "num_symtab": 0, "strtab": 0}, 0xB000000)
    _module(target, since, MODULES + 0x200, MODULES, where, 0xA000000)
    inside = target.types["struct module"][1]["list"].offset
    target.put(MODULES, target.encode(MODULES + 0x100 + inside, pointer_size) * 2)
    return target


def _module(target, since, at, after, table, base):
    inside = target.types["struct module"][1]["list"].offset
    values = {"list": target.encode(after + (inside if after != MODULES else 0), target.pointer_size)}
    empty = target.put_struct("struct mod_kallsyms", at + 0x8000, table)
    if since == "6.4":
        values["mem"] = target.encode(base, target.pointer_size) + target.encode(0x1000, 4)
        values["kallsyms"] = empty
    elif since == "4.5":
        values.update({"core_layout.base": base, "core_layout.size": 0x1000, "kallsyms": empty})
    else:
        values.update({"module_core": base, "core_size": 0x1000, **table})
    target.put_struct("struct module", at, values)


@pytest.mark.parametrize("since", ["3.10", "4.5", "6.4"])
@pytest.mark.parametrize(("byte_order", "pointer_size"), [("little", 8), ("big", 8), ("big", 4)])
def test_names_and_addresses(since, byte_order, pointer_size):
    symbols = ModuleSymbols(kernel(since, byte_order, pointer_size))
    for name, address in SYMBOLS.items():
        assert (symbols.address(name), symbols.name(address)) == (address, name)
    assert symbols.address("virtblk_don") is None
    assert symbols.address("virtblk_done2") is None
    assert symbols.name(0xA000101) is None
    assert symbols.name(0xC000000) is None


def test_an_address_in_no_module_needs_no_table():
    target = kernel()
    symbols = ModuleSymbols(target)
    symbols.name(0xC000000)
    assert not any(TABLES <= address < TABLES + 0x1000 for address, _ in target.reads)


def test_what_cannot_be_read_is_absent():
    for address in (MODULES, TABLES, NAMES, MODULES + 0x200):
        target = kernel()
        target.forget(address)
        symbols = ModuleSymbols(target)
        assert symbols.name(0xA000100) is None
        assert symbols.address("virtblk_done") is None
    target = kernel()
    del target.symbols["modules"]
    assert ModuleSymbols(target).address("virtblk_done") is None


def test_a_count_that_cannot_be_is_not_believed():
    target = kernel(count=MAX_SYMBOLS + 1)
    assert ModuleSymbols(target).address("virtblk_done") is None
    assert max(size for _, size in target.reads) < 1 << 16


def test_a_list_that_loops_ends():
    target = kernel()
    inside = target.types["struct module"][1]["list"].offset
    target.memory[MODULES + 0x200][inside:inside + 8] = target.encode(MODULES + 0x100 + inside, 8)
    assert ModuleSymbols(target).address("virtblk_done") is None
