"""`vqcheck layout`: files that stand in for debug information."""
import argparse
import os
import sys
from typing import Dict, List, Optional

from .. import __version__
from ..guest import modules
from ..guest import needs as guest_needs
from ..host import needs as host_needs
from ..render.escape import shortened
from ..render.tables import table
from ..snapshot.write import write_file
from ..target.files import kernel_files, module_files
from ..target.layouts.layout import FORMAT, QEMU, Layout, pack, read_file
from ..target.layouts.running_kernel import running_layout
from ..target.layouts.survey import Needs
from .drgn import needs_drgn
from .verb import OK, Failed, put

NAME = "layout"
SUFFIX = FORMAT.name
LONGEST = 1000
"""Characters of a note at most."""

SUMMARY = "Save what the walkers need of the debug information of a kernel or a QEMU, for hosts that have none."
EXAMPLES = """\
  vqcheck layout save --vmlinux /usr/lib/debug/boot/vmlinux-6.1.0-56-cloud-amd64
  vqcheck layout save --vmlinux vmlinux --modules debug/ -o 6.1.0-56-cloud-amd64.vqlayout
  vqcheck layout save --running
  vqcheck layout save --qemu /usr/lib/debug/.build-id/2c/0a8efad25da9489649c16964b5bc0f4c871eee.debug
  vqcheck layout show 6.1.0-56-cloud-amd64.vqlayout
  vqcheck layout show 6.1.0-56-cloud-amd64.vqlayout 'struct request'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    save = actions.add_parser("save", allow_abbrev=False,
                             help="make one: --vmlinux FILE [--modules DIR] | --running | --qemu FILE; [-o FILE]")
    save.set_defaults(action=_save)
    source = save.add_mutually_exclusive_group(required=True)
    source.add_argument("--vmlinux", metavar="FILE", help="the kernel with debug information")
    source.add_argument("--running", action="store_true",
                        help="the kernel that runs here, from /sys/kernel/btf and /proc/kallsyms: no debug information "
                             "is needed, but root")
    source.add_argument("--qemu", metavar="FILE",
                        help="QEMU's binary with debug information, or the separate file that has it")
    save.add_argument("--modules", metavar="DIR",
                      help="a folder with the modules' debug information, at any depth; looked for if not given")
    save.add_argument("-o", "--output", metavar="FILE",
                      help="RELEASE.vqlayout in this folder if not given, for a QEMU qemu-BUILDID.vqlayout")
    show = actions.add_parser("show", allow_abbrev=False, help="what one is of and what is in it: FILE [TYPE]")
    show.set_defaults(action=_show)
    show.add_argument("file", metavar="FILE.vqlayout")
    show.add_argument("type", metavar="TYPE", nargs="?", help="show the members of this type, as 'struct request'")
    for one in (save, show):
        one.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    status: int = options.action(options)
    return status


# Saving.

WANTED = Needs(guest_needs.TYPES, guest_needs.SYMBOLS, guest_needs.NAMES, guest_needs.BASE)
OF_QEMU = Needs(host_needs.TYPES, host_needs.SYMBOLS, host_needs.NAMES, None, host_needs.STACKS, host_needs.TLS)
PRODUCER = f"vqcheck {__version__}"


def _save(options: argparse.Namespace) -> int:
    if options.modules and not options.vmlinux:
        raise Failed("--modules goes with --vmlinux")
    notes: List[str] = []
    if options.qemu:
        layout = _from_qemu(options.qemu)
        notes += _missing_of_qemu(layout)
    elif options.running:
        layout = running_layout(WANTED, modules.TYPES, PRODUCER)
    else:
        layout = _from_files(options, notes)
    if not options.qemu:
        notes += _missing(layout, options.running)
    output = options.output or _file_name(layout)
    content = pack(layout)
    write_file(output, content)
    for note in notes:
        sys.stderr.write(f"vqcheck {NAME}: {shortened(note, LONGEST)}\n")
    put(f"layout of {_what(layout)} written to {output}, {len(content)} bytes: {_counts(layout)}\n")
    return OK


def _file_name(layout: Layout) -> str:
    about = layout.about
    name = f"qemu-{(about.build_id or '')[:12]}" if about.kind == QEMU else about.release or about.build_id or NAME
    return f"{os.path.basename(name)}.{SUFFIX}"


def _from_qemu(path: str) -> Layout:
    with needs_drgn():
        from ..target.by_drgn.save_layout import QemuFile  # noqa: PLC0415 - drgn need not be there
    return QemuFile(path).survey(OF_QEMU, PRODUCER)


def _missing_of_qemu(layout: Layout) -> List[str]:
    """A note on a binary that is no QEMU."""
    if layout.sizes.get("struct VirtIODevice") is not None:
        return []
    return ["it knows no struct VirtIODevice: is this a QEMU system emulator with virtio?"]


def _from_files(options: argparse.Namespace, notes: List[str]) -> Layout:
    with needs_drgn():
        from ..target.by_drgn.save_layout import KernelFiles  # noqa: PLC0415 - drgn need not be there
    files = KernelFiles(options.vmlinux)
    for name, paths in _module_files(options, files.release).items():
        files.add_module(name, paths)
    layout = files.survey(WANTED, PRODUCER)
    notes += files.notes
    return layout


def _module_files(options: argparse.Namespace, release: Optional[str]) -> Dict[str, List[str]]:
    """Files that may have each module's debug information; the compressed last, as they seldom have it."""
    if options.modules is not None:
        os.listdir(options.modules)  # raises what is wrong with it
        folders = [options.modules]
    else:
        folders = module_files.places(release or "", options.vmlinux)
    found: Dict[str, List[str]] = {}
    for suffixes in (module_files.SUFFIXES, module_files.COMPRESSED):
        for folder in folders:
            for name, path in module_files.candidates(list(modules.TYPES), folder, suffixes):
                found.setdefault(name, []).append(path)
    return found


def _missing(layout: Layout, running: bool) -> List[str]:
    """A note on drivers that neither vmlinux nor a module describes."""
    drivers = [driver for driver in guest_needs.DRIVERS if layout.sizes.get(modules.TYPES[driver][0]) is None]
    if not drivers:
        return []
    if running:
        return [f"without {', '.join(drivers)}: not loaded, or the kernel does not offer their types (those of modules "
                "only since Linux 5.11)"]
    return [f"without {', '.join(drivers)}: neither vmlinux nor a module describes their types. Debug information "
            f"comes with {kernel_files.package(layout.about.release)}; a folder that has it is named with --modules"]


# Showing.

def _show(options: argparse.Namespace) -> int:
    layout = read_file(options.file)
    if options.type is None:
        put(_summary(layout))
        return OK
    size = layout.type_size(options.type)
    if size is None:
        raise Failed(f"{_what(layout)} has no {options.type}, or it was saved without the module that has it")
    rows = [(slot.offset, slot.size, path, slot.type_name or "")
            for (name, path), slot in layout.members.items() if name == options.type]
    put(f"{shortened(options.type)}, {size} bytes\n\n{table(rows, ('offset', 'bytes', 'member', 'type'))}\n")
    return OK


def _summary(layout: Layout) -> str:
    about = layout.about
    rows = [("build id", about.build_id),
            ("byte order", f"{layout.byte_order}, pointers of {layout.pointer_size} bytes"),
            ("saved by", about.producer),
            *([] if about.kind == QEMU else [("modules", ", ".join(sorted(layout.parts)) or None)]),
            ("holds", _counts(layout))]
    return _what(layout) + "\n" + "".join(f"  {key:12}{shortened(str(value or 'not known'), LONGEST)}\n"
                                          for key, value in rows)


def _what(layout: Layout) -> str:
    about = layout.about
    which = f"build id {about.build_id}" if about.kind == QEMU else about.release or "of unknown release"
    return shortened(f"{about.kind} {which} ({about.machine or 'unknown machine'})")


def _counts(layout: Layout) -> str:
    symbols = sum(address is not None for address in layout.symbols.values()) + len(layout.fixed)
    types = sum(size is not None for size in layout.sizes.values())
    functions = f", {len(layout.functions)} functions" if layout.functions else ""
    return f"{symbols} symbols, {types} types, {len(layout.members)} members{functions}"
