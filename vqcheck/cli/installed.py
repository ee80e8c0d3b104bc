"""Where the parts that debuggers load are installed: beside this package."""
import pathlib

from crash_ext import build

from .verb import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]

GDB_SCRIPT = ROOT / "gdb_ext" / "vq_host.py"
PYKDUMP_PROGRAM = ROOT / "crash_ext" / "vqstate.py"


def crash_loader() -> pathlib.Path:
    """The extension for a crash without PyKdump; compiled on first use.  Raises Failed."""
    try:
        return build.loader()
    except build.BuildError as problem:
        raise Failed(_in_a_line(str(problem)))


def _in_a_line(text: str) -> str:
    """What went wrong, and of what a compiler says the first error; `--traceback` shows all of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[:1] + [line for line in lines[1:] if "error" in line.lower()][:1])
