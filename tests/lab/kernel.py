"""Debian's cloud kernel with its debug information, and an initramfs that writes to /dev/vdb."""
import pathlib
import shutil
import subprocess
from typing import List, NamedTuple

from . import packages

MODULES = ("virtio_pci", "virtio_blk", "qemu_fw_cfg")
DEBUG_MODULES = ("virtio", "virtio_ring", "virtio_pci", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_blk")


class Kernel(NamedTuple):
    release: str
    vmlinuz: pathlib.Path
    vmlinux: pathlib.Path
    """With debug info; relocations removed, which halves its size and changes nothing for crash and drgn."""
    debug_modules: pathlib.Path
    """A directory of NAME.ko files with debug info."""
    modules: List[pathlib.Path]
    """What the guest loads, in load order."""


def kernel() -> Kernel:
    """The lab's kernel; downloaded and unpacked on first use."""
    home = packages.cache_dir() / "linux-cloud"
    if not (home / "release").exists():
        _fetch(home)
    release = (home / "release").read_text().strip()
    return Kernel(release, home / "vmlinuz", home / "vmlinux", home / "debug",
                  [home / "modules" / name for name in (home / "modules" / "order").read_text().split()])


def _fetch(home: pathlib.Path) -> None:
    archive = packages.Archive()
    name = archive.dependency("linux-image-cloud-amd64", "linux-image-")
    release = name[len("linux-image-"):]
    work = home.with_name(home.name + ".work")
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
    archive.unpack([name, name + "-dbg"], work)
    home.mkdir()
    shutil.copy(work / "boot" / f"vmlinuz-{release}", home / "vmlinuz")
    debug = work / "usr/lib/debug"
    subprocess.run(["objcopy", "-R", ".rela*", str(debug / "boot" / f"vmlinux-{release}"), str(home / "vmlinux")],
                   check=True)
    (home / "debug").mkdir()
    for module in DEBUG_MODULES:
        (found,) = (debug / "lib/modules" / release).rglob(module + ".ko")
        shutil.copy(found, home / "debug")
    _collect_modules(work, release, home / "modules")
    shutil.rmtree(work)
    (home / "release").write_text(release + "\n")


def _collect_modules(root: pathlib.Path, release: str, into: pathlib.Path) -> None:
    """The closure of MODULES, in load order; Debian 12's packages ship no modules.dep."""
    into.mkdir()
    subprocess.run(["depmod", "-b", str(root), release], check=True)
    base = root / "lib/modules" / release
    needs = {}
    for line in (base / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[pathlib.Path(path).name.split(".")[0].replace("-", "_")] = (path, rest.split())
    order: List[str] = []
    for module in MODULES:
        path, below = needs[module]
        order += [p for p in [*reversed(below), path] if p not in order]
    for path in order:
        shutil.copy(base / path, into)
    (into / "order").write_text("\n".join(pathlib.Path(p).name for p in order) + "\n")
