"""`vqcheck layout`: files that stand in for debug information."""
import argparse
import os
import sys
from typing import Dict, List, Optional

from .. import __version__
from ..guest import modules, needs
from ..render.escape import shortened
from ..render.tables import table
from ..snapshot.write import write_file
from ..target.files import kernel_files, module_files
from ..target.layouts.layout import FORMAT, Layout, pack, read_file
from ..target.layouts.running_kernel import running_layout
from ..target.layouts.survey import Needs
from .drgn import needs_drgn
from .verb import OK, Failed, put

NAME = "layout"
SUFFIX = FORMAT.name
LONGEST = 1000
"""Characters of a note at most."""

SUMMARY = "Save what the walkers need of a kernel's debug information in a small file, for hosts that have none."
EXAMPLES = """\
  vqcheck layout save --vmlinux /usr/lib/debug/boot/vmlinux-6.1.0-56-cloud-amd64
  vqcheck layout save --vmlinux vmlinux --modules debug/ -o 6.1.0-56-cloud-amd64.vqlayout
  vqcheck layout save --running
  vqcheck layout show 6.1.0-56-cloud-amd64.vqlayout
  vqcheck layout show 6.1.0-56-cloud-amd64.vqlayout 'struct request'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    save = actions.add_parser("save", allow_abbrev=False,
                             help="make one: --vmlinux FILE [--modules DIR] | --running; [-o FILE]")
    save.set_defaults(action=_save)
    source = save.add_mutually_exclusive_group(required=True)
    source.add_argument("--vmlinux", metavar="FILE", help="the kernel with debug information")
    source.add_argument("--running", action="store_true",
                        help="the kernel that runs here, from /sys/kernel/btf and /proc/kallsyms: no debug information "
                             "is needed, but root")
    save.add_argument("--modules", metavar="DIR",
                      help="a folder with the modules' debug information, at any depth; looked for if not given")
    save.add_argument("-o", "--output", metavar="FILE", help="RELEASE.vqlayout in this folder if not given")
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

WANTED = Needs(needs.TYPES, needs.SYMBOLS, needs.NAMES, needs.BASE)
PRODUCER = f"vqcheck {__version__}"


def _save(options: argparse.Namespace) -> int:
    if options.running and options.modules:
        raise Failed("--running takes the modules that are loaded: it goes without --modules")
    notes: List[str] = []
    layout = running_layout(WANTED, modules.TYPES, PRODUCER) if options.running else _from_files(options, notes)
    about = layout.about
    output = options.output or f"{os.path.basename(about.release or about.build_id or NAME)}.{SUFFIX}"
    content = pack(layout)
    write_file(output, content)
    for note in notes + _missing(layout, options.running):
        sys.stderr.write(f"vqcheck {NAME}: {shortened(note, LONGEST)}\n")
    put(f"layout of {_what(layout)} written to {output}, {len(content)} bytes: {_counts(layout)}\n")
    return OK


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
    drivers = [driver for driver in needs.DRIVERS if layout.sizes.get(modules.TYPES[driver][0]) is None]
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
            ("saved by", about.producer), ("modules", ", ".join(sorted(layout.parts)) or None),
            ("holds", _counts(layout))]
    return _what(layout) + "\n" + "".join(f"  {key:12}{shortened(str(value or 'not known'), LONGEST)}\n"
                                          for key, value in rows)


def _what(layout: Layout) -> str:
    about = layout.about
    return shortened(f"{about.kind} {about.release or 'of unknown release'} ({about.machine or 'unknown machine'})")


def _counts(layout: Layout) -> str:
    symbols = sum(address is not None for address in layout.symbols.values()) + len(layout.fixed)
    types = sum(size is not None for size in layout.sizes.values())
    return f"{symbols} symbols, {types} types, {len(layout.members)} members"
