"""The debug information of a kernel and its modules, found and handed to drgn.

drgn takes a file only if its build id is that of the kernel or module in memory; so does everything here.
"""
import gzip
import lzma
import os
import shutil
import subprocess
from typing import Callable, Dict, List, NamedTuple, Optional

import drgn

from ..files import elf, kernel_files, module_files

WANTED = ("virtio", "scsi_mod", "sd_mod")
"""Modules whose names contain one of these are what walkers look into."""

MAX_MODULE = 1 << 30
MAX_NOTES = 1 << 16
NAMED = 8
"""Modules and files that a note lists."""


class Attached(NamedTuple):
    """Which kernel's debug information was taken; with `problem`, why none was."""

    path: Optional[str]
    build_id: Optional[str]
    problem: Optional[str] = None


def attach_kernel(program: "drgn.Program", vmlinux: Optional[str], release: Optional[str],
                  build_id: Optional[str]) -> Attached:
    """Give drgn the kernel's debug information: that of `vmlinux`, or of the file that the standard places have.

    `release` and `build_id` are the dump's, as far as it tells.  Raises OSError for a `vmlinux` that can't be read.
    """
    program.set_enabled_debug_info_finders([])
    kernel = f"{release or 'of unknown release'} (build id {build_id or 'not known'})"
    if vmlinux is not None:
        own = elf.build_id(vmlinux)
        if own is None:
            return Attached(None, None, f"{vmlinux} has no build id, by which to know it for the kernel {kernel}")
        if _take(program, vmlinux):
            return Attached(vmlinux, own)
        return Attached(None, None, f"its kernel is {kernel}, and {vmlinux} is another one: its build id is {own}")
    there = [path for path in kernel_files.places(release, build_id) if elf.has_debug_info(path)]
    for path in there:
        if _take(program, path):
            return Attached(path, elf.build_id(path))
    found = f"what is in {', '.join(there)} is of another build" if there else "looked for in " + kernel_files.FOLDERS
    return Attached(None, None, f"no vmlinux for its kernel {kernel}: {found}. It comes with "
                                f"{kernel_files.package(release)}; one that lies elsewhere is named with --vmlinux")


def _take(program: "drgn.Program", path: str) -> bool:
    """Whether drgn takes a file as the kernel's debug information."""
    try:
        program.load_debug_info([path])
    except OSError:
        raise
    except Exception:  # MissingDebugInfoError, or what it finds wrong in the file; what counts is the outcome
        pass
    try:
        return not program.main_module().wants_debug_file()
    except LookupError:
        return False


def memory_build_id(program: "drgn.Program") -> Optional[str]:
    """The build id in the kernel's memory, where its debug information says that it lies; None where it is not.

    Source: Linux include/asm-generic/vmlinux.lds.h (NOTES).
    """
    try:
        start, end = (int(program.symbol(name).address) for name in ("__start_notes", "__stop_notes"))
        notes = program.read(start, min(end - start, MAX_NOTES))
    except (LookupError, ValueError, drgn.FaultError):
        return None
    little = program.platform is None or program.platform.flags & drgn.PlatformFlags.IS_LITTLE_ENDIAN
    return elf.build_id_in(notes, "<" if little else ">")


def load_modules(program: "drgn.Program", folder: Optional[str], release: str, vmlinux: str) -> List[str]:
    """Give drgn the debug information of the virtio modules: that in a folder, or in the standard places.

    Returns notes on what is missing.  Raises OSError for a folder that can't be read.
    """
    if folder is not None:
        os.listdir(folder)
    try:
        program.create_loaded_modules()
    except Exception:  # a list of modules that is damaged or not in the dump: drgn warns of it
        pass
    search = _Search(program)
    for place in [folder] if folder is not None else module_files.places(release, vmlinux):
        search.through(place)
    if folder is None:
        search.by_build_id()
    return search.notes(release)


class _Search:
    """The search for the modules' files."""

    def __init__(self, program: "drgn.Program") -> None:
        self._program = program
        self._missing: Dict[str, "drgn.Module"] = {
            module.name: module for module in program.modules()
            if isinstance(module, drgn.RelocatableModule) and module.wants_debug_file()
            and any(word in module.name for word in WANTED)}
        self._folders: List[str] = []
        self._refused: List[str] = []

    def through(self, folder: str) -> None:
        """Look in a folder, at any depth."""
        if not self._missing:
            return
        self._folders.append(folder)
        suffixes = module_files.SUFFIXES + module_files.COMPRESSED
        for name, path in module_files.candidates(list(self._missing), folder, suffixes):
            if name in self._missing:
                self._offer(self._missing[name], path)

    def by_build_id(self) -> None:
        """Have drgn look where build ids lead."""
        if self._missing:
            self._program.set_enabled_debug_info_finders(["standard"])
            try:
                self._program.load_module_debug_info(*self._missing.values())
            except Exception:  # whatever is wrong with one file, the others were loaded
                pass
            self._program.set_enabled_debug_info_finders([])
            self._missing = {name: module for name, module in self._missing.items() if module.wants_debug_file()}

    def notes(self, release: str) -> List[str]:
        """What is missing, and what was found and not taken."""
        found = []
        if self._missing:
            names = _listed(sorted(self._missing))
            places = _listed(self._folders)
            found.append(f"no debug information for the modules {names}: looked in {places or 'no folder'}. It comes "
                         f"with {kernel_files.package(release)}; a folder that has it is named with --modules")
        if self._refused:
            found.append(f"not taken: {_listed(self._refused)}")
        return found

    def _offer(self, module: "drgn.Module", path: str) -> None:
        try:
            try_file(module, path)
        except Exception as problem:  # a damaged file must not be in the way of the next
            self._refused.append(f"{path} ({' '.join(str(problem).split())})")
            return
        if not module.wants_debug_file():
            del self._missing[module.name]
        elif elf.has_debug_info(path):
            self._refused.append(f"{path} (of another build)")


def _xz(path: str) -> bytes:
    with lzma.open(path) as file:
        return file.read(MAX_MODULE)


def _gz(path: str) -> bytes:
    with gzip.open(path) as file:
        return file.read(MAX_MODULE)


def _zst(path: str) -> bytes:
    if shutil.which("zstd") is None:
        raise ValueError("the program zstd is not there to unpack it")
    return subprocess.run(["zstd", "-q", "-d", "-c", "--", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True).stdout


UNPACKERS: Dict[str, Callable[[str], bytes]] = {".xz": _xz, ".gz": _gz, ".zst": _zst}


def try_file(module: "drgn.Module", path: str, force: bool = False) -> None:
    """Offer drgn a file, which may be compressed, for a module; `force` for one that is in no memory.

    Raises OSError, ValueError, and drgn's errors for a damaged file.
    """
    unpack = UNPACKERS.get(os.path.splitext(path)[1])
    if unpack is None:
        module.try_file(path, force=force)
    else:
        module.try_file(path, fd=_in_memory(unpack(path)), force=force)


def _in_memory(content: bytes) -> int:
    """A file descriptor on a file with that content, which is then drgn's."""
    descriptor = os.memfd_create("module", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return descriptor


def _listed(words: List[str]) -> str:
    rest = len(words) - NAMED
    return ", ".join(words[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
