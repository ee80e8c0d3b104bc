"""Where the thread-local variables of a program lie, counted from a thread's thread pointer.

Source: Ulrich Drepper, "ELF Handling For Thread-Local Storage", 3 (variants I and II); System V ABI, "Symbol Table".
"""
import struct
from typing import BinaryIO, Iterator, NamedTuple, Optional

from . import elf
from .elf import EM_AARCH64, EM_S390, EM_X86_64, PT_TLS, Header

SHT_SYMTAB = 2
STT_TLS = 6

BELOW = (EM_X86_64, EM_S390)
"""Machines of variant II: the program's variables end at the thread pointer."""

AARCH64_TCB = 16
"""Bytes between the thread pointer and the variables, in variant I."""

MAX_TABLE = 1 << 28


class _Block(NamedTuple):
    """The program's block of thread-local variables."""

    size: int
    align: int


def tls_offset(path: str, name: str) -> Optional[int]:
    """Bytes from the thread pointer to a variable of the program itself; None where the file has none of that name.

    Raises OSError, and ValueError for a machine whose layout is not known.
    """
    with open(path, "rb") as file:
        header = elf.read_header(file)
        if header is None:
            return None
        value = next((symbol.value for symbol in _tls_symbols(file, header) if symbol.name == name.encode()), None)
        block = next((_Block(one.size, max(one.align, 1)) for one in elf.read_program_headers(file, header)
                      if one.kind == PT_TLS), None)
    if value is None or block is None:
        return None
    if header.machine in BELOW:
        return value - (block.size + block.align - 1) // block.align * block.align
    if header.machine == EM_AARCH64:
        return (AARCH64_TCB + block.align - 1) // block.align * block.align + value
    raise ValueError(f"thread-local variables of ELF machine {header.machine} are not understood")


class _Symbol(NamedTuple):
    name: bytes
    value: int


def _tls_symbols(file: BinaryIO, header: Header) -> Iterator[_Symbol]:
    """The thread-local symbols; nothing of a 32-bit file, which no QEMU host of today is."""
    if not header.wide:
        return
    for number in range(header.number):
        kind, offset, size = elf.section(file, header, number)
        if kind != SHT_SYMTAB:
            continue
        file.seek(header.sections + number * header.entry + 40)
        (names_at,) = struct.unpack(header.order + "I", file.read(4))
        _, names_offset, names_size = elf.section(file, header, names_at)
        file.seek(names_offset)
        names = file.read(min(names_size, MAX_TABLE))
        file.seek(offset)
        table = file.read(min(size, MAX_TABLE))
        entry = struct.Struct(header.order + "IBBHQQ")
        for name, info, _, _, value, _ in entry.iter_unpack(table[:len(table) - len(table) % entry.size]):
            if info & 15 == STT_TLS:
                yield _Symbol(names[name:].split(b"\0", 1)[0], value)
