"""Finding the debug information of modules."""
import pytest

from tests.crash_ext.world import elf
from vqcheck.target.files import elf as elf_files
from vqcheck.target.files import module_files

DEBUG = elf(".text", ".debug_info")


@pytest.fixture
def tree(tmp_path):
    """A file in a folder, made with the folders above it."""
    def write(path, content=DEBUG):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
        return str(tmp_path / path)
    return write


@pytest.mark.parametrize("name", ["virtio_blk.ko.debug", "virtio_blk.ko", "virtio-blk.ko", "virtio_blk.debug",
                                  "kernel/drivers/block/virtio_blk.ko.debug"])
def test_names(tree, tmp_path, name):
    path = tree(name)
    assert module_files.find(["virtio_blk"], [str(tmp_path)]) == {"virtio_blk": [path]}


@pytest.mark.parametrize("content", [b"", b"\x7fELF", elf(".text"), elf(".text")[:100], b"not ELF" * 100,
                                     b"\x7fELF\x02\x01" + b"\xff" * 100, b"\x7fELF\x01\x02" + b"\xff" * 100])
def test_files_without_debug_information_do_not_count(tree, tmp_path, content):
    tree("virtio_blk.ko", content)
    assert module_files.find(["virtio_blk"], [str(tmp_path)]) == {}


def test_compressed_debug_information_counts(tree):
    assert elf_files.has_debug_info(tree("a.ko", elf(".zdebug_info")))


def test_the_first_folder_wins(tree, tmp_path):
    first = tree("one/virtio_blk.ko")
    tree("two/virtio_blk.ko")
    found = module_files.find(["virtio_blk"], [str(tmp_path / name) for name in ("zero", "one", "two")])
    assert found == {"virtio_blk": [first]}


def test_a_module_may_be_in_a_later_folder(tree, tmp_path):
    blk, ring = tree("one/virtio_blk.ko"), tree("two/virtio_ring.ko")
    found = module_files.find(["virtio_blk", "virtio_ring"], [str(tmp_path / "one"), str(tmp_path / "two")])
    assert found == {"virtio_blk": [blk], "virtio_ring": [ring]}


def test_a_huge_tree_is_given_up(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(module_files, "MAX_FOLDERS", 2)
    tree("a/b/c/virtio_blk.ko")
    assert module_files.find(["virtio_blk"], [str(tmp_path)]) == {}


def test_places(tmp_path, monkeypatch):
    kernel = tmp_path / "vmlinux"
    monkeypatch.setenv("VQCHECK_MODULES", "/tmp")
    assert module_files.places("0.0-none", str(kernel)) == ["/tmp", str(tmp_path)]
    monkeypatch.delenv("VQCHECK_MODULES")
    assert module_files.places("0.0-none", "") == []
