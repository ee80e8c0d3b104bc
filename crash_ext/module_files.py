"""Where the debug information of kernel modules lies."""
import os
import struct
from typing import BinaryIO, Dict, Iterator, List, Sequence, Tuple

VARIABLE = "VQCHECK_MODULES"
"""The environment variable that names a folder to look in first."""

SUFFIXES = (".ko.debug", ".ko", ".debug")
MAX_FOLDERS = 20000
"""A vmlinux may lie in a home directory; a kernel's module tree has about a thousand folders."""

SECTION_HEADER = 40, 64
"""Bytes of a section header in ELF of 32 and of 64 bits."""


def places(release: str, kernel_file: str) -> List[str]:
    """Folders that may hold a kernel's modules with debug information, the likeliest first."""
    found = [os.environ.get(VARIABLE, "")]
    found += [f"{top}/modules/{release}"
              for top in ("/usr/lib/debug/lib", "/usr/lib/debug/usr/lib", "/lib", "/usr/lib")]
    found.append(os.path.dirname(os.path.realpath(kernel_file)) if kernel_file else "")
    return [place for place in found if place and os.path.isdir(place)]


def find(names: Sequence[str], folders: Sequence[str]) -> Dict[str, List[str]]:
    """Files with debug information for each module; only the first folder that has all of them is searched through."""
    found: Dict[str, List[str]] = {}
    for folder in folders:
        for name, path in _candidates(names, folder):
            if has_debug_info(path):
                found.setdefault(name, []).append(path)
        if len(found) == len(set(names)):
            break
    return found


def _candidates(names: Sequence[str], folder: str) -> Iterator[Tuple[str, str]]:
    by_file = {spelled + suffix: name for name in names for suffix in SUFFIXES
               for spelled in (name, name.replace("_", "-"))}
    for count, (path, _, files) in enumerate(os.walk(folder)):
        if count >= MAX_FOLDERS:
            return
        for file in by_file.keys() & set(files):
            yield by_file[file], os.path.join(path, file)


def has_debug_info(path: str) -> bool:
    """Whether a file is ELF and has DWARF: a stripped module would be loaded in vain and be in the way of the other."""
    try:
        with open(path, "rb") as file:
            names = _section_names(file.read(64), file)
    except (OSError, struct.error, IndexError, OverflowError, ValueError):
        return False
    return b".debug_info" in names or b".zdebug_info" in names


def _section_names(header: bytes, file: BinaryIO) -> bytes:
    """The table of an ELF file's section names."""
    if header[:4] != b"\x7fELF":
        return b""
    order = ">" if header[5] == 2 else "<"
    wide = header[4] == 2
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), header, 40 if wide else 32)
    entry, _, names_at = struct.unpack_from(order + "HHH", header, 58 if wide else 46)
    file.seek(table + names_at * entry)
    where = struct.unpack_from(order + ("QQ" if wide else "II"), file.read(SECTION_HEADER[wide]), 24 if wide else 16)
    file.seek(where[0])
    return file.read(min(where[1], 1 << 20))
