"""QEMU with debug information, built from Debian's source package.

Debian's own debug packages live in a separate archive; building takes 4 to 8 minutes once and needs no more than the
source.  Only what the lab uses is configured in: one target, PCI, virtio, TCG.
"""
import os
import pathlib
import shutil
import subprocess

from . import packages

DEVICES = """CONFIG_I440FX=y
CONFIG_Q35=y
CONFIG_MICROVM=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_SCSI=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_VIRTIO_BALLOON=y
CONFIG_SERIAL_ISA=y
"""

CONFIGURE = """--target-list=x86_64-softmmu --without-default-features --without-default-devices
--with-devices-x86_64=lab --enable-system --disable-user --enable-tcg --enable-kvm --enable-linux-aio
--enable-vhost-kernel --enable-vhost-net --enable-vhost-user --enable-debug-info --disable-tools --disable-docs
--disable-guest-agent --meson=/usr/bin/meson --disable-werror""".split()


def qemu() -> pathlib.Path:
    """The lab's QEMU binary, with debug info; built on first use."""
    home = packages.cache_dir() / "qemu-7.2"
    binary = home / "qemu-system-x86_64"
    if binary.exists():
        return binary
    work = packages.cache_dir() / "qemu-7.2.build"
    shutil.rmtree(work, ignore_errors=True)
    tree = packages.Archive().source("qemu", work)
    (tree / "configs/devices/x86_64-softmmu/lab.mak").write_text(DEVICES)
    build = tree / "build"
    build.mkdir()
    # A python earlier on PATH than Debian's (pyenv, a virtual environment) breaks the system's meson.
    environment = dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    environment.pop("VIRTUAL_ENV", None)
    with open(packages.cache_dir() / "qemu-7.2.log", "w") as log:
        for command in (["../configure", *CONFIGURE], ["ninja", f"-j{os.cpu_count()}", "qemu-system-x86_64"]):
            done = subprocess.run(command, cwd=build, env=environment, stdout=log, stderr=subprocess.STDOUT,
                                  check=False)
            if done.returncode:
                raise RuntimeError(f"QEMU did not build: see {log.name}")
    home.mkdir(exist_ok=True)
    shutil.copy2(build / "qemu-system-x86_64", home / "incoming")
    (home / "incoming").rename(binary)
    shutil.rmtree(work)
    return binary
