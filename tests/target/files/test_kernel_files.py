"""Where a kernel's debug information is looked for, and what is said where there is none."""
import pytest

from vqcheck.target.files import kernel_files


def test_places():
    found = kernel_files.places("6.1.0-56-amd64", "0123ab")
    assert found[0] == "/usr/lib/debug/boot/vmlinux-6.1.0-56-amd64"
    assert "/usr/lib/debug/lib/modules/6.1.0-56-amd64/vmlinux" in found
    assert found[-1] == "/usr/lib/debug/.build-id/01/23ab.debug"


@pytest.mark.parametrize("release", [None, "", "../../home/me", "6.1\n", "a b"])
@pytest.mark.parametrize("build_id", [None, "", "..", "../x", "0g"])
def test_a_dump_leads_nowhere_else(release, build_id):
    assert kernel_files.places(release, build_id) == []


@pytest.mark.parametrize("release, package", [
    ("6.1.0-56-cloud-amd64", "linux-image-6.1.0-56-cloud-amd64-dbg (Debian)"),
    ("6.12.9-arm64", "linux-image-6.12.9-arm64-dbg (Debian)"),
    ("6.8.0-31-generic", "linux-image-6.8.0-31-generic-dbgsym (Ubuntu)"),
    ("5.14.0-427.13.1.el9_4.x86_64", "kernel-debuginfo-5.14.0-427.13.1.el9_4.x86_64 (Fedora, RHEL"),
    ("5.10.0-136.12.0.86.oe2203sp1.aarch64", "kernel-debuginfo-5.10.0-136.12.0.86.oe2203sp1.aarch64 (Fedora, RHEL"),
    ("6.4.0-150600.23.7-default", "kernel-default-debuginfo (SUSE)")])
def test_the_package_that_brings_it(release, package):
    assert kernel_files.package(release).startswith(package)


@pytest.mark.parametrize("release", [None, "6.1.0-mine", "\x1b[2J-amd64"])
def test_all_packages_where_the_release_tells_nothing(release):
    assert all(word in kernel_files.package(release) for word in ("Debian", "Ubuntu", "RHEL", "openEuler", "SUSE"))
    assert "\x1b" not in kernel_files.package(release)
