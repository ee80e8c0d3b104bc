"""Debian's kernels with their debug information, cloud ones where there are, and the modules that guests load."""
import lzma
import pathlib
import platform
import shutil
import subprocess
from typing import Dict, Iterable, List, NamedTuple

from . import packages

DISK_MODULES = ("virtio_pci", "virtio_ccw", "virtio_blk", "qemu_fw_cfg")
"""What a guest needs that has but disks."""

ALL_MODULES = (*DISK_MODULES, "virtio_mmio", "virtio_net", "virtio_scsi", "sd_mod", "virtio_console", "virtio_rng",
               "virtio_balloon", "virtio_input", "evdev", "virtio_gpu", "virtio_crypto", "9pnet_virtio", "9p",
               "virtio_pmem", "nd_pmem", "virtio_mem", "virtio_iommu", "virtiofs", "vmw_vsock_virtio_transport")
"""What there may be of virtio drivers.  A kernel may have one built in, or not at all."""

DEBUG_ONLY = ("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "scsi_mod", "net_failover",
              "vmw_vsock_virtio_transport_common", "vsock", "nd_virtio", "libnvdimm", "fuse")

RECIPE = 3
"""Counted up with every change of what is kept, so that a cache does not serve the old choice."""


class Source(NamedTuple):
    """Where a kernel comes from: the newest of a series in a suite."""

    suite: str
    series: str
    architecture: str = "amd64"
    flavour: str = "cloud-"
    """What comes before the architecture in the names of its packages."""


SOURCES: Dict[str, Source] = {
    "5.10": Source("bullseye", "5.10."),
    "6.1": Source("bookworm", "6.1."),
    "6.12": Source("trixie", "6.12."),
    "7.2": Source("sid", ""),  # whatever is newest; 7.2 is what it was when this was written
    "6.1-arm64": Source("bookworm", "6.1.", "arm64"),
    "6.1-s390x": Source("bookworm", "6.1.", "s390x", flavour=""),
}
DEFAULT = "6.1"

OURS = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


class Kernel(NamedTuple):
    """A kernel that is ready to be booted and read."""

    release: str
    architecture: str
    vmlinuz: pathlib.Path
    vmlinux: pathlib.Path
    """With debug info; relocations removed, which halves its size and changes nothing for crash and drgn."""
    debug_modules: pathlib.Path
    """A directory of NAME.ko files with debug info."""
    modules: pathlib.Path
    """A directory of the modules that a guest may load, and of what they depend on."""
    busybox: pathlib.Path

    def load_order(self, wanted: Iterable[str]) -> List[pathlib.Path]:
        """The files to load for modules, in that order; without those that the kernel has not, or has built in."""
        needs = _dependencies(self.modules)
        order: List[str] = []
        for name in wanted:
            if name in needs:
                file, *below = needs[name]
                order += [one for one in [*reversed(below), file] if one not in order]
        return [self.modules / one for one in order]


def kernel(name: str = DEFAULT) -> Kernel:
    """One of the lab's kernels; downloaded and unpacked on first use."""
    home = packages.cache_dir() / f"linux-{name}-{RECIPE}"
    if not (home / "release").exists():
        with packages.alone(home):
            if not (home / "release").exists():
                _fetch(SOURCES[name], home)
    return Kernel((home / "release").read_text().strip(), SOURCES[name].architecture, home / "vmlinuz",
                  home / "vmlinux", home / "debug", home / "modules", home / "busybox")


def _fetch(source: Source, home: pathlib.Path) -> None:
    work = home.with_name(home.name + ".work")
    release = _unpack(source, work)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    shutil.copy(_one(work, "vmlinuz*"), home / "vmlinuz")
    # Not the kernel's suite's: an older dd cannot bypass the page cache.
    packages.Archive(architecture=_foreign(source)).unpack(["busybox-static"], work / "tools")
    shutil.copy(_one(work / "tools", "busybox"), home / "busybox")
    debug = work / "usr/lib/debug"
    _slim(max(debug.rglob("vmlinux*"), key=lambda file: file.stat().st_size), home / "vmlinux", source)
    _collect_modules(work, release, home / "modules")
    _collect_debug(debug, home / "debug")
    shutil.rmtree(work)
    (home / "release").write_text(release + "\n")


def _unpack(source: Source, work: pathlib.Path) -> str:
    """Unpack the newest kernel whose packages are all there; returns its release.

    The lists of a suite may name packages that its archive no longer has.
    """
    archive = packages.Archive(source.suite, _foreign(source))
    ending = f"-{source.flavour}{source.architecture}-dbg"
    problems = []
    for debug in archive.names(f"linux-image-{source.series}", ending):
        image = debug[:-len("-dbg")]
        if not image[len("linux-image-"):][:1].isdigit():
            continue
        # Since 2025 linux-image is an empty package that depends on these two.
        parts = [one for one in archive.dependencies(image) if one.startswith(("linux-binary-", "linux-modules-"))]
        shutil.rmtree(work, ignore_errors=True)
        try:
            archive.unpack([image, debug, *parts], work)
        except RuntimeError as problem:
            problems.append(str(problem))
            continue
        return image[len("linux-image-"):]
    raise RuntimeError(f"{source.suite} has no kernel linux-image-{source.series}*{ending}: {problems[-1:]}")


def _foreign(source: Source) -> str:
    """The architecture of its packages, if it is another one than this machine's."""
    return source.architecture if source.architecture != OURS else ""


def _one(tree: pathlib.Path, name: str) -> pathlib.Path:
    return next(file for file in sorted(tree.rglob(name)) if file.is_file() and not file.is_symlink())


def _slim(vmlinux: pathlib.Path, into: pathlib.Path, source: Source) -> None:
    if source.architecture == OURS:
        subprocess.run(["objcopy", "-R", ".rela*", str(vmlinux), str(into)], check=True)
    else:
        shutil.copy(vmlinux, into)  # objcopy knows its own architecture only


def _collect_modules(root: pathlib.Path, release: str, into: pathlib.Path) -> None:
    """The closure of ALL_MODULES, uncompressed.  Debian's packages ship no modules.dep of their own."""
    into.mkdir()
    if not (root / "lib").exists():  # newer packages bring /usr/lib only, and depmod looks in /lib
        (root / "lib").symlink_to("usr/lib")
    base = root / "lib/modules" / release
    subprocess.run(["depmod", "-b", str(root), release], check=True, stderr=subprocess.DEVNULL)
    shutil.copy(base / "modules.dep", into / "modules.dep")
    needs = _dependencies(into, full=True)
    for name in ALL_MODULES:
        for path in needs.get(name, []):
            raw = (base / path).read_bytes()
            (into / _file_name(path)).write_bytes(lzma.decompress(raw) if path.endswith(".xz") else raw)


def _dependencies(folder: pathlib.Path, full: bool = False) -> Dict[str, List[str]]:
    """Module name to its own file and those of what it needs; `full` paths or file names."""
    found = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, below = line.partition(":")
        files = [path, *below.split()]
        found[_file_name(path)[:-len(".ko")].replace("-", "_")] = files if full else list(map(_file_name, files))
    return found


def _file_name(path: str) -> str:
    name = pathlib.Path(path).name
    return name[:-len(".xz")] if name.endswith(".xz") else name


def _collect_debug(debug: pathlib.Path, into: pathlib.Path) -> None:
    into.mkdir()
    wanted = {*ALL_MODULES, *DEBUG_ONLY}
    for file in debug.rglob("*.ko"):
        if file.stem.replace("-", "_") in wanted:
            shutil.copy(file, into)
