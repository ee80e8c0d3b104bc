"""Where the parts that debuggers load are installed: beside this package."""
import pathlib

from .verb import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]

GDB_SCRIPT = ROOT / "gdb_ext" / "vq_host.py"
PYKDUMP_PROGRAM = ROOT / "crash_ext" / "vqstate.py"


def crash_loader() -> pathlib.Path:
    """The extension for a crash without PyKdump; compiled on first use.  Raises Failed."""
    try:
        from crash_ext import build  # noqa: PLC0415  (only who asks for it needs a compiler)

        return build.loader()
    except Exception as problem:
        raise Failed(f"the loader for crash can't be built: {problem}")
