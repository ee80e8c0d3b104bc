"""QEMUs with debug information, built from Debian's source packages.

Debian's own debug packages live in a separate archive; building takes 4 to 8 minutes once and needs no more than the
source.  Only what the lab uses is configured in: one target, PCI, MMIO, virtio, TCG.
"""
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Dict, List, NamedTuple, Sequence

from . import packages

RECIPE = 4
"""Counted up with every change of what is built, so that a cache does not keep the old one."""

VIRTIO = ("PCI", "MMIO", "BLK", "SCSI", "NET", "RNG", "SERIAL", "BALLOON", "INPUT", "GPU", "CRYPTO", "9P", "MEM",
          "IOMMU")

VHOST_USER = ("VHOST_USER_FS", "VHOST_USER_VSOCK", "VHOST_USER_BLK")
"""Devices that another process serves, for tests that play that process."""

MACHINES: Dict[str, List[str]] = {
    "x86_64": ["I440FX", "Q35", "MICROVM", "SERIAL_ISA", "MEM_DEVICE", "NVDIMM", "VIRTIO_PMEM"],
    "aarch64": ["ARM_VIRT", "ARM_V7M"],  # the latter as target/arm does not link without it
    "s390x": ["S390_CCW_VIRTIO"],  # which brings PCI and VIRTIO_CCW
}

NOT_THERE: Dict[str, Sequence[str]] = {"s390x": ("MEM",)}
"""Those of VIRTIO that QEMU 7.2 has not for a target, and does not let itself be configured with."""

CONFIGURE = """--without-default-features --without-default-devices --enable-system --disable-user --enable-tcg
--enable-kvm --enable-linux-aio --enable-linux-io-uring --enable-vhost-kernel --enable-vhost-net --enable-vhost-user
--enable-virtfs --enable-attr --enable-cap-ng --enable-slirp --enable-fdt=system --enable-debug-info --disable-tools
--disable-docs --disable-guest-agent --disable-werror""".split()

DEBIANS_MESON = ("--meson=/usr/bin/meson",)
NEWER = ("--enable-pixman", "--disable-install-blobs")
"""What QEMU 8.1 and later are told besides: they want pixman for any display, and firmware that Debian's source
package has not."""

LEFT_OUT = """vnc sdl gtk curses iconv opengl virglrenderer spice curl capstone libssh libxml2 rbd glusterfs libiscsi
libnfs libusb usb-redir smartcard seccomp numa gnutls nettle gcrypt auth-pam libudev brlapi xen tpm virtiofsd""".split()
OLDER = ("--enable-slirp=system", "--disable-blobs", *(f"--disable-{one}" for one in LEFT_OUT))
"""What QEMU 5.2 is told instead: it takes in whatever this machine has a library for, unless it is told not to."""

UNKNOWN_TO_OLDER = ("--without-default-features", "--enable-slirp", "VHOST_USER_FS", "VHOST_USER_VSOCK")
"""The two devices come with its --enable-vhost-user and --enable-vhost-kernel."""

MESON = "meson>=1.5,<1.9"
"""For QEMUs that Debian 12's meson 1.0 is too old for."""


class Source(NamedTuple):
    """Where a QEMU comes from: the newest of a series in a suite."""
    suite: str
    series: str
    configure: Sequence[str]
    own_meson: bool = True
    """Whether it needs a newer meson than this machine's."""
    devices: Sequence[str] = ()
    """What else must be built in for it to link, and to start."""
    unknown: Sequence[str] = ()
    """Words of CONFIGURE that it does not know, and devices that its list must not have."""
    own_list: bool = True
    """Whether it can be told of a list of devices of our own; else that of its target is overwritten."""


SOURCES: Dict[str, Source] = {
    "5.2": Source("bullseye", "5.2", (*DEBIANS_MESON, *OLDER), own_meson=False, unknown=UNKNOWN_TO_OLDER,
                  own_list=False),
    "7.2": Source("bookworm", "7.2", DEBIANS_MESON, own_meson=False),
    "10.0": Source("trixie", "10.0", NEWER),
    "newest": Source("sid", "", NEWER, devices=("PCIE_PORT", "PXB", "CXL", "CXL_MEM_DEVICE")),  # was 10.2.2
}
DEFAULT = "7.2"


def qemu(name: str = DEFAULT, target: str = "x86_64") -> pathlib.Path:
    """One of the lab's QEMU binaries, with debug info; built on first use."""
    home = packages.cache_dir() / f"qemu-{name}-{target}-{RECIPE}"
    binary = home / f"qemu-system-{target}"
    with packages.alone(home):
        if not binary.exists():
            _build(SOURCES[name], target, home)
    return binary


def _build(source: Source, target: str, home: pathlib.Path) -> None:
    program = f"qemu-system-{target}"
    work = home.with_name(home.name + ".build")
    shutil.rmtree(work, ignore_errors=True)
    tree = packages.Archive(source.suite).source("qemu", work, source.series)
    virtio = [f"VIRTIO_{name}" for name in VIRTIO if name not in NOT_THERE.get(target, ())]
    devices = [*virtio, *VHOST_USER, *MACHINES[target], *source.devices]
    (tree / (f"configs/devices/{target}-softmmu/lab.mak" if source.own_list
             else f"default-configs/devices/{target}-softmmu.mak")).write_text(
        "".join(f"CONFIG_{one}=y\n" for one in devices if one not in source.unknown))
    build = tree / "build"
    build.mkdir()
    configure = ["../configure", f"--target-list={target}-softmmu",
                 *(word for word in CONFIGURE if word not in source.unknown), *source.configure]
    if source.own_list:
        configure.append(f"--with-devices-{target}=lab")
    # A python earlier on PATH than Debian's (pyenv, a virtual environment) breaks the system's meson.
    environment = dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    environment.pop("VIRTUAL_ENV", None)
    with open(home.with_name(home.name + ".log"), "w") as log:
        def run(*command: str) -> None:
            done = subprocess.run(command, cwd=build, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=subprocess.STDOUT, check=False)
            if done.returncode:
                raise RuntimeError(f"QEMU did not build: see {log.name}")

        if source.own_meson:
            run("/usr/bin/python3", "-m", "venv", str(work / "meson"))
            run(str(work / "meson/bin/pip"), "install", "--quiet", "--disable-pip-version-check", MESON)
            configure.append(f"--python={work / 'meson/bin/python3'}")
        run(*configure)
        run("ninja", f"-j{os.cpu_count()}", program)
    home.mkdir(exist_ok=True)
    shutil.copy2(build / program, home / "incoming")
    (home / "incoming").rename(home / program)
    shutil.rmtree(work)


if __name__ == "__main__":  # python3 -m tests.lab.qemu_build 10.0: build it beforehand
    print(qemu(*sys.argv[1:]))
