"""`vqcheck guest`: the guest's side by drgn, with no other debugger."""
import argparse
import sys

from .. import debugger
from ..render.escape import shortened
from ..snapshot.model import GUEST
from ..target.target import Target
from .sides import SIDES
from .verb import OK, Failed, put

NAME = "guest"
SUMMARY = "Show the guest driver's view of its virtqueues, from a dump or the running kernel, by drgn."
EXAMPLES = """\
  vqcheck guest --vmcore guest.dump                        debug information from the standard places
  vqcheck guest --vmcore guest.dump --vmlinux vmlinux vdb  one disk in full, with its requests in flight
  vqcheck guest --vmcore guest.dump --vmlinux vmlinux --modules debug/ vdb -o guest.json
  vqcheck guest --live vdb                                 inside the guest, as root
"""

FACE = debugger.Face(name=f"vqcheck {NAME}", side=GUEST, metavar="NAME", summary=SUMMARY, examples=EXAMPLES,
                     take=SIDES[GUEST].take, show=SIDES[GUEST].show)

PACKAGE = "vqcheck[drgn]"

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
    debugger.add_options(parser, FACE)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    debugger.gather(FACE, options, _open(options), put)
    return OK


def _open(options: argparse.Namespace) -> Target:
    try:
        from ..target.drgn_open import open_dump, open_live  # noqa: PLC0415 - drgn need not be there
    except ImportError as problem:
        if problem.name != "drgn":
            raise Failed(f"drgn does not work here: {problem}: pip install --upgrade '{PACKAGE}'")
        raise Failed(f"drgn is not installed: pip install '{PACKAGE}'")
    if options.live:
        target = open_live(options.vmlinux, options.modules)
    else:
        target = open_dump(options.vmcore, options.vmlinux, options.modules)
    for note in target.notes:
        sys.stderr.write(f"{FACE.name}: {shortened(note, LONGEST)}\n")
    return target
