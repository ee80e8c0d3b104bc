"""What PyKdump and the loader have in common: a kernel whose modules need their debug information loaded."""
from typing import Dict, Iterable, List, Tuple

from vqcheck.target import module_files
from vqcheck.target.errors import TargetError
from vqcheck.target.target import Target

UNREADABLE = "not mapped, or left out of the dump"
"""crash tells only that it could not read."""


class CrashTarget(Target):
    """A kernel in crash."""

    def release(self) -> str:
        """The kernel's release, as uname -r has it."""
        raise NotImplementedError

    def kernel_file(self) -> str:
        """The path of vmlinux."""
        raise NotImplementedError

    def modules(self) -> Iterable[str]:
        """Names of the modules in the kernel."""
        raise NotImplementedError

    def load_module(self, name: str, path: str) -> bool:
        """Load a module's symbols and debug information from a file, as `mod -s` does."""
        raise NotImplementedError

    def forget_types(self) -> None:
        """Drop what is remembered of types that were missing."""

    def ensure_modules(self, needed: Iterable[Tuple[str, str]]) -> None:
        """See to it that the debug information of modules is there.

        Each module comes with a type that it defines: where that type is known already, the module is built in, or
        was loaded before.  Raises TargetError, which says how to get what is missing.
        """
        wanted = [pair for pair in needed if self.type_size(pair[1]) is None]
        if not wanted:
            return
        self.forget_types()
        files = module_files.find([name for name, _ in wanted],
                                  module_files.places(self.release(), self.kernel_file()))
        for name, type_name in wanted:
            if self.type_size(type_name) is None:  # one module's debug information often defines another's type
                self._load(name, type_name, files)

    def _load(self, name: str, type_name: str, files: Dict[str, List[str]]) -> None:
        if name not in self.modules():
            raise TargetError(f"no debug information for {type_name}: {name} is not among this kernel's modules, and "
                              "its vmlinux, if it has the driver built in, does not describe it")
        for path in files.get(name, []):
            if self.load_module(name, path):
                self.forget_types()
                if self.type_size(type_name) is not None:
                    return
        raise TargetError(_advice(name, type_name, self.release(), files.get(name, [])))


def _advice(name: str, type_name: str, release: str, tried: List[str]) -> str:
    what, by_hand = f"module {name} is loaded without it", f"mod -s {name} /path/to/{name}.ko.debug"
    if tried:
        what = f"{', '.join(tried)} did not bring it to module {name}"
        by_hand = f"mod -d {name}, then {by_hand}"
    return (f"no debug information for {type_name}: {what}. Install linux-image-{release}-dbg (Debian; "
            f"linux-image-{release}-dbgsym on Ubuntu, kernel-debuginfo on Fedora and RHEL), or load it by hand: "
            f"{by_hand}, or set {module_files.VARIABLE} to a folder that holds it before crash is started")
