"""Builds the loader, `vqstate.so`, on first use.

Only the `vqcheck` command and the tests import this; no debugger does.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
from typing import Iterator, List, NamedTuple

SOURCES = pathlib.Path(__file__).parent.resolve() / "loader"
NAME = "vqstate.so"
LOCK = "vqstate.lock"
STAMP = "vqstate.stamp"
"""Beside the built file: what it was built from and for."""

PACKAGES = "Debian's packages crash, python3-dev, gcc and make (Fedora's crash-devel, python3-devel, gcc and make)"


class BuildError(Exception):
    """The loader can't be built; the text says what is missing."""


class Tools(NamedTuple):
    """What the loader is built for."""

    crash: str
    python: str

    @classmethod
    def here(cls) -> "Tools":
        """This system's, unless the environment variables CRASH and PYTHON name others."""
        return cls(os.environ.get("CRASH") or "crash", os.environ.get("PYTHON") or "/usr/bin/python3")


def loader() -> pathlib.Path:
    """The path of a loader that fits this system's crash and Python; built if need be.  Raises BuildError."""
    tools = Tools.here()
    stamp = _stamp(tools)
    folder = _folder()
    built = folder / NAME
    if not _is_built(folder, stamp):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(folder):
                if not _is_built(folder, stamp):
                    _build(folder, tools)
                    (folder / STAMP).write_text(stamp)
        except OSError as problem:
            raise BuildError(f"cannot build the loader for crash: {problem}") from problem
    return built


@contextlib.contextmanager
def _alone(folder: pathlib.Path) -> Iterator[None]:
    """Let one process at a time build there: two first sessions may begin at once."""
    with open(folder / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def missing() -> List[str]:
    """The programs and headers that building needs and that are not there, each with its Debian package."""
    tools = Tools.here()
    needed = [(tools.crash, "crash"), (tools.python, "python3"), ("make", "make"), ("cc", "gcc")]
    found = [f"{program} (package {package})" for program, package in needed if shutil.which(program) is None]
    if not os.path.exists("/usr/include/crash/defs.h"):
        found.append("/usr/include/crash/defs.h (package crash)")
    if shutil.which(tools.python) and not _has_python_header(tools.python):
        found.append(f"Python.h for {tools.python} (package python3-dev)")
    return found


def _has_python_header(python: str) -> bool:
    query = "import os, sysconfig; print(os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')))"
    return _output([python, "-c", query]).strip() == "True"


def _stamp(tools: Tools) -> str:
    """Changes whenever the loader must be built again."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.glob("*.[ch]")) + [SOURCES / "Makefile"]:
        digest.update(path.read_bytes())
    crash = _output([tools.crash, "--version"]).strip().splitlines()[:1] + [_output([tools.crash, "--buildinfo"])]
    python = _output([tools.python, "-c", "import sys; print(sys.executable, sys.version)"])
    return f"{digest.hexdigest()}\n{SOURCES}\n{tools}\n{crash}\n{python}"


def _output(command: List[str]) -> str:
    """What a program prints; nothing if there is no such program."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              universal_newlines=True, check=False).stdout
    except OSError:
        return ""


def _folder() -> pathlib.Path:
    """Where to build: beside the sources, or in the user's cache if they are installed out of reach."""
    if os.access(SOURCES, os.W_OK):
        return SOURCES
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    return cache / "vqcheck" / "loader"


def _is_built(folder: pathlib.Path, stamp: str) -> bool:
    try:
        return (folder / NAME).exists() and (folder / STAMP).read_text() == stamp
    except OSError:
        return False


def _build(folder: pathlib.Path, tools: Tools) -> None:
    absent = missing()
    if absent:
        raise BuildError(f"cannot build the loader for crash without {', '.join(absent)}; it needs {PACKAGES}")
    if folder != SOURCES:  # make can't name a folder with a blank in it, so it always builds where it stands
        for source in [*SOURCES.glob("*.[ch]"), SOURCES / "Makefile"]:
            shutil.copy(source, folder)
    done = subprocess.run(
        ["make", "--always-make", f"ROOT={SOURCES.parents[1]}", f"CRASH={tools.crash}", f"PYTHON={tools.python}"],
        cwd=folder,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
        check=False)
    if done.returncode:
        raise BuildError(f"building the loader for crash failed; it needs {PACKAGES}. The compiler says:\n"
                         f"{done.stdout.strip()[-2000:]}")
