"""Where distributions put a kernel with its debug information, and what brings it."""
import re
from typing import List, Optional

PATTERNS = (
    "/usr/lib/debug/boot/vmlinux-{release}",                # Debian, Ubuntu
    "/usr/lib/debug/lib/modules/{release}/vmlinux",         # Fedora, RHEL, openEuler
    "/usr/lib/debug/usr/lib/modules/{release}/vmlinux",
    "/usr/lib/debug/boot/vmlinux-{release}.debug",          # SUSE
    "/usr/lib/debug/usr/lib/modules/{release}/vmlinux.debug",
    "/boot/vmlinux-{release}",
    "/lib/modules/{release}/build/vmlinux",                 # where it was built
    "/lib/modules/{release}/vmlinux",
)


FOLDERS = "/usr/lib/debug, /boot and /lib/modules"
"""Where those are, in short."""

PACKAGES = (
    (r"-(amd64|arm64|armmp|686|686-pae|s390x|powerpc64le|riscv64)$", "linux-image-{release}-dbg (Debian)"),
    (r"-(generic|lowlatency|kvm|aws|azure|gcp|oracle)(-.*)?$", "linux-image-{release}-dbgsym (Ubuntu)"),
    (r"\.(el|fc|oe|an|al)\w+", "kernel-debuginfo-{release} (Fedora, RHEL and its kin, openEuler)"),
    (r"-(default|preempt|azure)$", "kernel-default-debuginfo (SUSE)"),
)
"""How a release tells its distribution, and the package there."""

RELEASE = re.compile(r"[\w.+~-]+")
BUILD_ID = re.compile(r"[0-9a-f]{4,128}")
"""Both come out of a dump, and shall lead nowhere else."""


def places(release: Optional[str], build_id: Optional[str], root: str = "") -> List[str]:
    """Paths that a kernel with debug information may have, the likeliest first."""
    found = []
    if release and RELEASE.fullmatch(release):
        found += [root + pattern.format(release=release) for pattern in PATTERNS]
    if build_id and BUILD_ID.fullmatch(build_id):
        found.append(f"{root}/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug")
    return found


def package(release: Optional[str]) -> str:
    """The package with the debug information of a kernel and its modules, as words for an error message.

    Which distribution it is, its release tells: 6.1.0-56-cloud-amd64, 6.8.0-31-generic, 5.14.0-427.el9.x86_64,
    5.10.0-136.oe2203.aarch64, 6.4.0-150600.23-default.
    """
    known = release if release and RELEASE.fullmatch(release) else "RELEASE"
    for pattern, words in PACKAGES:
        if re.search(pattern, known):
            return words.format(release=known)
    return "; ".join(words.format(release=known) for _, words in PACKAGES)
