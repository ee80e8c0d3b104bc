"""The package that holds the debug information of a kernel's modules."""
import re

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


def debug_packages(release: str) -> str:
    """The package, as far as the release (as uname -r has it) tells whose kernel it is; else what everybody has."""
    for pattern, package in FAMILIES:
        if re.search(pattern, release):
            return package.format(release=release)
    return EVERYBODY.format(release=release)
