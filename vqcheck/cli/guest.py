"""`vqcheck guest`: the guest's side by drgn, with no other debugger."""
import argparse
import sys
from typing import List, Tuple

from .. import debugger
from ..guest import module_symbols
from ..render.escape import shortened
from ..snapshot.model import GUEST
from ..target.layouts.layout import read_file
from ..target.layouts.layout_target import Use
from ..target.target import Target
from .drgn import needs_drgn
from .sides import SIDES
from .verb import OK, Failed, put

NAME = "guest"
SUMMARY = "Show the guest driver's view of its virtqueues, from a dump or the running kernel, by drgn."
EXAMPLES = """\
  vqcheck guest --vmcore guest.dump                        debug information from the standard places
  vqcheck guest --vmcore guest.dump --vmlinux vmlinux vdb  one disk in full, with its requests in flight
  vqcheck guest --vmcore guest.dump --vmlinux vmlinux --modules debug/ vdb -o guest.json
  vqcheck guest --vmcore guest.dump --layout 6.1.0-56-cloud-amd64.vqlayout vdb
  vqcheck guest --live vdb                                 inside the guest, as root
"""

FACE = debugger.Face(name=f"vqcheck {NAME}", side=GUEST, metavar="NAME", summary=SUMMARY, examples=EXAMPLES,
                     take=SIDES[GUEST].take, show=SIDES[GUEST].show)

LONGEST = 1000
"""Characters of a note at most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--vmcore", metavar="FILE", help="a dump of the guest's memory: ELF or kdump, flattened or not")
    source.add_argument("--live", action="store_true", help="the kernel that this runs on (needs root)")
    parser.add_argument("--vmlinux", metavar="FILE",
                        help="the kernel with debug information; looked for by release and build id if not given")
    parser.add_argument("--modules", metavar="DIR",
                        help="a folder with the modules' debug information, at any depth; looked for if not given")
    parser.add_argument("--layout", metavar="FILE", help="instead of debug information: what `vqcheck layout` saved")
    parser.add_argument("--force", action="store_true", help="use the layout though it is of another build")
    debugger.add_options(parser, FACE)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    debugger.gather(FACE, options, _open(options), put)
    return OK


def _open(options: argparse.Namespace) -> Target:
    target, notes = _open_by_layout(options) if options.layout else _open_by_debug_info(options)
    for note in notes:
        sys.stderr.write(f"{FACE.name}: {shortened(note, LONGEST)}\n")
    return target


def _open_by_debug_info(options: argparse.Namespace) -> Tuple[Target, List[str]]:
    if options.force:
        raise Failed("--force is for a --layout of another build")
    with needs_drgn():
        from ..target.by_drgn.kernel import open_dump, open_live  # noqa: PLC0415 - drgn need not be there
    if options.live:
        target = open_live(options.vmlinux, options.modules)
    else:
        target = open_dump(options.vmcore, options.vmlinux, options.modules)
    return target, target.notes


def _open_by_layout(options: argparse.Namespace) -> Tuple[Target, List[str]]:
    if options.vmlinux or options.modules:
        raise Failed("--layout stands in for debug information: it goes without --vmlinux and --modules")
    use = Use(read_file(options.layout), options.force, module_symbols.symbol_name)
    with needs_drgn():
        from ..target.by_drgn.by_layout import open_dump, open_live  # noqa: PLC0415 - drgn need not be there
    opened = open_live(use) if options.live else open_dump(options.vmcore, use)
    return opened.target, opened.notes
