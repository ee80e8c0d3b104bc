"""`vqcheck layout`, as far as it goes without drgn, which is an option; tests/lab saves layouts of real kernels."""
import sys

import pytest

from vqcheck.target.layouts import layout
from vqcheck.target.layouts.layout import About, Slot


@pytest.fixture
def file(tmp_path):
    known = layout.empty("little", 8, About("linux", "b" * 40, "6.1.0-\x1btest", "x86_64", "vqcheck 0.1.0"))
    path = tmp_path / "x.vqlayout"
    path.write_bytes(layout.pack(known._replace(
        parts={"virtio_ring": "aa", "virtio_blk": None}, symbols={"_stext": 1, "gone": None}, fixed={"cpu": 2},
        sizes={"struct list_head": 16, "struct queue": 24, "struct gone": None},
        members={("struct queue", "list"): Slot(0, 16, "struct list_head"), ("struct queue", "num"): Slot(16, 4, None),
                 ("struct list_head", "next"): Slot(0, 8, None)})))
    return path


def test_show(vqcheck, file):
    assert vqcheck("layout", "show", file) == (0, f"""\
linux 6.1.0-\\x1btest (x86_64)
  build id    {'b' * 40}
  byte order  little, pointers of 8 bytes
  saved by    vqcheck 0.1.0
  modules     virtio_blk, virtio_ring
  holds       2 symbols, 2 types, 3 members
""", "")


def test_show_a_type(vqcheck, file):
    assert vqcheck("layout", "show", file, "struct queue") == (0, """\
struct queue, 24 bytes

offset  bytes  member  type
------  -----  ------  ----------------
     0     16  list    struct list_head
    16      4  num     -
""", "")


@pytest.mark.parametrize("words, complaint", [
    (["struct gone"], "has no struct gone, or it was saved without the module that has it"),
    (["struct other"], "the layout file does not hold struct other: save it again with this vqcheck"),
])
def test_a_type_that_is_not_there(refused, file, words, complaint):
    assert refused("layout", "show", file, *words).endswith(complaint)


@pytest.mark.parametrize("words, complaint", [
    ([], "the following arguments are required: ACTION (see `vqcheck layout --help`)"),
    (["save"], "one of the arguments --vmlinux --running --qemu is required (see `vqcheck layout save --help`)"),
    (["save", "--running", "--modules", "m"], "--modules goes with --vmlinux"),
    (["show"], "the following arguments are required: FILE.vqlayout (see `vqcheck layout show --help`)"),
    (["show", "/no/such"], "/no/such: No such file or directory"),
    (["show", __file__], f"{__file__}: not a .vqlayout file, or a damaged one"),
])
def test_wrong_words(refused, words, complaint):
    assert refused("layout", *words).startswith(complaint)


def test_saving_needs_drgn(refused, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("vqcheck.target.by_drgn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "drgn", None)
    assert refused("layout", "save", "--vmlinux", "x") == "drgn is not installed: pip install 'vqcheck[drgn]'"
