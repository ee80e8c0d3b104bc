"""`vqcheck paths`."""
import argparse

from ..render.escape import shortened
from .installed import GDB_SCRIPT, PYKDUMP_PROGRAM, crash_loader
from .verb import OK, Failed, put

NAME = "paths"
SUMMARY = "Print the lines to put in ~/.gdbinit and ~/.crashrc."
EXAMPLES = """\
  vqcheck paths
  vqcheck paths --gdb >> ~/.gdbinit
  vqcheck paths --crash >> ~/.crashrc     a crash without PyKdump
  vqcheck paths --pykdump >> ~/.crashrc   a crash that loads mpykdump.so
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--gdb", action="store_const", dest="which", const="gdb", help="gdb's lines alone")
    which.add_argument("--crash", action="store_const", dest="which", const="crash",
                       help="the line alone for a crash without PyKdump; builds the loader if need be")
    which.add_argument("--pykdump", action="store_const", dest="which", const="pykdump",
                       help="the line alone for a crash with PyKdump")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    if options.which is not None:
        put({"gdb": _gdb, "crash": _crash, "pykdump": _pykdump}[options.which]() + "\n")
        return OK
    put(f"# ~/.gdbinit\n{_gdb()}\n\n"
        f"# ~/.crashrc, for a crash without PyKdump\n{_crash_or_why_not()}\n\n"
        f"# ~/.crashrc, for a crash with PyKdump, below the line that loads mpykdump.so\n{_pykdump()}\n")
    return OK


def _gdb() -> str:
    # crash's own gdb reads ~/.gdbinit too, and has neither Python nor the functions that come with it.
    return f"if ! $_isvoid($_strlen)\n  source {GDB_SCRIPT}\nend"


def _crash() -> str:
    return f"extend {crash_loader()}"


def _crash_or_why_not() -> str:
    try:
        return _crash()
    except Failed as problem:
        return f"# {shortened(str(problem), 1000)}"


def _pykdump() -> str:
    return f"alias vqstate epython {PYKDUMP_PROGRAM}"
