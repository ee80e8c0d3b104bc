"""The layout of the running kernel, out of a made-up /sys and /proc."""
import os
import re

import pytest

from tests.btf_file import BtfFile, kernel
from vqcheck.target.layouts import layout
from vqcheck.target.layouts.running_kernel import CannotSave, running_layout
from vqcheck.target.layouts.survey import Needs
from vqcheck.target.target import Member

TEXT = 0xFFFFFFFF99800000
BUILD_ID = "3b43fad5034874490492495d552c0af6a5fab235"
NEEDS = Needs(["struct queue", "struct own", "struct other", "atomic_t"], ["_stext", "_text", "this_cpu_off", "gone"],
              re.compile("_done$"), "_text")
KALLSYMS = f"""\
0000000000019168 A this_cpu_off
{TEXT:016x} T _stext
{TEXT:016x} T _text
{TEXT + 0x100:016x} t sample_done
{TEXT + 0x200:016x} t twice_done
{TEXT + 0x300:016x} T twice_done
{TEXT + 0x400:016x} t twice_done
{TEXT + 0x500:016x} d data_done
ffffffffc0001000 t module_done\t[virtio_blk]
"""


def note(order="little"):
    raw = bytes.fromhex(BUILD_ID)
    return b"".join(number.to_bytes(4, order) for number in (4, len(raw), 3)) + b"GNU\0" + raw


@pytest.fixture
def root(tmp_path):
    base = kernel()
    own = BtfFile(base=base)
    own.struct("own", 16, [("list", 4, 0, 0)])
    files = {"sys/kernel/btf/vmlinux": base.bytes(), "sys/kernel/btf/virtio_blk": own.bytes(),
             "sys/kernel/notes": note(), "sys/module/virtio_blk/notes/.note.gnu.build-id": note(),
             "proc/kallsyms": KALLSYMS.encode()}
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def save(root):
    return running_layout(NEEDS, ["virtio_blk", "virtio_net"], "a test", str(root))


def test_it_knows_types_symbols_and_build(root):
    found = layout.unpack(layout.pack(save(root)))
    uname = os.uname()
    assert found.about == ("linux", BUILD_ID, uname.release, uname.machine, "a test")
    assert (found.byte_order, found.pointer_size, found.parts) == ("little", 8, {"virtio_blk": BUILD_ID})
    assert found.member("struct queue", "split.count.counter") == Member(28, 4)
    assert found.member("struct own", "list.prev") == Member(8, 8)
    assert found.type_size("struct other") is None


def test_symbols_do_not_tell_where_the_kernel_is_now(root):
    found = save(root)
    assert found.symbols == {"_stext": 0, "_text": 0, "gone": None, "sample_done": 0x100, "twice_done": 0x300}
    assert found.fixed == {"this_cpu_off": 0x19168}


@pytest.mark.parametrize("name, content, complaint", [
    ("sys/kernel/btf/vmlinux", None, "there is no /sys/kernel/btf/vmlinux"),
    ("sys/kernel/btf/vmlinux", b"hello", "sys/kernel/btf/vmlinux: the BTF is cut off"),
    ("sys/kernel/btf/virtio_blk", bytes(99), "sys/kernel/btf/virtio_blk: it does not begin as BTF does"),
    ("sys/kernel/notes", None, "no build id in /sys/kernel/notes"),
    ("sys/kernel/notes", b"", "no build id in /sys/kernel/notes"),
    ("proc/kallsyms", None, "no /proc/kallsyms"),
    ("proc/kallsyms", re.sub("^[0-9a-f]{16}", "0" * 16, KALLSYMS, flags=re.MULTILINE).encode(), "this needs root"),
    ("proc/kallsyms", b"ffffffff81000000 T _start\n", "lacks _text"),
    ("proc/kallsyms", b"", "does not show addresses"),
])
def test_what_a_kernel_does_not_say_is_named(root, name, content, complaint):
    path = root / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CannotSave, match=complaint):
        save(root)


def test_modules_without_build_id_or_types_are_no_obstacle(root):
    (root / "sys/module/virtio_blk/notes/.note.gnu.build-id").unlink()
    assert save(root).parts == {"virtio_blk": None}
    (root / "sys/kernel/btf/virtio_blk").unlink()
    found = save(root)
    assert (found.parts, found.type_size("struct own")) == ({}, None)
