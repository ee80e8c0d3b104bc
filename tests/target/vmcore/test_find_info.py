"""Which of several VMCOREINFO notes is that of the kernel that runs."""
import pytest

from vqcheck.target.errors import NotSupported, Unreadable
from vqcheck.target.vmcore.find_info import Info, search, told_by_device
from vqcheck.target.vmcore.notes import vmcoreinfo

RELEASE = "6.1.0-made-up"
SIZE = 1 << 20
UTS = 0x40000
KERNEL = 0xFFFFFFFF80000000


def info(base, leads_to=UTS):
    """As x86 writes it: where init_uts_ns is by KASLR's choice, and where the kernel was put."""
    return (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={KERNEL + leads_to - base:x}\nNUMBER(phys_base)={base}\n"
            ).encode()


class Memory:
    """Guest-physical memory from 0 on, with a kernel's names for itself at UTS."""

    def __init__(self, release=RELEASE, before=0):
        self.raw = bytearray(SIZE)
        names = b"".join(word.ljust(65, b"\0") for word in (b"Linux", b"guest", release.encode(), b"#1", b"x86_64"))
        self.put(UTS, bytes(before) + names)

    def put(self, at, content):
        self.raw[at:at + len(content)] = content
        return self

    def read(self, at, size):
        if at < 0 or at + size > SIZE:
            raise Unreadable(at, size, "the guest has no memory there")
        return bytes(self.raw[at:at + size])

    def search(self, machine="x86_64"):
        return search([(0, SIZE)], self.read, machine)


def test_the_stale_note_of_an_earlier_boot_comes_first_in_memory():
    """Both boots are of one kernel; KASLR put it elsewhere."""
    stale, right, beyond = info(-0x1000000, UTS + 0x1000), info(0x20000), info(0, 1 << 30)
    memory = Memory()
    for number, text in enumerate((stale, beyond, right, stale)):
        memory.put(0x1000 * (number + 1), vmcoreinfo(text))
    assert memory.search() == Info(right, True, True)
    assert memory.search().release == RELEASE


def test_one_of_another_kernel_is_not_proven():
    memory = Memory("5.10.0-other").put(0x1000, vmcoreinfo(info(0)))
    assert memory.search() == Info(info(0), True, False)


def test_where_none_proves_right_it_is_the_last_one():
    memory = Memory("5.10.0").put(0x1000, vmcoreinfo(info(0))).put(0x3000, vmcoreinfo(info(0x20000)))
    assert memory.search() == Info(info(0x20000), True, False)


def test_names_that_do_not_come_first_in_their_struct():
    """struct uts_namespace once began with a counter."""
    assert Memory(before=4).put(0x1000, vmcoreinfo(info(0x1000))).search().proven


@pytest.mark.parametrize("text, machine, proven", [
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={0xFFFF800008000000 + UTS:x}\n"
     f"NUMBER(kimage_voffset)=0x{0xFFFF800008000000:x}\n", "aarch64", True),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={0xFFFF800009000000 + UTS:x}\n"
     f"NUMBER(kimage_voffset)=0x{0xFFFF800008000000:x}\n", "aarch64", False),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={0xFFFFFFFF80000000 + UTS:x}\n"
     f"NUMBER(va_kernel_pa_offset)=0x{0xFFFFFFFF80000000:x}\n", "riscv64", True),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={UTS:x}\n", "s390x", True),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={UTS:x}\nKERNELOFFSET=0\n", "s390x", True),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={UTS + 0x3FFE0000000 - 0x4000:x}\nKERNELOFFSET=3ffe0000000\n"
     "KERNELOFFPHYS=4000\n", "s390x", True),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={UTS:x}\nKERNELOFFPHYS=4000\n", "s390x", False),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={UTS:x}\n", "ppc64", None),
    (f"OSRELEASE={RELEASE}\nNUMBER(phys_base)=0\n", "x86_64", None),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={KERNEL:x}\n", "x86_64", None),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)=nothing\nNUMBER(phys_base)=0\n", "x86_64", False),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={KERNEL:x}\nNUMBER(phys_base)=none\n", "x86_64", False),
    (f"OSRELEASE={RELEASE}\nSYMBOL(init_uts_ns)={'f' * 4000}\nNUMBER(phys_base)=0\n", "x86_64", False),
])
def test_the_proof_on_each_architecture(text, machine, proven):
    found = Memory().put(0x1000, vmcoreinfo(text.encode())).search(machine)
    assert found == Info(text.encode(), True, proven)


def test_none_at_all():
    assert Memory().search() is None


def test_memory_that_is_not_there_ends_the_search_of_that_piece_alone():
    memory = Memory().put(0x1000, vmcoreinfo(info(0x20000)))
    assert search([(SIZE, 0x1000), (0, SIZE)], memory.read, "x86_64") == Info(info(0x20000), True, True)


def test_what_the_guest_told_qemu():
    memory = Memory().put(0x1000, vmcoreinfo(info(0x20000)))
    place = 0x1000, len(vmcoreinfo(info(0x20000))) + 100  # the kernel tells how much room it has for it
    assert told_by_device(place, memory.read, "x86_64") == Info(info(0x20000), False, True)
    with pytest.raises(NotSupported, match="at 0x2000, is none"):
        told_by_device((0x2000, 4096), memory.read, "x86_64")
    with pytest.raises(Unreadable):
        told_by_device((SIZE, 4096), memory.read, "x86_64")
