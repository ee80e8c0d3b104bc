"""Where a guest's memory is copied from: a core of QEMU, or a QEMU that is there.

Memory that nobody ever wrote to is a hole in a core and not there at all in a process.  It is left out without being
read: to read it would give a live QEMU pages that it never had.

Source: lseek(2) on SEEK_DATA; Linux Documentation/admin-guide/mm/pagemap.rst, mm/shmem.c (a page that is read is made).
"""
import errno
import os
import stat
from typing import Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from ..files import core_map, proc
from ..files.core_map import CoreMap

PAGE = os.sysconf("SC_PAGE_SIZE")
POPULATED = 0x40
"""In the uppermost byte of a pagemap entry: bit 62 (in swap), and what is larger, bit 63 (present)."""
PAGES_AT_ONCE = 1 << 16


class Area(NamedTuple):
    """Memory of the guest, and where QEMU has it; all in bytes."""

    physical: int
    size: int
    host: int


class Source:
    """Something that a guest's memory can be read from, by offsets."""

    def __init__(self, descriptor: int, cloneable: bool) -> None:
        """`cloneable`: it is a file that another may share blocks with."""
        self.descriptor = descriptor
        self.cloneable = cloneable

    def data(self, offset: int, size: int) -> Iterator[Tuple[int, int]]:
        """What of a piece may be other than zero: (offset, size), by ascending offsets.

        Raises OSError, also where the file ends before the piece does: behind its end there is no hole.
        """
        at, end = offset, offset + size
        if os.fstat(self.descriptor).st_size < end:
            raise OSError(errno.EIO, "it has become shorter meanwhile")
        while at < end:
            try:
                start = os.lseek(self.descriptor, at, os.SEEK_DATA)
                stop = os.lseek(self.descriptor, start, os.SEEK_HOLE)
            except OSError as problem:
                if problem.errno == errno.ENXIO:  # nothing but a hole up to the end of the file
                    return
                raise
            start, stop = max(start, at), min(stop, end)
            if start < stop:
                yield start, stop - start
            at = max(stop, at + 1)

    def close(self) -> None:
        """Give back the descriptor."""
        os.close(self.descriptor)


class ProcessMemory(Source):
    """Memory of a live process; offsets are its addresses.  All of it may hold something."""

    def __init__(self, pid: int) -> None:
        """Raises OSError."""
        super().__init__(os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC), False)

    def data(self, offset: int, size: int) -> Iterator[Tuple[int, int]]:
        yield offset, size


class AnonymousMemory(ProcessMemory):
    """Private memory with no file behind it: what the page tables do not have was never written to."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self._pages = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)

    def data(self, offset: int, size: int) -> Iterator[Tuple[int, int]]:
        first, last = offset // PAGE, (offset + size + PAGE - 1) // PAGE
        for at in range(first, last, PAGES_AT_ONCE):
            entries = os.pread(self._pages, 8 * (min(at + PAGES_AT_ONCE, last) - at), 8 * at)
            for start, stop in _runs(entries[7::8]):
                begin, end = max((at + start) * PAGE, offset), min((at + stop) * PAGE, offset + size)
                yield begin, end - begin

    def close(self) -> None:
        super().close()
        os.close(self._pages)


def _runs(tops: bytes) -> Iterator[Tuple[int, int]]:
    """Runs of pages that are there, by the uppermost bytes of their entries."""
    flags = tops.translate(_TO_FLAGS)
    at = flags.find(1)
    while at >= 0:
        stop = flags.find(0, at)
        stop = len(flags) if stop < 0 else stop
        yield at, stop
        at = flags.find(1, stop)


_TO_FLAGS = bytes(int(top >= POPULATED) for top in range(256))


class Piece(NamedTuple):
    """Memory of the guest, and where it can be read."""

    physical: int
    size: int
    source: Source
    offset: int


class Memory(NamedTuple):
    """What there is of a guest's memory, by ascending addresses, and what there is not."""

    pieces: List[Piece]
    missing: List[Area]

    def close(self) -> None:
        """Give back the files."""
        for source in {id(one.source): one.source for one in self.pieces}.values():
            source.close()


def in_core(path: str, core: CoreMap, areas: Sequence[Area]) -> Memory:
    """The guest's memory in a core file.  Raises OSError."""
    source = Source(os.open(path, os.O_RDONLY | os.O_CLOEXEC), True)
    os.posix_fadvise(source.descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    memory = Memory([], [])
    for area in areas:
        at = area.host
        for held in core_map.held(core, area.host, area.size):
            _note_missing(memory, area, at, held.address)
            memory.pieces.append(Piece(area.physical + held.address - area.host, held.size, source, held.offset))
            at = held.address + held.size
        _note_missing(memory, area, at, area.host + area.size)
    if not memory.pieces:
        source.close()
    return memory


def in_process(pid: int, areas: Sequence[Area]) -> Memory:
    """The guest's memory in a live QEMU.  Raises OSError and NotSupported."""
    mappings = proc.mappings(pid)
    files = _Files(pid)
    memory = Memory([], [])
    for area in areas:
        at, end = area.host, area.host + area.size
        for mapped in mappings:
            start, stop = max(mapped.start, at), min(mapped.end, end)
            if start >= stop:
                continue
            _note_missing(memory, area, at, start)
            source, offset = files.of(mapped, start)
            memory.pieces.append(Piece(area.physical + start - area.host, stop - start, source, offset))
            at = stop
        _note_missing(memory, area, at, end)
    return memory


def _note_missing(memory: Memory, area: Area, start: int, stop: int) -> None:
    if start < stop:
        memory.missing.append(Area(area.physical + start - area.host, stop - start, start))


class _Files:
    """What the mappings of a process are read through."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._sources: Dict[Tuple[object, ...], Source] = {}
        self._numbers = _descriptors(pid)

    def of(self, mapped: proc.Mapped, address: int) -> Tuple[Source, int]:
        """Source and offset of an address.

        Shared memory is read as the file that it is: of that the page tables of one process need not know all.
        """
        if mapped.shared:
            key: Tuple[object, ...] = mapped.device, mapped.inode
            source = self._once(key, lambda: self._shared(mapped))
        elif mapped.inode:  # what was not written to is the file's, and need not be in the page tables
            source = self._once((ProcessMemory,), lambda: ProcessMemory(self._pid))
        else:
            source = self._once((AnonymousMemory,), lambda: AnonymousMemory(self._pid))
        inside = isinstance(source, ProcessMemory)
        return source, address if inside else mapped.offset + address - mapped.start

    def _once(self, key: Tuple[object, ...], make: Callable[[], Source]) -> Source:
        if key not in self._sources:
            self._sources[key] = make()
        return self._sources[key]

    def _shared(self, mapped: proc.Mapped) -> Source:
        """The file behind a mapping: as root by the mapping itself, else by a descriptor that QEMU has of it."""
        number = self._numbers.get((mapped.device, mapped.inode))
        paths = [f"/proc/{self._pid}/map_files/{mapped.start:x}-{mapped.end:x}"]
        for path in paths + ([] if number is None else [f"/proc/{self._pid}/fd/{number}"]):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Source(descriptor, False)
            os.close(descriptor)  # a DAX device is mapped, and neither read nor searched for holes
        return ProcessMemory(self._pid)


def _descriptors(pid: int) -> Dict[Tuple[Tuple[int, int], int], int]:
    """A process's descriptors, by the device and inode of their files.  Raises OSError."""
    folder = f"/proc/{pid}/fd"
    found = {}
    for name in os.listdir(folder):
        try:
            about = os.stat(f"{folder}/{name}")
        except OSError:  # closed meanwhile
            continue
        found[(os.major(about.st_dev), os.minor(about.st_dev)), about.st_ino] = int(name)
    return found
