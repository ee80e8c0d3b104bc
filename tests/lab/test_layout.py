"""A guest read by a layout file, against the same guest read by debug information."""
import pathlib
import re
import subprocess
import tempfile
from typing import Dict, Iterator, NamedTuple, Sequence

import pytest

from vqcheck.guest import modules, needs
from vqcheck.snapshot.model import Snapshot
from vqcheck.target.files import elf
from vqcheck.target.layouts import layout
from vqcheck.target.layouts.running_kernel import running_layout
from vqcheck.target.layouts.survey import Needs
from vqcheck.target.target import Member

from . import layouts, sides
from .capture import Capture
from .kernel import Kernel
from .scenes import make
from .vmcore import ELF_HEADER, PROGRAM_HEADER, PT_LOAD, RAM_OFFSET

pytestmark = pytest.mark.lab

OTHER = "0123456789abcdef" * 2 + "01234567"


class Hung(NamedTuple):
    """A guest with a hung disk."""

    capture: Capture
    layout: pathlib.Path
    snapshot: Snapshot
    """By debug information."""


@pytest.fixture(scope="module")
def hung() -> Iterator[Hung]:
    with tempfile.TemporaryDirectory(prefix="vqcheck-lab-") as name:
        directory = pathlib.Path(name)
        capture = make("lost-interrupt", directory).capture
        yield Hung(capture, layouts.save(capture.kernel, directory / "x.vqlayout"),
                   sides.guest_by_drgn(capture).snapshot)


def test_the_snapshot_is_the_same_field_by_field(hung: Hung, tmp_path: pathlib.Path) -> None:
    """Names of modules' functions too: they come out of the kernel's own tables."""
    found = layouts.guest(hung.capture.vmcore, hung.layout, tmp_path / "g.json", "vdb")
    assert layouts.comparable(found) == layouts.comparable(hung.snapshot)
    (queue,) = found.devices[0].queues
    assert queue.driver and queue.driver.callback == "virtblk_done"
    assert queue.in_flight and len(queue.in_flight) == 4
    assert found.producer.debugger and found.producer.debugger.endswith("with a layout file")


def test_the_file_is_small(hung: Hung) -> None:
    assert hung.layout.stat().st_size < 100_000
    shown = layouts.vqcheck("layout", "show", hung.layout)
    assert f"linux {hung.capture.kernel.release} (x86_64)" in shown.out and "virtio_ring" in shown.out


def of_another_build(file: pathlib.Path, into: pathlib.Path) -> pathlib.Path:
    """The same layout under another build id."""
    known = layout.read_file(str(file))
    into.write_bytes(layout.pack(known._replace(about=known.about._replace(build_id=OTHER))))
    return into


def test_another_build_is_refused_and_forced(hung: Hung, tmp_path: pathlib.Path) -> None:
    other = of_another_build(hung.layout, tmp_path / "other.vqlayout")
    words = ("guest", "--vmcore", hung.capture.vmcore, "--layout", other, "vdb")
    refused = layouts.vqcheck(*words)
    assert (refused.status, refused.out) == (2, "")
    assert OTHER in refused.err and "--force" in refused.err
    forced = layouts.guest(hung.capture.vmcore, other, tmp_path / "g.json", "--force", "vdb")
    assert forced.capture.warnings and OTHER in forced.capture.warnings[0]
    assert forced.devices == hung.snapshot.devices


def test_without_the_modules_what_vmlinux_describes_is_there(hung: Hung, tmp_path: pathlib.Path) -> None:
    empty = tmp_path / "none"
    empty.mkdir()
    bare = layouts.save(hung.capture.kernel, tmp_path / "bare.vqlayout", empty)
    found = layouts.guest(hung.capture.vmcore, bare, tmp_path / "g.json", "vdb")
    (queue,) = found.devices[0].queues
    assert queue.irq and queue.driver and queue.driver.num_free is not None and queue.ring is None
    assert "struct vring_virtqueue: the layout file was saved without it" in queue.absent["ring"]


def without_note(vmcore: pathlib.Path, into: pathlib.Path) -> pathlib.Path:
    """The dump as of a VM without vmcoreinfo device: RAM in two pieces, as QEMU has it, and no note."""
    subprocess.run(["cp", "--sparse=always", str(vmcore), str(into)], check=True)
    first, size, table = 1 << 20, into.stat().st_size - RAM_OFFSET, 1 << 16
    with open(into, "r+b") as file:
        header = list(ELF_HEADER.unpack(file.read(ELF_HEADER.size)))
        header[5], header[10] = table, 2
        file.seek(0)
        file.write(ELF_HEADER.pack(*header))
        file.seek(table)
        for start, end in ((0, first), (first, size)):
            file.write(PROGRAM_HEADER.pack(PT_LOAD, 0, RAM_OFFSET + start, 0, start, end - start, end - start, 0))
    return into


def test_vmcoreinfo_that_is_found_in_memory_is_proven_by_the_kernels_notes(hung: Hung, tmp_path: pathlib.Path) -> None:
    blind = without_note(hung.capture.vmcore, tmp_path / "vmcore")
    found = layouts.guest(blind, hung.layout, tmp_path / "g.json", "vdb")
    assert found.devices == hung.snapshot.devices
    other = of_another_build(hung.layout, tmp_path / "other.vqlayout")
    refused = layouts.vqcheck("guest", "--vmcore", blind, "--layout", other, "--force", "vdb")
    assert refused.status == 2 and OTHER in refused.err, "force must not make anything of what may be forged"


def test_saving_needs_debug_information(hung: Hung, tmp_path: pathlib.Path) -> None:
    for path, complaint in ((hung.capture.kernel.vmlinuz, str(hung.capture.kernel.vmlinuz)), (__file__, __file__),
                            ("/no/vmlinux", "/no/vmlinux: No such file")):
        refused = layouts.vqcheck("layout", "save", "--vmlinux", path, "-o", tmp_path / "x")
        assert refused.status == 2 and complaint in refused.err and refused.err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def as_if_running(linux: Kernel, root: pathlib.Path) -> pathlib.Path:
    """The files by which the kernel, while it runs, tells of its types and symbols."""
    from vqcheck.target.by_drgn.save_layout import KernelFiles  # noqa: PLC0415 - needs drgn
    files = {"sys/kernel/btf/vmlinux": section(linux.vmlinux, ".BTF"),
             "sys/kernel/notes": section(linux.vmlinux, ".notes")}
    for module in linux.modules.glob("*.ko"):
        files["sys/kernel/btf/" + module.stem.replace("-", "_")] = section(module, ".BTF")
    slide = 0x3A00000
    files["proc/kallsyms"] = "".join(
        f"{symbol.address + (slide if symbol.address > 1 << 63 else 0):016x} "
        f"{'t' if symbol.kind == symbol.kind.FUNC else 'd'} {symbol.name}\n"
        for symbol in KernelFiles(str(linux.vmlinux)).program.symbols() if symbol.name).encode()
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def section(file: pathlib.Path, name: str) -> bytes:
    found = elf.section_bytes(str(file), name.encode())
    assert found, (file, name)
    return found


def test_what_the_running_kernel_says_of_itself_is_as_good_as_debug_information(
        hung: Hung, tmp_path: pathlib.Path) -> None:
    root = as_if_running(hung.capture.kernel, tmp_path)
    wanted = Needs(needs.TYPES, needs.SYMBOLS, needs.NAMES, needs.BASE)
    found = running_layout(wanted, modules.TYPES, "a test", str(root))
    by_debug_info = layout.read_file(str(hung.layout))
    described = [name for name in by_debug_info.sizes if by_debug_info.sizes[name] is not None]
    assert {name: found.sizes.get(name) for name in described} == {
        name: by_debug_info.sizes[name] for name in described}
    assert {key: found.members.get(key) for key in by_debug_info.members} == by_debug_info.members
    file = tmp_path / "running.vqlayout"
    file.write_bytes(layout.pack(found))
    snapshot = layouts.guest(hung.capture.vmcore, file, tmp_path / "g.json", "vdb")
    assert layouts.comparable(snapshot) == layouts.comparable(hung.snapshot)


SOURCES = {
    "one.c": """
        typedef struct { int counter; } atomic_t;
        struct inner { char a; long b; };
        struct private_one { int x; };
        struct outer {
            struct inner in; atomic_t count;
            struct { short s; struct { int deep; struct inner leaf; } named; union { int u; struct inner v; }; };
            unsigned bit : 3; unsigned bits : 7;
            const struct inner array[3];
            enum { RED, GREEN } colour;
            struct inner *pointer;
            struct private_one mine;
            union { long key; struct { int low, high; } half; } both;
            char tail[];
        };
        struct holder { struct outer o; };
        struct empty { };
        struct outer one; struct holder of_one; struct empty nothing;
        int sample_done(void) { return 0; }
        int main(void) { return sample_done(); }""",
    "two.c": """
        struct private_one { long other[4]; int y; };
        struct second { int z; struct private_one theirs; };
        struct second two;""",
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Types of every awkward kind, in a program with debug information."""
    directory = tmp_path_factory.mktemp("types")
    for name, text in SOURCES.items():
        (directory / name).write_text(text)
    subprocess.run(["gcc", "-g", "-Wl,--build-id=sha1", "-o", "program", *SOURCES], cwd=directory, check=True)
    return directory / "program"


OUTER = ["in", "in.a", "in.b", "count", "count.counter", "s", "named", "named.deep", "named.leaf", "named.leaf.b", "u",
         "v", "v.b", "array", "colour", "pointer", "mine", "mine.x", "both", "both.key", "both.half", "both.half.high",
         "tail"]
NOWHERE = ["bit", "bits", "mine.y", "gone", "in.gone", "array.a", "pointer.a", "named.leaf.b.c", ""]


def by_gdb(program: pathlib.Path, type_name: str, paths: Sequence[str]) -> Dict[str, Member]:
    """Where members lie, by gdb, which has nothing to do with drgn."""
    words = ["gdb", "-nx", "-batch"]
    for path in paths:
        value = f"(({type_name} *)0)->{path}"
        words += ["-ex", f'printf "{path} %ld %ld\\n", (long)&{value}, (long)sizeof({value})']
    done = subprocess.run([*words, str(program)], capture_output=True, text=True, timeout=60, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {path: Member(int(offset), int(size)) for path, offset, size in lines}


def test_members_of_awkward_types(compiled: pathlib.Path) -> None:
    from vqcheck.target.by_drgn.save_layout import KernelFiles  # noqa: PLC0415 - needs drgn
    from vqcheck.target.by_drgn.target import DrgnTarget  # noqa: PLC0415
    wanted = Needs(["struct outer", "struct holder", "struct second", "struct private_one", "struct empty",
                   "struct gone", "atomic_t"], ["one", "gone"], re.compile("_done$"), None)
    files = KernelFiles(str(compiled))
    found = layout.unpack(layout.pack(files.survey(wanted, "a test")))
    expected = by_gdb(compiled, "struct outer", OUTER)
    assert {path: found.member("struct outer", path) for path in OUTER} == expected
    assert {path: found.member("struct holder", f"o.{path}") for path in OUTER} == expected
    by_drgn = DrgnTarget(files.program)
    assert {path: by_drgn.member("struct outer", path) for path in OUTER} == expected
    for types in (found, by_drgn):
        assert [path for path in NOWHERE if types.member("struct outer", path)] == []
    assert found.member("struct second", "theirs.y") == by_gdb(compiled, "struct second", ["theirs.y"])["theirs.y"]
    assert found.member("struct second", "theirs.x") is None, "that is of the other struct of this name"
    assert [found.type_size(name) for name in ("struct gone", "struct empty", "atomic_t")] == [None, 0, 4]
    assert found.symbols["gone"] is None and found.symbols["sample_done"] and found.symbols["one"]
