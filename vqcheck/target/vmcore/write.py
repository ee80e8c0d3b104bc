"""Writing a dump: ELF headers and notes, then the guest's memory with its holes.

Source: System V ABI, chapters 4 and 5; QEMU dump/dump.c (write_elf64_load(): no virtual addresses where there is no
paging); ioctl_ficlonerange(2).
"""
import contextlib
import errno
import fcntl
import os
import signal
import struct
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..errors import TargetError
from ..files.elf import EM_AARCH64, EM_RISCV, EM_S390, EM_X86_64, MAGIC, PT_LOAD, PT_NOTE
from .sources import Piece

ET_CORE = 4
ELF_HEADER, PROGRAM_HEADER = 64, 56

ALIGNMENT = 1 << 16
"""Of the memory in the file: pages of every architecture, and a file system's blocks."""
BLOCK = 1 << 16
"""Zeros of so many bytes are not written."""
AT_ONCE = 1 << 20
"""Bytes that are read at a time: small enough to be still in the processor's cache when they are written."""
MAX_PIECES = 0xFFFE
"""A program header each, beside that of the notes."""

ZEROS = bytearray(BLOCK)

FICLONERANGE = 0x4020940D
"""_IOW(0x94, 13, struct file_clone_range), as x86, Arm, RISC-V and s390 make it; elsewhere the kernel refuses it."""

NOT_CLONEABLE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM, errno.ETXTBSY,
                 errno.EBADF)


class Machine(NamedTuple):
    """What an ELF header says of an architecture."""

    number: int
    """EM_..."""
    order: str = "<"


MACHINES = {"x86_64": Machine(EM_X86_64), "aarch64": Machine(EM_AARCH64), "riscv64": Machine(EM_RISCV),
            "s390x": Machine(EM_S390, ">")}
"""By names as uname -m has them; those whose byte order is not one of two."""


class Written(NamedTuple):
    """A dump that was written; in bytes."""

    size: int
    on_disk: int
    shared: int
    """Of its memory, what it shares with the core: a file system that can does not copy it."""


Progress = Callable[[int, int], Any]
"""Is told how much of the memory is done, and how much there is."""


def headers(machine: Machine, notes: bytes, pieces: Sequence[Tuple[int, int]]) -> Tuple[bytes, List[int]]:
    """What comes before the memory, and where each (physical address, size) of it goes in the file.

    Raises TargetError for too many.
    """
    order, count = machine.order, 1 + len(pieces)
    if len(pieces) > MAX_PIECES:
        raise TargetError(f"the guest's memory is in {len(pieces)} pieces, more than an ELF file's headers can name")
    first = ELF_HEADER + PROGRAM_HEADER * count
    identity = MAGIC + bytes((2, 1 if order == "<" else 2, 1)) + bytes(9)  # 64 bits, byte order, version 1
    start = struct.pack(order + "HHIQQQIHHHHHH", ET_CORE, machine.number, 1, 0, ELF_HEADER, 0, 0, ELF_HEADER,
                        PROGRAM_HEADER, count, 0, 0, 0)
    found = [identity + start, _program_header(order, PT_NOTE, first, 0, len(notes))]
    at, offsets = first + len(notes), []
    for physical, size in pieces:
        at = -(-at // ALIGNMENT) * ALIGNMENT
        offsets.append(at)
        found.append(_program_header(order, PT_LOAD, at, physical, size))
        at += size
    return b"".join(found) + notes, offsets


def _program_header(order: str, kind: int, offset: int, physical: int, size: int) -> bytes:
    return struct.pack(order + "IIQQQQQQ", kind, 0, offset, 0, physical, size, size, 0)


def write(path: str, machine: Machine, notes: bytes, pieces: Sequence[Piece], progress: Progress) -> Written:
    """Write a dump whole or not at all: under another name first, readable to its owner alone, and then renamed.

    Raises OSError for the file, TargetError for the memory, and KeyboardInterrupt for a signal that asks to end.
    """
    whole = os.path.realpath(path)
    incoming = f"{whole}.{os.getpid()}.part"
    try:
        with _ending():
            out = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                shared = _fill(out, machine, notes, pieces, progress)
                about = os.fstat(out)
            finally:
                os.close(out)  # a file system may tell of a full disk as late as here
            os.rename(incoming, whole)
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, path)  # the name that the user gave
    finally:
        if os.path.exists(incoming):
            os.unlink(incoming)
    return Written(about.st_size, 512 * about.st_blocks, shared)


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """Signals that would end the process meanwhile leave a chance to clean up."""
    def end(number: int, frame: Any) -> None:
        raise KeyboardInterrupt
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fill(out: int, machine: Machine, notes: bytes, pieces: Sequence[Piece], progress: Progress) -> int:
    """Write everything; returns the bytes that were not copied, but are shared."""
    start, offsets = headers(machine, notes, [(one.physical, one.size) for one in pieces])
    _pwrite(out, memoryview(start), 0)
    os.ftruncate(out, offsets[-1] + pieces[-1].size)
    total, done, shared = sum(one.size for one in pieces), 0, 0
    for piece, offset in zip(pieces, offsets):
        progress(done, total)
        if piece.source.cloneable and _clone(piece, out, offset):
            shared += piece.size
        else:
            for moved in copy(piece, out, offset):
                progress(done + moved, total)
        done += piece.size
    progress(total, total)
    return shared


def _clone(piece: Piece, out: int, offset: int) -> bool:
    """Have the output share the blocks of the core, where the file system can; holes stay holes."""
    request = struct.pack("=qQQQ", piece.source.descriptor, piece.offset, piece.size, offset)
    try:
        fcntl.ioctl(out, FICLONERANGE, request)
    except OSError as problem:
        if problem.errno in NOT_CLONEABLE:
            return False
        raise
    return True


def copy(piece: Piece, out: int, offset: int) -> Iterator[int]:
    """Copy a piece to an offset of a file, but for holes and long zeros; yields how far it has come.

    Raises OSError for the file, and TargetError for a piece that can't be read.
    """
    view = memoryview(bytearray(AT_ONCE))
    for at, count in _chunks(piece):
        _pread(piece, view[:count], at)
        for first, last in _runs(view[:count]):
            _pwrite(out, view[first:last], offset + at + first - piece.offset)
        yield at + count - piece.offset


def _chunks(piece: Piece) -> Iterator[Tuple[int, int]]:
    """(offset, size) of what is not a hole, in chunks that fit the buffer."""
    try:
        for start, size in piece.source.data(piece.offset, piece.size):
            for at in range(start, start + size, AT_ONCE):
                yield at, min(AT_ONCE, start + size - at)
    except OSError as problem:
        raise _unread(piece, problem.strerror)


def _runs(view: memoryview) -> Iterator[Tuple[int, int]]:
    """What is not zero, in whole blocks."""
    begun: Optional[int] = None
    for at in range(0, len(view), BLOCK):
        block = view[at:at + BLOCK]
        zeros = ZEROS if len(block) == BLOCK else ZEROS[:len(block)]
        if zeros == block:  # in this order: bytearray's comparison is memcmp(), memoryview's goes from item to item
            if begun is not None:
                yield begun, at
            begun = None
        elif begun is None:
            begun = at
    if begun is not None:
        yield begun, len(view)


def _pread(piece: Piece, view: memoryview, offset: int) -> None:
    done = 0
    while done < len(view):
        try:
            count = os.preadv(piece.source.descriptor, [view[done:]], offset + done)
        except OSError as problem:
            raise _unread(piece, problem.strerror)
        if count == 0:
            raise _unread(piece, "it has become shorter meanwhile")
        done += count


def _unread(piece: Piece, why: Optional[str]) -> TargetError:
    return TargetError(f"the guest's memory from {piece.physical:#x} on can't be read: {why}")


def _pwrite(descriptor: int, view: memoryview, offset: int) -> None:
    done = 0
    while done < len(view):
        done += os.pwrite(descriptor, view[done:], offset + done)
