"""Where the debug information of kernel modules lies."""
import os
from typing import Dict, Iterator, List, Sequence, Tuple

from .elf import has_debug_info

VARIABLE = "VQCHECK_MODULES"
"""The environment variable that names a folder to look in first."""

SUFFIXES = (".ko.debug", ".ko", ".debug")
COMPRESSED = (".ko.xz", ".ko.gz", ".ko.zst", ".ko.debug.xz", ".ko.debug.gz", ".ko.debug.zst")
"""Suffixes of modules that are unpacked before drgn reads them."""

MAX_FOLDERS = 20000
"""A vmlinux may lie in a home directory; a kernel's module tree has about a thousand folders."""


def places(release: str, kernel_file: str) -> List[str]:
    """Folders that may hold a kernel's modules with debug information, the likeliest first."""
    found = [os.environ.get(VARIABLE, "")]
    found += [f"{top}/modules/{release}"
              for top in ("/usr/lib/debug/lib", "/usr/lib/debug/usr/lib", "/lib", "/usr/lib")]
    if kernel_file:
        beside = os.path.dirname(os.path.realpath(kernel_file))
        # A package that was unpacked and not installed: usr/lib/debug/boot/vmlinux-RELEASE, and the modules' tree.
        found += [f"{os.path.dirname(beside)}/{lib}/modules/{release}" for lib in ("lib", "usr/lib")] + [beside]
    return [place for place in dict.fromkeys(found) if place and os.path.isdir(place)]


def find(names: Sequence[str], folders: Sequence[str]) -> Dict[str, List[str]]:
    """Files with debug information for each module; only the first folder that has all of them is searched through."""
    found: Dict[str, List[str]] = {}
    for folder in folders:
        for name, path in candidates(names, folder):
            if has_debug_info(path):
                found.setdefault(name, []).append(path)
        if len(found) == len(set(names)):
            break
    return found


def candidates(names: Sequence[str], folder: str,
               suffixes: Sequence[str] = SUFFIXES) -> Iterator[Tuple[str, str]]:
    """The files in a folder, at any depth, that are called like one of the modules: (module, path)."""
    by_file = {spelled + suffix: name for name in names for suffix in suffixes
               for spelled in (name, name.replace("_", "-"))}
    for count, (path, _, files) in enumerate(os.walk(folder)):
        if count >= MAX_FOLDERS:
            return
        for file in by_file.keys() & set(files):
            yield by_file[file], os.path.join(path, file)
