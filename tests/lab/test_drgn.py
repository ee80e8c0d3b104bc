"""`vqcheck guest` on every kind of dump of one idle machine, and on bad ones."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import pytest

from vqcheck.snapshot.model import Snapshot
from vqcheck.snapshot.read import read
from vqcheck.target.files import elf

from . import layouts, sides, vmcore
from .capture import Capture, take
from .kernel import kernel
from .options import Options
from .vm import Machine

pytestmark = pytest.mark.lab

Maker = Callable[[pathlib.Path, pathlib.Path], None]


def _makedumpfile(*words: str) -> Maker:
    """Makes a dump as kdump does, of QEMU's memory as an ELF file."""
    def make(source: pathlib.Path, target: pathlib.Path) -> None:
        subprocess.run(["makedumpfile", "--message-level", "4", *words, "-x", str(kernel().vmlinux), str(source),
                        str(target)], check=True, stdout=subprocess.DEVNULL)
    return make


def _flattened(source: pathlib.Path, target: pathlib.Path) -> None:
    with open(target, "wb") as output:
        subprocess.run(["makedumpfile", "-F", "-c", "-d", "31", "-x", str(kernel().vmlinux), str(source)],
                       stdout=output, stderr=subprocess.DEVNULL, check=True)


def _renamed(old: bytes, new: bytes) -> Maker:
    """Makes a dump whose headers lack something; its memory keeps it."""
    def make(source: pathlib.Path, target: pathlib.Path) -> None:
        _sparse_copy(source, target)
        with open(target, "r+b") as file:
            headers = file.read(vmcore.RAM_OFFSET)
            file.seek(headers.index(old))
            file.write(new)
    return make


def _sparse_copy(source: pathlib.Path, target: pathlib.Path) -> None:
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)


DERIVED: Dict[str, Maker] = {
    "kdump, zlib, filtered": _makedumpfile("-c", "-d", "31"),
    "kdump, lzo, filtered": _makedumpfile("-l", "-d", "31"),
    "kdump, plain": _makedumpfile("-d", "0"),
    "ELF, filtered": _makedumpfile("-E", "-d", "31"),
    "kdump, zlib, filtered, flattened": _flattened,
    "no VMCOREINFO": _renamed(b"VMCOREINFO\0", b"SOMETHINGEL"),
    "no build id": _renamed(b"BUILD-ID=", b"BUILD_ID="),  # as up to Linux 5.8
}
QEMU_ELF, UNFLATTENED = "QEMU's ELF", "QEMU's kdump"
QEMUS: Dict[str, Dict[str, object]] = {
    QEMU_ELF: {"paging": False},
    "QEMU's ELF, paging": {"paging": True},
    "QEMU's kdump, flattened": {"paging": False, "format": "kdump-zlib"},
}


class Dumps(NamedTuple):
    """One machine at rest, as dumps of all kinds."""

    capture: Capture
    files: Dict[str, pathlib.Path]


@pytest.fixture(scope="module")
def dumps() -> Iterator[Dumps]:
    """The machine does nothing, so that it does not matter that QEMU drains its disks for a dump."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vqcheck-lab-"))
    try:
        files = {name: directory / f"dump{number}" for number, name in enumerate([*DERIVED, *QEMUS, UNFLATTENED])}
        with Machine(directory, Options(idle=True, queues=2)) as machine:
            machine.wait("end of the bursts", lambda: min(machine.truth().writers) >= 8)
            machine.wait_quiet()
            capture = take(machine)
            for name, words in QEMUS.items():
                machine.qmp.command("dump-guest-memory", protocol=f"file:{files[name]}", **words)
        for name, make in DERIVED.items():
            make(capture.vmcore, files[name])
        with open(files["QEMU's kdump, flattened"], "rb") as flat:
            subprocess.run(["makedumpfile", "-R", str(files[UNFLATTENED])], stdin=flat, check=True,
                           stdout=subprocess.DEVNULL)
        yield Dumps(capture, files)
    finally:
        shutil.rmtree(directory)


def guest(*words: object) -> Tuple[int, str, str]:
    """`vqcheck guest WORDS`: status, output and errors."""
    done = subprocess.run([sys.executable, "-m", "vqcheck", "guest", *map(str, words)], cwd=sides.ROOT,
                          env={**os.environ, "VQCHECK_MODULES": ""}, capture_output=True, text=True, timeout=300,
                          check=False)
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def snapshot(dump: pathlib.Path, *words: object) -> Tuple[Snapshot, str]:
    """The whole guest, and the notes."""
    status, out, err = guest("--vmcore", dump, "--vmlinux", kernel().vmlinux, "--json", *words)
    assert status == 0, err
    return read(out.encode()), err


@pytest.fixture(scope="module")
def expected(dumps: Dumps) -> Snapshot:
    """The guest in its plain memory, whose headers the lab itself has written."""
    return snapshot(dumps.capture.vmcore)[0]


@pytest.mark.parametrize("kind", [*DERIVED, *QEMUS, UNFLATTENED])
def test_every_kind_of_dump_shows_the_same(dumps: Dumps, expected: Snapshot, kind: str) -> None:
    found, err = snapshot(dumps.files[kind])
    assert found.devices == expected.devices and found.target == expected.target
    (queue, *_) = [queue for device in found.devices if device.name == "vdb" for queue in device.queues]
    assert queue.ring is not None and queue.ring.used_idx > 8
    note = f"{dumps.files[kind]} lacks VMCOREINFO in its headers; the kernel's was found in its memory"
    assert err == (f"vqcheck guest: {note}\n" if kind == "no VMCOREINFO" else "")


@pytest.fixture(scope="module")
def saved(dumps: Dumps) -> pathlib.Path:
    """The kernel's layout file."""
    return layouts.save(dumps.capture.kernel, dumps.capture.directory / "x.vqlayout")


@pytest.mark.parametrize("kind", [*DERIVED, *QEMUS, UNFLATTENED])
def test_a_layout_does_for_every_kind_of_dump(dumps: Dumps, expected: Snapshot, saved: pathlib.Path, kind: str,
                                              tmp_path: pathlib.Path) -> None:
    found = layouts.guest(dumps.files[kind], saved, tmp_path / "g.json")
    assert found.devices == expected.devices and found.target == expected.target


def test_crash_sees_the_same(dumps: Dumps, expected: Snapshot) -> None:
    assert sides.guest_by_crash(dumps.capture).snapshot.devices == expected.devices


def test_a_recording_is_that_of_a_dump(dumps: Dumps, tmp_path: pathlib.Path) -> None:
    vqcap = tmp_path / "guest.vqcap"
    assert snapshot(dumps.capture.vmcore, "vdb", "--capture", vqcap)[0].capture.source == "vmcore"
    replayed = subprocess.run([sys.executable, "-m", "vqcheck", "replay", str(vqcap), "--json"], cwd=sides.ROOT,
                              stdout=subprocess.PIPE, check=True).stdout
    assert read(replayed) == snapshot(dumps.capture.vmcore, "vdb")[0]


def refused(*words: object) -> str:
    """The one line with which the command gives up."""
    status, out, err = guest(*words)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("vqcheck: ")
    return line


@pytest.fixture(scope="module")
def other_kernels(dumps: Dumps) -> Dict[str, pathlib.Path]:
    """vmlinux that will not do: of another build, stripped, and without a build id."""
    linux, directory = kernel(), dumps.capture.directory
    build_id = elf.build_id(str(linux.vmlinux))
    assert build_id is not None
    content = linux.vmlinux.read_bytes()
    assert content.count(bytes.fromhex(build_id)) == 1
    found = {name: directory / f"vmlinux-{name}" for name in ("other", "stripped", "nameless")}
    found["other"].write_bytes(content.replace(bytes.fromhex(build_id), b"\xee" * 20))
    for name, tool in (("stripped", ["strip", "-o"]), ("nameless", ["objcopy", "-R", ".notes"])):
        words = [str(linux.vmlinux), str(found[name])]
        subprocess.run([*tool, *(reversed(words) if name == "stripped" else words)], check=True)
    return found


@pytest.mark.parametrize("kind", [QEMU_ELF, UNFLATTENED, "no VMCOREINFO"])
def test_another_builds_vmlinux_is_refused_with_both_ids(dumps: Dumps, other_kernels: Dict[str, pathlib.Path],
                                                        kind: str) -> None:
    line = refused("--vmcore", dumps.files[kind], "--vmlinux", other_kernels["other"])
    assert "ee" * 20 in line and str(elf.build_id(str(kernel().vmlinux))) in line and kernel().release in line


def test_another_builds_vmlinux_is_told_by_the_memory_where_headers_have_no_id(
        dumps: Dumps, other_kernels: Dict[str, pathlib.Path]) -> None:
    line = refused("--vmcore", dumps.files["no build id"], "--vmlinux", other_kernels["other"])
    assert line.endswith(f"the file's build id is {'ee' * 20}, and in memory, where that kernel has it, is "
                         f"{elf.build_id(str(kernel().vmlinux))}")


@pytest.mark.parametrize("name, complaint", [("stripped", "it has no debug information"),
                                             ("nameless", "has no build id, by which to know it")])
def test_a_vmlinux_that_will_not_do(dumps: Dumps, other_kernels: Dict[str, pathlib.Path], name: str,
                                    complaint: str) -> None:
    assert complaint in refused("--vmcore", dumps.capture.vmcore, "--vmlinux", other_kernels[name])


def test_the_image_that_boots_is_no_vmlinux(dumps: Dumps) -> None:
    assert "not an ELF file" in refused("--vmcore", dumps.capture.vmcore, "--vmlinux", kernel().vmlinuz)


def test_no_vmlinux_says_where_it_was_looked_for(dumps: Dumps) -> None:
    line = refused("--vmcore", dumps.capture.vmcore)
    assert f"linux-image-{kernel().release}-dbg (Debian)" in line and "/usr/lib/debug" in line and "--vmlinux" in line


def test_a_core_of_qemu_is_for_gdb(dumps: Dumps) -> None:
    line = refused("--vmcore", dumps.capture.core, "--vmlinux", kernel().vmlinux)
    assert "the core of a process" in line and "vq-host" in line


def test_a_vmlinux_of_another_architecture(dumps: Dumps, tmp_path: pathlib.Path) -> None:
    content = bytearray(kernel().vmlinux.read_bytes())
    content[18] = elf.EM_AARCH64
    other = tmp_path / "vmlinux"
    other.write_bytes(content)
    assert "for another architecture" in refused("--vmcore", dumps.capture.vmcore, "--vmlinux", other)


def test_a_dump_that_is_cut_off(dumps: Dumps, tmp_path: pathlib.Path) -> None:
    cut = tmp_path / "vmcore"
    _sparse_copy(dumps.files[QEMU_ELF], cut)
    there = cut.stat().st_size // 3
    os.truncate(cut, there)
    _, _, err = guest("--vmcore", cut, "--vmlinux", kernel().vmlinux)
    assert f"{cut} is cut off: it has {there} bytes of {elf.extent(str(dumps.files[QEMU_ELF]))}" in err


COMPRESSORS: Dict[str, Optional[List[str]]] = {"": None, ".xz": ["xz"], ".gz": ["gzip"], ".zst": ["zstd", "-q"]}


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_modules_in_any_folder_compressed_or_not(dumps: Dumps, expected: Snapshot, tmp_path: pathlib.Path,
                                                 suffix: str) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for module in kernel().debug_modules.glob("*.ko"):
        target = shutil.copy(module, deep / (module.name.replace("_", "-") + ".debug"))
        tool = COMPRESSORS[suffix]
        if tool:
            subprocess.run([*tool, target], check=True)
    found, err = snapshot(dumps.capture.vmcore, "--modules", tmp_path)
    assert found.devices == expected.devices and err == ""


def test_modules_of_another_kernel_are_not_taken(dumps: Dumps, tmp_path: pathlib.Path) -> None:
    module = kernel().debug_modules / "virtio_ring.ko"
    build_id = elf.build_id(str(module))
    assert build_id is not None
    (tmp_path / module.name).write_bytes(module.read_bytes().replace(bytes.fromhex(build_id), b"\xee" * 20))
    _, _, err = guest("--vmcore", dumps.capture.vmcore, "--vmlinux", kernel().vmlinux, "--modules", tmp_path)
    assert f"{tmp_path / module.name} (of another build)" in err
    assert "no debug information for the modules virtio, virtio_blk" in err and "--modules" in err


@pytest.mark.matrix
def test_dumps_of_aarch64(tmp_path: pathlib.Path) -> None:
    files = {name: tmp_path / f"dump{number}" for number, name in enumerate(["elf", "bare", "kdump"])}
    with Machine(tmp_path / "vm", Options(kernel="6.1-arm64", idle=True, memory_mb=256)) as machine:
        machine.wait("end of the bursts", lambda: min(machine.truth().writers) >= 8)
        machine.wait_quiet()
        vmlinux = machine.kernel.vmlinux
        machine.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{files['elf']}")
        machine.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{files['kdump']}", format="kdump-zlib")
    _renamed(b"VMCOREINFO\0", b"SOMETHINGEL")(files["elf"], files["bare"])
    found, again = (guest("--vmcore", files[name], "--vmlinux", vmlinux, "--json") for name in ("elf", "bare"))
    assert (found[0], found[2], again[0]) == (0, "", 0), again[2]
    whole = read(found[1].encode())
    assert whole.devices == read(again[1].encode()).devices and whole.target.machine == "aarch64"
    assert [device.name for device in whole.devices if device.type == "blk"] == ["vda", "vdb"]
    line = refused("--vmcore", files["kdump"], "--vmlinux", vmlinux)
    assert "pages of 65536 bytes" in line and "without -z" in line


# Inside a guest.
