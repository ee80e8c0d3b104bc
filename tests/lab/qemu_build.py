"""QEMU with debug information, built from Debian's source package.

Debian's own debug packages live in a separate archive; building takes 4 to 8 minutes once and needs no more than the
source.  Only what the lab uses is configured in: one target, PCI, MMIO, virtio, TCG.
"""
import os
import pathlib
import shutil
import subprocess
from typing import Dict, List

from . import packages

RECIPE = 3
"""Counted up with every change of what is built, so that a cache does not keep the old one."""

VIRTIO = ("PCI", "MMIO", "BLK", "SCSI", "NET", "RNG", "SERIAL", "BALLOON", "INPUT", "GPU", "CRYPTO", "9P", "MEM",
          "IOMMU")

VHOST_USER = ("VHOST_USER_FS", "VHOST_USER_VSOCK")
"""Devices that another process serves, for tests that play that process."""

MACHINES: Dict[str, List[str]] = {
    "x86_64": ["I440FX", "Q35", "MICROVM", "SERIAL_ISA", "MEM_DEVICE", "NVDIMM", "VIRTIO_PMEM"],
    "aarch64": ["ARM_VIRT", "ARM_V7M"],  # the latter as target/arm does not link without it
}

CONFIGURE = """--without-default-features --without-default-devices --enable-system --disable-user --enable-tcg
--enable-kvm --enable-linux-aio --enable-vhost-kernel --enable-vhost-net --enable-vhost-user --enable-virtfs
--enable-attr --enable-cap-ng --enable-slirp --enable-fdt=system --enable-debug-info --disable-tools --disable-docs
--disable-guest-agent --meson=/usr/bin/meson --disable-werror""".split()


def qemu(target: str = "x86_64") -> pathlib.Path:
    """The lab's QEMU binary for a target, with debug info; built on first use."""
    home = packages.cache_dir() / f"qemu-7.2-{target}-{RECIPE}"
    binary = home / f"qemu-system-{target}"
    with packages.alone(home):
        if not binary.exists():
            _build(target, home)
    return binary


def _build(target: str, home: pathlib.Path) -> None:
    program = f"qemu-system-{target}"
    work = home.with_name(home.name + ".build")
    shutil.rmtree(work, ignore_errors=True)
    tree = packages.Archive().source("qemu", work)
    devices = [*(f"VIRTIO_{name}" for name in VIRTIO), *VHOST_USER, *MACHINES[target]]
    (tree / f"configs/devices/{target}-softmmu/lab.mak").write_text("".join(f"CONFIG_{one}=y\n" for one in devices))
    build = tree / "build"
    build.mkdir()
    # A python earlier on PATH than Debian's (pyenv, a virtual environment) breaks the system's meson.
    environment = dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    environment.pop("VIRTUAL_ENV", None)
    configure = ["../configure", f"--target-list={target}-softmmu", f"--with-devices-{target}=lab", *CONFIGURE]
    with open(home.with_name(home.name + ".log"), "w") as log:
        for command in (configure, ["ninja", f"-j{os.cpu_count()}", program]):
            done = subprocess.run(command, cwd=build, env=environment, stdout=log, stderr=subprocess.STDOUT,
                                  check=False)
            if done.returncode:
                raise RuntimeError(f"QEMU did not build: see {log.name}")
    home.mkdir(exist_ok=True)
    shutil.copy2(build / program, home / "incoming")
    (home / "incoming").rename(home / program)
    shutil.rmtree(work)
