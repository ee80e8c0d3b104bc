"""The standard modules that PyKdump's Python lacks can't be imported, whatever this Python has."""
import sys
from typing import Any

MISSING = frozenset([
    "json", "html", "dataclasses", "logging", "subprocess", "tempfile", "csv", "ctypes", "platform", "threading",
    "queue", "glob", "configparser", "decimal", "statistics", "shlex", "zipfile", "pickle", "difflib",
    "importlib.metadata", "hashlib", "unittest", "xml", "http", "email", "pdb", "readline"])
"""As measured with PyKdump 3.5.3."""

CODECS = frozenset(["aliases", "ascii", "cp437", "latin_1", "utf_8"])
"""The only modules of the package `encodings`."""


class Guard:
    """Refuses what PyKdump does not hold."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Called by the import system before all others."""
        package, _, module = name.partition(".")
        if name in MISSING or package in MISSING or (package == "encodings" and module and module not in CODECS):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def install() -> None:
    """From now on; what was imported before is forgotten."""
    for name in list(sys.modules):
        package, _, module = name.partition(".")
        if name in MISSING or package in MISSING or (package == "encodings" and module and module not in CODECS):
            del sys.modules[name]
    sys.meta_path.insert(0, Guard())
