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


def packages(release: Optional[str]) -> str:
    """The packages with the debug information of a kernel and its modules, as words for an error message."""
    known = release or "RELEASE"
    return (f"linux-image-{known}-dbg on Debian, linux-image-{known}-dbgsym on Ubuntu, kernel-debuginfo-{known} on "
            "Fedora, RHEL and openEuler, kernel-default-debuginfo on SUSE")
