"""Layouts made from debug information, by drgn.

Needs the drgn package (`pip install vqcheck[drgn]`); nothing but the verb `layout` imports this module.
"""
from typing import Dict, Iterable, Iterator, List, Optional

import drgn

from ..errors import TargetError
from ..files import elf, elf_tls, kernel_files
from ..layouts.layout import LINUX, QEMU, About, Function, Layout, empty
from ..layouts.survey import Described, Field, Needs, add_symbols, add_types
from .debug_info import try_file
from .target import machine_name

STRUCTS = {drgn.TypeKind.STRUCT: "struct", drgn.TypeKind.UNION: "union", drgn.TypeKind.CLASS: "class"}


BANNER = b"Linux version "
MAX_RELEASE = 65
"""Bytes of struct new_utsname.release."""


class CannotUse(TargetError):
    """There is no debug information to be had from a file."""


class _Files:
    """Debug information out of files alone: everything lies where it was linked to."""

    kind = ""

    def __init__(self, name: str, path: str, package: str) -> None:
        """`package` is what brings such a file.  Raises OSError; CannotUse for one without debug info or build id."""
        self.program = drgn.Program()
        self.path = path
        self.notes: List[str] = []
        """What the user is to know, a line each."""
        self.parts: Dict[str, Optional[str]] = {}
        """Further files, by their build ids."""
        self.release: Optional[str] = None
        try:
            described = _offer(self.program, name, path)
        except OSError:
            raise
        except Exception as problem:  # drgn's own errors have no class of their own
            raise CannotUse(f"{path}: {' '.join(str(problem).split())}")
        self.build_id = elf.build_id(path)
        if not described or self.build_id is None:
            raise CannotUse(f"{path}: it has no {'build id' if described else 'debug information'}; {package}")

    def survey(self, needs: Needs, producer: str) -> Layout:
        """The layout of what is needed, as far as this debug information knows it."""
        platform = self.program.platform
        little = bool(platform.flags & drgn.PlatformFlags.IS_LITTLE_ENDIAN)
        wide = bool(platform.flags & drgn.PlatformFlags.IS_64_BIT)
        about = About(self.kind, self.build_id, self.release, machine_name(platform), producer)
        layout = empty("little" if little else "big", 8 if wide else 4, about)
        layout.parts.update(self.parts)
        functions = [symbol for symbol in self.program.symbols() if symbol.kind == drgn.SymbolKind.FUNC]
        add_symbols(layout, needs, lambda name: _address(self.program, name),
                    ((symbol.name, symbol.address) for symbol in functions))
        if needs.stacks is not None:
            layout.functions.extend(sorted(Function(symbol.address, symbol.size, symbol.name) for symbol in functions
                                           if symbol.size and needs.stacks.search(symbol.name)))
        for name in needs.tls:
            layout.tls[name] = elf_tls.tls_offset(self.path, name)
        add_types(layout, needs.types, self._type)
        return layout

    def _type(self, name: str) -> Optional[Described]:
        try:
            return _Type(self.program.type(name))
        except (LookupError, SyntaxError):
            return None


class KernelFiles(_Files):
    """A kernel's debug information."""

    kind = LINUX

    def __init__(self, vmlinux: str) -> None:
        super().__init__("vmlinux", vmlinux, f"a kernel with it comes with {kernel_files.package(None)}")
        self.release = _release(self.program, vmlinux)

    def add_module(self, name: str, paths: Iterable[str]) -> None:
        """Add a module's debug information from the first of some files that has it."""
        for path in paths:
            built_for = elf.module_release(path)
            if built_for is not None and self.release is not None and built_for != self.release:
                self.notes.append(f"{path} is for {built_for}: not taken")
                continue
            try:
                if _offer(self.program, name, path):
                    build_id = self.program.extra_module(name).build_id
                    self.parts[name] = build_id.hex() if build_id else None
                    return
            except Exception as problem:  # a damaged file must not be in the way of the next
                self.notes.append(f"{path}: not taken: {' '.join(str(problem).split())}")


class QemuFile(_Files):
    """The debug information of a QEMU: in its binary, or in the file beside it that a distribution brings."""

    kind = QEMU

    def __init__(self, path: str) -> None:
        super().__init__("qemu", path, "name the file that has it, as "
                         "/usr/lib/debug/.build-id/XX/REST.debug of the package with QEMU's debug information")


def _offer(program: "drgn.Program", name: str, path: str) -> bool:
    """Give drgn a file; whether it has debug information."""
    module = program.extra_module(name, create=True)
    try_file(module, path, force=True)
    return not module.wants_debug_file()


def _release(program: "drgn.Program", vmlinux: str) -> Optional[str]:
    """What uname -r says on that kernel: `Linux version RELEASE (…` (Linux init/version-timestamp.c)."""
    address = _address(program, "linux_banner")
    banner = None if address is None else elf.linked_bytes(vmlinux, address, len(BANNER) + MAX_RELEASE)
    if banner is None or not banner.startswith(BANNER):
        return None
    return banner[len(BANNER):].split(b" ", 1)[0].decode("ascii", "backslashreplace")


def _address(program: "drgn.Program", name: str) -> Optional[int]:
    try:
        return int(program.symbol(name).address)
    except LookupError:
        return None


class _Type(Described):
    """A type of drgn's."""

    def __init__(self, kind: "drgn.Type") -> None:
        self._kind = kind
        self._bare = kind
        self._typedef: Optional[str] = None
        while self._bare.kind == drgn.TypeKind.TYPEDEF:
            self._typedef, self._bare = self._bare.name, self._bare.type

    def size(self) -> Optional[int]:
        try:
            return int(drgn.sizeof(self._bare))
        except TypeError:  # incomplete
            return None

    def name(self) -> Optional[str]:
        if self._bare.kind not in STRUCTS:
            return None
        return f"{STRUCTS[self._bare.kind]} {self._bare.tag}" if self._bare.tag else self._typedef

    def fields(self) -> Iterator[Field]:
        if self._bare.kind in STRUCTS:
            for member in self._bare.members or ():
                bits = member.bit_field_size is not None
                yield Field(member.name or "", 0 if bits else member.offset, bits, _Type(member.type))
