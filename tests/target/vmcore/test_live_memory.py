"""Memory of a real process, mapped in every way that QEMU has: what comes out, and that nothing is added to it."""
import os
import signal
import subprocess
import sys
import time

import pytest

from vqcheck.target.errors import NotSupported
from vqcheck.target.files import proc
from vqcheck.target.vmcore import sources, write
from vqcheck.target.vmcore.sources import AnonymousMemory, Area, ProcessMemory, Source

SIZE = 8 << 20
FIRST, LAST = b"begin", b"end"

PROGRAM = f"""
import ctypes, mmap, os, sys
SIZE = {SIZE}
path = sys.argv[1]
with open(path, "wb") as file:
    file.truncate(SIZE)
    file.seek(SIZE // 2)
    file.write(b"in the file")
memfd = os.memfd_create("ram")
os.ftruncate(memfd, 2 * SIZE)
descriptor = os.open(path, os.O_RDWR)
maps = dict(
    private=mmap.mmap(-1, SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS),
    shared=mmap.mmap(-1, SIZE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS),
    memfd=mmap.mmap(memfd, SIZE, mmap.MAP_SHARED, offset=SIZE),
    file=mmap.mmap(descriptor, SIZE, mmap.MAP_SHARED),
    private_file=mmap.mmap(descriptor, SIZE, mmap.MAP_PRIVATE),
)
for one in maps.values():
    one[:{len(FIRST)}] = {FIRST!r}
    one[-{len(LAST)}:] = {LAST!r}
for name, one in maps.items():
    print(name, ctypes.addressof(ctypes.c_char.from_buffer(one)))
print("all", 0, flush=True)
sys.stdin.read()
"""


class Child:
    """The process, and where it has its memory."""

    def __init__(self, tmp_path):
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path / "file")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.places = {}
        for line in self.process.stdout:
            name, value = line.split()
            self.places[name] = int(value)
            if name == "all":
                break

    def resident(self):
        """KiB of memory that is its own or shared, and not a file's."""
        with open(f"/proc/{self.pid}/status") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(("RssAnon:", "RssShmem:")))

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def child(tmp_path):
    found = Child(tmp_path)
    yield found
    found.end()


@pytest.mark.parametrize("kind", ["private", "shared", "memfd", "file", "private_file"])
def test_every_kind_of_mapping(child, tmp_path, kind):
    memory = sources.in_process(child.pid, [Area(0x1000000, SIZE, child.places[kind])])
    before = child.resident()
    out = tmp_path / "dump"
    written = write.write(str(out), write.MACHINES["x86_64"], b"", memory.pieces, lambda done, total: None)
    content = out.read_bytes()[write.ALIGNMENT:]
    expected = bytearray(SIZE)
    expected[:len(FIRST)], expected[-len(LAST):] = FIRST, LAST
    if "file" in kind:
        expected[SIZE // 2:SIZE // 2 + 11] = b"in the file"
    assert content == bytes(expected) and not memory.missing
    assert written.on_disk <= 512 * 1024 and written.shared == 0
    if kind != "shared" or os.geteuid() == 0:  # others have no way to such memory but through its pages
        assert child.resident() - before < SIZE >> 13  # to read a page can make one
    memory.close()


def test_what_is_known_to_be_a_hole_is_not_read(child):
    """That is why it is quick with a large guest that uses little of its memory."""
    areas = [Area(SIZE * number, SIZE, child.places[kind]) for number, kind in enumerate(("private", "memfd"))]
    memory = sources.in_process(child.pid, areas)
    for piece, kind in zip(memory.pieces, (AnonymousMemory, Source)):
        assert type(piece.source) is kind
        found = list(piece.source.data(piece.offset, piece.size))
        assert 2 <= len(found) <= 4 and sum(size for _, size in found) < SIZE // 2
        assert found[0][0] == piece.offset and sum(found[-1]) == piece.offset + SIZE
    memory.close()


def test_a_file_that_was_never_written_to_is_read_though_no_page_of_it_is_there(child):
    memory = sources.in_process(child.pid, [Area(0, SIZE, child.places["private_file"])])
    (piece,) = memory.pieces
    assert type(piece.source) is ProcessMemory and list(piece.source.data(5, 10)) == [(5, 10)]
    memory.close()


def test_what_is_not_mapped_is_missing(child):
    (stack,) = [one for one in proc.mappings(child.pid) if one.path == "[stack]"]
    memory = sources.in_process(child.pid, [Area(0x5000, 0x3000, 0x1000), Area(0x10000, 0x2000, stack.end - 0x1000)])
    assert [(one.physical, one.size, one.offset) for one in memory.pieces] == [(0x10000, 0x1000, stack.end - 0x1000)]
    assert memory.missing == [Area(0x5000, 0x3000, 0x1000), Area(0x11000, 0x1000, stack.end)]
    memory.close()


def test_whether_a_process_is_stopped(child):
    assert not proc.stopped(child.pid)
    os.kill(child.pid, signal.SIGSTOP)
    deadline = time.monotonic() + 60
    while not proc.stopped(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert proc.stopped(child.pid)
    os.kill(child.pid, signal.SIGCONT)
    while proc.stopped(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not proc.stopped(child.pid)


def test_a_process_that_has_ended(child):
    child.end()
    with pytest.raises(NotSupported, match="No such file"):
        proc.stopped(child.pid)
    with pytest.raises(NotSupported):
        sources.in_process(child.pid, [])


def test_a_mapping_whose_files_name_has_blanks():
    mapped = next(one for one in proc.mappings(os.getpid()) if one.path == "[stack]")
    assert not mapped.shared and mapped.inode == 0 and mapped.start < mapped.end and mapped.offset == 0
