"""Guest RAM as an ELF vmcore that crash and drgn open.

QEMU's own dump-guest-memory is of no use here: it drains the block layer first, which completes what hangs, or hangs.
"""
import mmap
import pathlib
import struct

RAM_OFFSET = 1 << 20
"""Where a vmcore's RAM begins; what comes before is for the headers, and a hole in the file for the most part."""
NOTE_NAME = b"VMCOREINFO\0"
NOTE_LIMIT = 1 << 16
TEXT_START = b"OSRELEASE="

ELF_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
NOTE_HEADER = struct.Struct("<III")
"""As little-endian dumps have them."""
ET_CORE, PT_LOAD, PT_NOTE = 4, 1, 4
EM = {"amd64": 62, "arm64": 183, "s390x": 22}
BIG_ENDIAN = ("s390x",)


def finish(path: pathlib.Path, architecture: str = "amd64", ram_start: int = 0) -> None:
    """Give the file `path`, which holds guest RAM from RAM_OFFSET on, the headers of a vmcore.

    The RAM must be one piece from the guest-physical address `ram_start`: on q35 that is 0, for up to 2 GB.
    """
    big = architecture in BIG_ENDIAN
    elf_header, program_header, note_header = (_in_order(one, big) for one in (
        ELF_HEADER, PROGRAM_HEADER, NOTE_HEADER))
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        note = _vmcoreinfo(memory, note_header)
        size = len(memory) - RAM_OFFSET
        first = elf_header.size + 2 * program_header.size
        identity = b"\x7fELF" + bytes((2, 2 if big else 1, 1)) + bytes(9)  # 64 bits, byte order, version 1
        memory[:first + len(note)] = b"".join((
            elf_header.pack(identity, ET_CORE, EM[architecture], 1, 0, elf_header.size, 0, 0,
                            elf_header.size, program_header.size, 2, 0, 0, 0),
            program_header.pack(PT_NOTE, 0, first, 0, 0, len(note), len(note), 0),
            program_header.pack(PT_LOAD, 0, RAM_OFFSET, 0, ram_start, size, size, 0),
            note,
        ))


def _in_order(header: struct.Struct, big: bool) -> struct.Struct:
    return struct.Struct(">" + header.format[1:]) if big else header


def _vmcoreinfo(memory: mmap.mmap, note_header: struct.Struct) -> bytes:
    """The note in which Linux says where its symbols are (KASLR moves them).

    It stands in RAM as a whole ELF note, and its text a second time without a header; only the note will do.
    """
    position = memory.find(NOTE_NAME, RAM_OFFSET)
    while position >= 0:
        start = position - note_header.size
        name_size, text_size, _ = note_header.unpack(memory[start:position])
        text = position + _padded(len(NOTE_NAME))
        end = text + _padded(text_size)
        if name_size == len(NOTE_NAME) and text_size <= NOTE_LIMIT and memory[text:end].startswith(TEXT_START):
            return memory[start:end]
        position = memory.find(NOTE_NAME, position + 1)
    raise ValueError("no VMCOREINFO note in guest RAM: the guest has not come that far")


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4
