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


FAMILIES = (
    (r"-(amd64|arm64|armmp\S*|686\S*|s390x|powerpc64le|riscv64|loong64|loongson-3|mips64el\S*)$",
     "linux-image-{release}-dbg (Debian)"),
    (r"^\d+\.\d+\.\d+-\d+-[a-z]", "linux-image-{release}-dbgsym (Ubuntu)"),
    (r"\.(el|fc|oe)\d", "kernel-debuginfo-{release}"),
    (r"-default$", "kernel-default-debuginfo (SUSE)"),
)
"""How a distribution's releases look, tried in this order, and the package."""

EVERYBODY = ("linux-image-{release}-dbg (Debian), linux-image-{release}-dbgsym (Ubuntu), kernel-debuginfo (Fedora, "
             "RHEL, CentOS, openEuler) or kernel-default-debuginfo (SUSE)")


def packages(release: Optional[str]) -> str:
    """The packages with the debug information of a kernel and its modules, as words for an error message.

    One where the release (as uname -r has it) tells whose kernel it is, else what everybody has.
    """
    for pattern, package in FAMILIES if release else ():
        if re.search(pattern, str(release)):
            return package.format(release=release)
    return EVERYBODY.format(release=release or "RELEASE")
