"""What dumps say of themselves, and VMCOREINFO found in the memory that they hold."""
import struct

import pytest

from tests.target.files.test_elf import made, note
from vqcheck.target.files import elf, vmcore_file
from vqcheck.target.files.vmcore_file import ELF, KDUMP, DumpFile

INFO = b"OSRELEASE=6.1.0-made-up\nBUILD-ID=0011\nSYMBOL(swapper_pg_dir)=ffffffff82a0a000\nKERNELOFFSET=0\n"


def kdump(machine=b"x86_64", order="<", page=4096):
    fields = [b"Linux", b"guest", b"6.1.0", b"#1", machine, b""]
    start = b"KDUMP   " + struct.pack(order + "I", 6) + b"".join(field.ljust(65, b"\0") for field in fields)
    return start.ljust(424, b"\0") + struct.pack(order + "II", 1, page) + bytes(4000)


def flattened(content):
    return b"makedumpfile".ljust(4096, b"\0") + struct.pack(">QQ", 0, len(content)) + content


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "vmcore"
        path.write_bytes(content)
        return str(path)
    return write


@pytest.mark.parametrize("content, expected", [
    (made(machine=elf.EM_AARCH64), DumpFile(ELF, elf_machine=elf.EM_AARCH64)),
    (made(">", True, elf.EM_S390), DumpFile(ELF, elf_machine=elf.EM_S390)),
    (kdump(), DumpFile(KDUMP, machine="x86_64", block_size=4096)),
    (kdump(b"aarch64", page=65536), DumpFile(KDUMP, machine="aarch64", block_size=65536)),
    (kdump(b"s390x", ">"), DumpFile(KDUMP, machine="s390x", block_size=4096)),
    (kdump(b"", page=1234567), DumpFile(KDUMP)),
    (flattened(kdump()), DumpFile(KDUMP, machine="x86_64", block_size=4096)),
    (kdump()[:100], DumpFile(KDUMP)),
    (b"", None), (b"KDUMP", None), (b"\x7fELF", None), (b"makedumpfile\0", None), (flattened(b"nothing"), None),
    (b"\x1f\x8b" * 1000, None)])
def test_kinds(file, content, expected):
    assert vmcore_file.identify(file(content)) == expected


def test_vmcoreinfo_as_a_table():
    found = vmcore_file.parse_vmcoreinfo(INFO + b"\0OSRELEASE=behind the end\n")
    assert found == {"OSRELEASE": "6.1.0-made-up", "BUILD-ID": "0011", "KERNELOFFSET": "0",
                     "SYMBOL(swapper_pg_dir)": "ffffffff82a0a000"}
    assert vmcore_file.parse_vmcoreinfo(b"no equals sign\n=\n\xff\xfe=1") == {"": "", "\\xff\\xfe": "1"}


@pytest.mark.parametrize("order", "<>")
def test_vmcoreinfo_in_memory(file, order):
    other = INFO.replace(b"made-up", b"another")
    memory = b"".join((b"VMCOREINFO\0too early", bytes(500), note(b"VMCOREINFO\0", 0, INFO, order), bytes(99), INFO,
                       b"\nVMCOREINFO\0OSRELEASE=%s\n", note(b"VMCOREINFO\0", 0, INFO, order),
                       note(b"VMCOREINFO\0", 0, other, order)))
    assert list(vmcore_file.search_vmcoreinfo(file(memory), order)) == [INFO, other]


def test_what_only_looks_like_it(file):
    cut = note(b"VMCOREINFO\0", 0, INFO)
    endless = struct.pack("<III", 11, 0xFFFFFFFF, 0) + b"VMCOREINFO\0\0OSRELEASE="
    assert list(vmcore_file.search_vmcoreinfo(file(cut[4:]))) == []
    assert list(vmcore_file.search_vmcoreinfo(file(endless))) == []
    assert list(vmcore_file.search_vmcoreinfo(file(b""))) == []


def test_a_guest_that_writes_it_a_thousand_times(file):
    memory = b"".join(note(b"VMCOREINFO\0", 0, INFO + b"NUMBER=%d\n" % number) for number in range(1000))
    assert len(list(vmcore_file.search_vmcoreinfo(file(memory)))) == vmcore_file.MAX_FOUND


@pytest.mark.parametrize("shift", range(-13, 14))
def test_a_note_on_the_border_of_what_is_searched_at_a_time(shift, monkeypatch):
    monkeypatch.setattr(vmcore_file, "CHUNK", 512)
    whole = note(b"VMCOREINFO\0", 0, INFO)
    memory = bytes(1024 - 12 + shift) + whole + bytes(1000)
    found = list(vmcore_file.search_memory([(0, len(memory))], lambda at, size: memory[at:at + size]))
    assert found == [INFO]


def test_memory_in_pieces_that_follow_each_other():
    whole = note(b"VMCOREINFO\0", 0, INFO)
    memory = bytes(0x800) + whole + bytes(0x800)
    border = 0x800 + 60  # in the text
    pieces = [(0, border), (border, len(memory) - border)]
    assert list(vmcore_file.search_memory(pieces, lambda at, size: memory[at:at + size])) == [INFO]


@pytest.mark.parametrize("raw", [b"", b"\0" * 11, note(b"VMCOREINFO\0", 0, b"something else"), note(b"CORE\0", 0, INFO),
                                 struct.pack("<III", 11, 0xFFFFFFFF, 0) + b"VMCOREINFO\0\0" + INFO])
def test_bytes_that_are_no_note(raw):
    assert vmcore_file.note_text(raw) is None


def test_the_note_with_room_behind_it():
    assert vmcore_file.note_text(note(b"VMCOREINFO\0", 0, INFO) + bytes(1000)) == INFO
    assert vmcore_file.note_text(note(b"VMCOREINFO\0", 0, INFO, ">"), ">") == INFO
