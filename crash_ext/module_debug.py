"""Debug information of the kernel's modules, loaded when the walk asks for a type that only a module describes."""
from typing import Dict, Iterable, List, Optional

from vqcheck.guest.modules import TYPES, module_of
from vqcheck.target.files import elf, kernel_files, module_files


class CrashKernel:
    """A kernel in crash, as far as its modules go."""

    def release(self) -> str:
        """The kernel's release, as uname -r has it."""
        raise NotImplementedError

    def kernel_file(self) -> str:
        """The path of vmlinux."""
        raise NotImplementedError

    def modules(self) -> Iterable[str]:
        """Names of the modules in the kernel; none where crash does not know them."""
        raise NotImplementedError

    def build_id(self, name: str) -> Optional[str]:
        """The GNU build id of a module in the kernel, in hex; None where it is not known."""
        raise NotImplementedError

    def load_module(self, name: str, path: str) -> bool:
        """Load a module's symbols and debug information from a file, as `mod -s` does."""
        raise NotImplementedError

    def load_types(self, path: str) -> bool:
        """Have gdb read a file's types alone.  Its symbols get addresses that mean nothing, and crash none of them."""
        raise NotImplementedError

    def gdb_size(self, type_name: str) -> Optional[int]:
        """The size of a type in bytes as far as gdb knows it now."""
        raise NotImplementedError

    def forget_types(self) -> None:
        """Drop what is remembered of types that were missing."""
        raise NotImplementedError


class ModuleDebug:
    """Brings types, and remembers why one could not be brought."""

    def __init__(self, crash: CrashKernel) -> None:
        self._crash = crash
        self._problems: Dict[str, Optional[str]] = {}
        """Module to what is wrong with it; None where its debug information was loaded."""
        self._found: Optional[Dict[str, List[str]]] = None

    def bring(self, type_name: str) -> bool:
        """Load what describes a type, if that was not tried before.  True if it is known now."""
        module = module_of(type_name)
        if module is None or module in self._problems:
            return False
        marker = TYPES[module][0]
        if type_name != marker and self._crash.gdb_size(marker) is not None:
            return False
        self._problems[module] = self._load(module, marker)
        return self._problems[module] is None

    def why_not(self, type_name: str) -> Optional[str]:
        """Why a type is not there, and how to get it."""
        module = module_of(type_name)
        if module is None:
            return None
        problem = self._problems.get(module)
        return problem or f"that of module {module} is loaded, and does not describe it"

    def _load(self, module: str, marker: str) -> Optional[str]:
        """Load a module's debug information, until a type is known by which to tell; the reason if there is none."""
        crash = self._crash
        known = set(crash.modules())
        if known and module not in known:
            return f"vmlinux does not hold it, and {module} is not among this kernel's modules"
        paths = self._files(known or set(TYPES)).get(module, [])
        problem = f"that of module {module} was not found"
        for path in paths:
            other = self._other_build(module, path)
            if other is not None:
                problem = other
            # gdb takes the types also where crash knows no modules, or has loaded this one from a stripped file.
            elif (module in known and crash.load_module(module, path) and self._knows(marker)) or (
                    crash.load_types(path) and self._knows(marker)):
                return None
            else:
                problem = f"{path} did not bring it"
        return self._advice(module, problem, bool(known))

    def _other_build(self, module: str, path: str) -> Optional[str]:
        """The layout of a struct may differ from build to build: what is said of a file that is of another one."""
        try:
            theirs = elf.build_id(path)
        except OSError as problem:
            return f"{path}: {problem.strerror}"
        ours = self._crash.build_id(module) if theirs else None
        if ours is None or theirs == ours:
            return None
        return f"{path} is of another build (build id {theirs}, in the kernel {ours})"

    def _knows(self, type_name: str) -> bool:
        self._crash.forget_types()
        return self._crash.gdb_size(type_name) is not None

    def _files(self, modules: Iterable[str]) -> Dict[str, List[str]]:
        """Files with debug information for each module; the folders are searched once for all that may be asked for."""
        if self._found is None:
            crash = self._crash
            self._found = module_files.find([name for name in TYPES if name in modules],
                                            module_files.places(crash.release(), crash.kernel_file()))
        return self._found

    def _advice(self, module: str, problem: str, by_hand: bool) -> str:
        load = f"load it by `mod -s {module} FILE`, or " if by_hand else ""
        return (f"{problem}. Install {kernel_files.package(self._crash.release())}; where it lies elsewhere, {load}"
                f"set {module_files.VARIABLE} to its folder before crash is started")
