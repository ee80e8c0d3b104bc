"""Debug information of modules comes when a type of it is asked for."""
import pytest

from crash_ext.module_debug import CrashKernel, ModuleDebug
from tests.crash_ext.world import elf as elf_file
from vqcheck.target.files import elf

RING = "struct vring_virtqueue"


class Double(CrashKernel):
    """A crash that knows `types` once a file that holds them is loaded."""

    def __init__(self, folder, modules, holds):
        self.folder = folder
        self._modules = modules
        self.holds = holds
        self.types = set()
        self.loaded = []
        self.build_ids = {}

    def release(self):
        return "6.1.0-0-cloud-amd64"

    def kernel_file(self):
        return str(self.folder / "vmlinux")

    def modules(self):
        return self._modules

    def build_id(self, name):
        return self.build_ids.get(name)

    def load_module(self, name, path):
        self.loaded.append(("mod -s", name))
        return self._take("mod -s", path)

    def load_types(self, path):
        self.loaded.append(("types", path.rsplit("/", 1)[1]))
        return self._take("types", path)

    def _take(self, how, path):
        name = path.rsplit("/", 1)[1].split(".")[0]
        self.types |= self.holds.get((how, name), set())
        return True

    def gdb_size(self, type_name):
        return 8 if type_name in self.types else None

    def forget_types(self):
        """Nothing is remembered."""


@pytest.fixture
def crash(tmp_path, monkeypatch):
    monkeypatch.delenv("VQCHECK_MODULES", raising=False)

    def make(*modules, files=("virtio_ring", "virtio_blk"), holds=None):
        for name in files:
            (tmp_path / f"{name}.ko").write_bytes(elf_file(".debug_info"))
        holds = holds or {("mod -s", "virtio_ring"): {RING}, ("mod -s", "virtio_blk"): {"struct virtio_blk"}}
        return Double(tmp_path, modules, holds)
    return make


def test_only_what_is_asked_for_is_loaded_and_only_once(crash):
    kernel = crash("virtio_ring", "virtio_blk", "virtio_net")
    debug = ModuleDebug(kernel)
    assert debug.bring(RING)
    assert not debug.bring(RING)
    assert kernel.loaded == [("mod -s", "virtio_ring")]
    assert not debug.bring("struct task_struct"), "vmlinux describes it, or nothing does"
    assert debug.why_not("struct task_struct") is None


def test_what_a_loaded_module_does_not_describe_is_not_looked_for(crash):
    """Walkers try the names that a type had in other versions."""
    kernel = crash("virtio_ring")
    kernel.types.add(RING)
    debug = ModuleDebug(kernel)
    assert not debug.bring("struct vring_desc_state")
    assert kernel.loaded == []
    assert debug.why_not("struct vring_desc_state") == "that of module virtio_ring is loaded, and does not describe it"


def test_a_module_that_crash_loaded_from_a_stripped_file_still_gets_its_types(crash):
    kernel = crash("virtio_ring", holds={("types", "virtio_ring"): {RING}})
    assert ModuleDebug(kernel).bring(RING)
    assert kernel.loaded == [("mod -s", "virtio_ring"), ("types", "virtio_ring.ko")]


def test_a_crash_without_modules_gets_types_alone(crash):
    kernel = crash(holds={("types", "virtio_ring"): {RING}})
    assert ModuleDebug(kernel).bring(RING)
    assert kernel.loaded == [("types", "virtio_ring.ko")]


def test_a_module_that_is_not_in_the_kernel_is_not_loaded(crash):
    kernel = crash("virtio_ring")
    debug = ModuleDebug(kernel)
    assert not debug.bring("struct virtio_blk")
    assert kernel.loaded == []
    assert debug.why_not("struct virtio_blk") == ("vmlinux does not hold it, and virtio_blk is not among this kernel's "
                                                  "modules")


def test_a_file_that_does_not_help_is_named(crash, tmp_path):
    kernel = crash("virtio_ring", holds={("types", "other"): set()})
    debug = ModuleDebug(kernel)
    assert not debug.bring(RING)
    assert debug.why_not(RING).startswith(f"{tmp_path}/virtio_ring.ko did not bring it. Install ")


def test_a_file_of_another_build_is_refused(crash, tmp_path, monkeypatch):
    kernel = crash("virtio_ring")
    kernel.build_ids["virtio_ring"] = "ab" * 20
    monkeypatch.setattr(elf, "build_id", {f"{tmp_path}/virtio_ring.ko": "cd" * 20}.get)
    debug = ModuleDebug(kernel)
    assert not debug.bring(RING)
    assert kernel.loaded == []
    assert debug.why_not(RING).startswith(f"{tmp_path}/virtio_ring.ko is of another build (build id {'cd' * 20}, in "
                                          f"the kernel {'ab' * 20}). Install ")
    monkeypatch.setattr(elf, "build_id", {f"{tmp_path}/virtio_ring.ko": "ab" * 20}.get)
    assert ModuleDebug(kernel).bring(RING)


def test_no_file(crash):
    debug = ModuleDebug(crash("virtio_ring", files=()))
    assert not debug.bring(RING)
    assert debug.why_not(RING) == (
        "that of module virtio_ring was not found. Install linux-image-6.1.0-0-cloud-amd64-dbg (Debian); where it lies "
        "elsewhere, load it by `mod -s virtio_ring FILE`, or set VQCHECK_MODULES to its folder before crash is started")
