"""What a dump of a machine's memory says of itself, and the VMCOREINFO that is still in it when its headers have none.

Source: QEMU dump/dump.c (create_header64(), struct QEMU_PACKED DiskDumpHeader64), makedumpfile IMPLEMENTATION and
diskdump_mod.h (struct disk_dump_header, struct makedumpfile_header); Linux kernel/crash_core.c, since 6.9
kernel/vmcore_info.c (update_vmcoreinfo_note(), append_elf_note()).
"""
import os
import struct
from typing import Callable, Dict, Iterable, Iterator, NamedTuple, Optional, Set, Tuple

from . import elf

ELF, KDUMP = "ELF", "kdump"

KDUMP_SIGNATURE = b"KDUMP   "
FLATTENED_SIGNATURE = b"makedumpfile\0"
FLATTENED_HEADER = 4096 + 16
"""The header of a flattened dump, and offset and size of its first piece, which is the dump's own header."""
UTSNAME = 12
"""Where struct new_utsname begins in a dump's header, whatever the architecture: behind signature and version."""
UTS_FIELD = 65
UTS_MACHINE = 4
BLOCK_SIZE = 428
"""Where the size of a kdump's pages lies, in the header of a 64-bit machine."""

NOTE_NAME = b"VMCOREINFO\0"
NOTE_TEXT = b"OSRELEASE="
NOTE_HEADER = 12
CHUNK = 1 << 20
"""Bytes that are searched at a time."""
MAX_PAGE = 1 << 20
MAX_NOTE = 1 << 16
"""VMCOREINFO_BYTES is a page, of 64 KiB at most."""
MAX_FOUND = 16
"""Anyone in the guest can write what looks like the note: so many different ones are looked at."""


class DumpFile(NamedTuple):
    """A dump, before any debugger has opened it."""

    kind: str
    """`ELF` or `kdump` (makedumpfile's compressed format, also where it is not compressed)."""
    machine: Optional[str] = None
    """Architecture as uname -m has it, from the header of a kdump; QEMU fills in that field alone."""
    elf_machine: Optional[int] = None
    """EM_... of an ELF dump."""
    block_size: Optional[int] = None
    """Bytes of a page of a kdump."""


def identify(path: str) -> Optional[DumpFile]:
    """What kind of dump a file is; None where it is none that is known.  Raises OSError."""
    with open(path, "rb") as file:
        raw = file.read(FLATTENED_HEADER + BLOCK_SIZE + 4)
        if raw.startswith(elf.MAGIC):
            file.seek(0)
            header = elf.read_header(file)
            return DumpFile(ELF, elf_machine=header.machine) if header else None
    if raw.startswith(FLATTENED_SIGNATURE):
        raw = raw[FLATTENED_HEADER:]
    if not raw.startswith(KDUMP_SIGNATURE):
        return None
    at = UTSNAME + UTS_MACHINE * UTS_FIELD
    machine = raw[at:at + UTS_FIELD].split(b"\0", 1)[0].decode("ascii", "replace")
    return DumpFile(KDUMP, machine=machine or None, block_size=_block_size(raw[BLOCK_SIZE:BLOCK_SIZE + 4]))


def _block_size(raw: bytes) -> Optional[int]:
    """A size is a power of two and small: that tells its byte order, too."""
    sizes = [struct.unpack(order + "I", raw)[0] for order in "<>"] if len(raw) == 4 else []
    return min((size for size in sizes if 1 << 10 <= size <= MAX_PAGE and not size & (size - 1)), default=None)


def parse_vmcoreinfo(text: bytes) -> Dict[str, str]:
    """The lines of a VMCOREINFO note: `OSRELEASE`, `BUILD-ID`, `SYMBOL(...)` … and their values."""
    lines = text.split(b"\0", 1)[0].decode("utf-8", "backslashreplace").splitlines()
    return {key: value for key, equals, value in (line.partition("=") for line in lines) if equals}


def search_vmcoreinfo(path: str, order: str = "<") -> Iterator[bytes]:
    """VMCOREINFO notes found in the memory that an ELF dump holds; each text once.

    The kernel keeps the note in its memory, as a whole ELF note, whether or not somebody told QEMU where.  What is
    found need not be the kernel's: check it.  Raises OSError.
    """
    with open(path, "rb") as file:
        descriptor = file.fileno()
        size = os.fstat(descriptor).st_size
        yield from search_memory([(0, size)], lambda at, count: os.pread(descriptor, count, at), order)


def search_memory(pieces: Iterable[Tuple[int, int]], read: Callable[[int, int], bytes],
                  order: str = "<") -> Iterator[bytes]:
    """The same in any memory, by (start, size) of its pieces; `read` returns what there is from an address on.

    A note that lies in two pieces is found, if they follow each other and their border is not in its name.
    """
    seen: Set[bytes] = set()
    for start, size in pieces:
        for position in _names(start, start + size, read):
            text = _note_at(position, read, order)
            if text is not None and text not in seen:
                seen.add(text)
                yield text
                if len(seen) >= MAX_FOUND:
                    return


def note_text(note: bytes, order: str = "<") -> Optional[bytes]:
    """The text of a VMCOREINFO note, which begins with its header; None where it is none."""
    if len(note) < NOTE_HEADER:
        return None
    name_size, size, _ = struct.unpack_from(order + "III", note)
    start = NOTE_HEADER + (len(NOTE_NAME) + 3) // 4 * 4
    text = note[start:start + size]
    name = note[NOTE_HEADER:NOTE_HEADER + len(NOTE_NAME)]
    if (name_size, name) != (len(NOTE_NAME), NOTE_NAME) or size > MAX_NOTE or not text.startswith(NOTE_TEXT):
        return None
    return text


def _names(at: int, end: int, read: Callable[[int, int], bytes]) -> Iterator[int]:
    """Where the note's name stands."""
    kept = b""
    while at < end:
        chunk = read(at, min(CHUNK, end - at))
        if not chunk:
            return
        chunk = kept + chunk
        start = at - len(kept)
        found = chunk.find(NOTE_NAME)
        while found >= 0:
            yield start + found
            found = chunk.find(NOTE_NAME, found + 1)
        at = start + len(chunk)
        kept = chunk[1 - len(NOTE_NAME):]


def _note_at(position: int, read: Callable[[int, int], bytes], order: str) -> Optional[bytes]:
    """The text of the note whose name stands there, if it is one."""
    if position < NOTE_HEADER:
        return None
    start = position - NOTE_HEADER
    header = read(start, NOTE_HEADER)
    if len(header) < NOTE_HEADER:
        return None
    size = min(struct.unpack_from(order + "III", header)[1], MAX_NOTE + 1)
    return note_text(read(start, NOTE_HEADER + len(NOTE_NAME) + 3 + size), order)
