"""Dumps byte by byte, their holes, and what is left behind when it goes wrong."""
import errno
import fcntl
import os
import resource
import signal
import struct

import pytest

from vqcheck.target.errors import TargetError
from vqcheck.target.files import elf
from vqcheck.target.files.core_map import CoreMap, Segment
from vqcheck.target.vmcore import sources, write
from vqcheck.target.vmcore.sources import Area, Piece, Source
from vqcheck.target.vmcore.write import ALIGNMENT, AT_ONCE, BLOCK, FICLONERANGE, MACHINES, headers

NOTES = b"notes, whatever they are "
X86 = MACHINES["x86_64"]


def ignore(done, total):
    """Nobody watches."""


@pytest.fixture
def pieces(tmp_path):
    """Makes pieces of memory that lie in one file, one after the other, from an odd offset on."""
    opened = []

    def make(*contents, at=0x3418, clone=False):
        path = tmp_path / "core"
        with open(path, "wb") as file:
            file.truncate(at + sum(size for _, size, _ in contents))
        source = Source(os.open(path, os.O_RDWR), clone)
        opened.append(source)
        found = []
        for physical, size, content in contents:
            found.append(Piece(physical, size, source, at))
            for offset, raw in content.items():
                os.pwrite(source.descriptor, raw, at + offset)
            at += size
        return found
    yield make
    for source in opened:
        source.close()


def expected(size, content):
    raw = bytearray(size)
    for at, part in content.items():
        raw[at:at + len(part)] = part
    return bytes(raw)


def memory_of(path):
    """What a dump holds, by physical addresses."""
    with open(path, "rb") as file:
        found = {}
        for one in elf.program_headers(str(path)):
            if one.kind == elf.PT_LOAD:
                assert one.in_file == one.size and one.address == 0 and one.offset % ALIGNMENT == 0
                file.seek(one.offset)
                found[one.physical] = file.read(one.size)
        return found


def test_headers_byte_by_byte():
    raw, offsets = headers(X86, NOTES, [(0, 0x20001), (1 << 32, 0x1000)])
    start = 64 + 3 * 56
    assert offsets == [0x10000, 0x40000]
    assert raw == b"".join((
        b"\x7fELF\x02\x01\x01" + bytes(9),
        struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0),
        struct.pack("<IIQQQQQQ", 4, 0, start, 0, 0, len(NOTES), len(NOTES), 0),
        struct.pack("<IIQQQQQQ", 1, 0, 0x10000, 0, 0, 0x20001, 0x20001, 0),
        struct.pack("<IIQQQQQQ", 1, 0, 0x40000, 0, 1 << 32, 0x1000, 0x1000, 0),
        NOTES))


@pytest.mark.parametrize("name, number, order", [("aarch64", 183, "<"), ("riscv64", 243, "<"), ("s390x", 22, ">")])
def test_headers_of_each_architecture(tmp_path, name, number, order):
    path = tmp_path / "dump"
    path.write_bytes(headers(MACHINES[name], NOTES, [(0x40000000, 0)])[0].ljust(ALIGNMENT, b"\0"))
    header = elf.header_of(str(path))
    assert (header.machine, header.order, header.wide) == (number, order, True)
    assert [one.physical for one in elf.program_headers(str(path))] == [0, 0x40000000]


def test_more_pieces_than_an_elf_file_can_have():
    with pytest.raises(TargetError, match="in 65535 pieces"):
        headers(X86, NOTES, [(at, 1) for at in range(0xFFFF)])


def test_memory_comes_out_as_it_was(pieces, tmp_path):
    """Ends that are no multiple of anything, data across the borders of chunks and blocks."""
    size = 2 * AT_ONCE + 12345
    content = {0: b"first", BLOCK - 3: b"across", AT_ONCE - 3: b"across chunks", size - 4: b"last"}
    seen = []
    made = pieces((0, size, content), (1 << 32, 0x1000, {0x800: b"high"}), (1 << 33, BLOCK, {}))
    out = tmp_path / "dump"
    written = write.write(str(out), X86, NOTES, made, lambda done, total: seen.append((done, total)))
    assert memory_of(out) == {0: expected(size, content), 1 << 32: expected(0x1000, {0x800: b"high"}),
                              1 << 33: bytes(BLOCK)}
    total = size + 0x1000 + BLOCK
    assert seen == sorted(seen) and seen[0] == (0, total) and seen[-1] == (total, total)
    assert written.size == out.stat().st_size and written.shared == 0
    assert out.stat().st_mode & 0o777 == 0o600  # it is all that the guest knows


def test_holes_and_long_zeros_take_no_space(pieces, tmp_path):
    """A hole in the core, zeros that gcore wrote out, and zeros that are too few to matter."""
    size, zeros = 64 << 20, bytes(8 << 20)
    content = {0: b"x", 16 << 20: zeros, 40 << 20: b"y" + bytes(BLOCK // 2) + b"z"}
    out = tmp_path / "dump"
    written = write.write(str(out), X86, NOTES, pieces((0, size, content), at=0), ignore)
    assert written.size > size and written.on_disk <= 512 * 1024
    assert memory_of(out)[0] == expected(size, content)


def test_what_was_there_before_is_replaced_and_a_link_stays_one(pieces, tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"an older dump")
    link.symlink_to(real)
    write.write(str(link), X86, NOTES, pieces((0, 0x1000, {0: b"new"})), ignore)
    assert link.is_symlink() and memory_of(real)[0].startswith(b"new")


# What goes wrong.

def left_behind(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "core")


def test_a_full_disk_leaves_nothing_behind(pieces, tmp_path):
    made = pieces((0, 4 << 20, dict.fromkeys(range(0, 4 << 20, BLOCK), b"x")))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OSError) as problem:
            write.write(str(tmp_path / "dump"), X86, NOTES, made, ignore)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert problem.value.errno == errno.EFBIG and problem.value.filename == str(tmp_path / "dump")
    assert left_behind(tmp_path) == []


def test_a_folder_that_is_not_there(pieces, tmp_path):
    with pytest.raises(FileNotFoundError) as problem:
        write.write(str(tmp_path / "no" / "dump"), X86, NOTES, pieces((0, 0x1000, {})), ignore)
    assert problem.value.filename == str(tmp_path / "no" / "dump")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_leaves_nothing_behind(pieces, tmp_path, number):
    (tmp_path / "dump").write_bytes(b"an older dump")
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        write.write(str(tmp_path / "dump"), X86, NOTES, pieces((0, 0x1000, {0: b"x"})),
                    lambda done, total: os.kill(os.getpid(), number))
    assert left_behind(tmp_path) == ["dump"] and (tmp_path / "dump").read_bytes() == b"an older dump"
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("moment", [0, 2 << 20])
def test_a_core_that_is_cut_off_meanwhile(pieces, tmp_path, moment):
    """Behind its end there is no hole."""
    (piece,) = pieces((0x1000, 4 << 20, {0: b"x" * (4 << 20)}))

    def cut(done, total):
        if done == moment:
            os.truncate(tmp_path / "core", 1 << 20)
    with pytest.raises(TargetError, match="from 0x1000 on can't be read: it has become shorter"):
        write.write(str(tmp_path / "dump"), X86, NOTES, [piece], cut)
    assert left_behind(tmp_path) == []


def test_memory_that_can_not_be_read(tmp_path):
    source = Source(os.open(tmp_path, os.O_RDONLY), False)
    with pytest.raises(TargetError, match="from 0x0 on can't be read: Is a directory"):
        write.write(str(tmp_path / "dump"), X86, NOTES, [Piece(0, 0x10, source, 0)], ignore)
    source.close()
    assert left_behind(tmp_path) == []


# A file system that can share blocks.

def test_blocks_are_shared_where_the_file_system_can(pieces, tmp_path, monkeypatch):
    """The double copies what it is asked to share, as this file system may not be able to."""
    def ioctl(out, request, argument):
        descriptor, offset, size, there = struct.unpack("=qQQQ", argument)
        assert request == FICLONERANGE and there % ALIGNMENT == 0
        if offset % 4096:
            raise OSError(errno.EINVAL, "not a block")
        os.pwrite(out, os.pread(descriptor, size, offset), there)
    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    out = tmp_path / "dump"
    made = pieces((0, 0x2000, {0: b"shared"}), (0x10000, 0x1001, {7: b"too"}), (0x20000, 0x1000, {1: b"copied"}),
                  at=0x1000, clone=True)
    written = write.write(str(out), X86, NOTES, made, ignore)
    assert memory_of(out) == {0: expected(0x2000, {0: b"shared"}), 0x10000: expected(0x1001, {7: b"too"}),
                              0x20000: expected(0x1000, {1: b"copied"})}
    assert written.shared == 0x3001


def test_a_failure_to_share_that_means_something(pieces, tmp_path, monkeypatch):
    def ioctl(out, request, argument):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    with pytest.raises(OSError, match="No space left"):
        write.write(str(tmp_path / "dump"), X86, NOTES, pieces((0, 0x1000, {}), clone=True), ignore)
    assert left_behind(tmp_path) == []


# Where the memory is.

def test_what_a_core_holds_and_what_it_lacks(tmp_path):
    path = tmp_path / "core"
    path.write_bytes(bytes(0x10000))
    segments = [Segment(0x7000, 0x2000, 0x2000, 0x100), Segment(0x9000, 0, 0x1000, 0x2100),
                Segment(0xA000, 0x800, 0x1000, 0x3000)]
    core = CoreMap(segments, [], {}, [one.address for one in segments])
    memory = sources.in_core(str(path), core, [Area(0x100000, 0x5000, 0x6000), Area(0x200000, 0x1000, 0x7800),
                                               Area(0x300000, 0x1000, 0x50000)])
    assert [(one.physical, one.size, one.offset) for one in memory.pieces] == [
        (0x101000, 0x2000, 0x100), (0x104000, 0x800, 0x3000), (0x200000, 0x1000, 0x900)]
    assert memory.missing == [Area(0x100000, 0x1000, 0x6000), Area(0x103000, 0x1000, 0x9000),
                              Area(0x104800, 0x800, 0xA800), Area(0x300000, 0x1000, 0x50000)]
    memory.close()


def test_a_core_that_holds_nothing_of_it(tmp_path):
    path = tmp_path / "core"
    path.write_bytes(b"")
    memory = sources.in_core(str(path), CoreMap([], [], {}, []), [Area(0, 0x1000, 0x5000)])
    assert memory.pieces == [] and memory.missing == [Area(0, 0x1000, 0x5000)]
    memory.close()
