"""The layout of the kernel that runs here, from what it says of itself: no debug information and no debugger.

Source: Linux kernel/bpf/sysfs_btf.c (/sys/kernel/btf), kernel/kallsyms.c (s_show()), kernel/ksysfs.c
(/sys/kernel/notes), kernel/module/sysfs.c (/sys/module/NAME/notes).
"""
import os
from typing import Dict, Iterable, Iterator, NamedTuple, Optional, Tuple

from ..errors import TargetError
from ..files import elf
from .btf import BadBtf, Btf
from .layout import LINUX, About, Layout, empty
from .survey import Described, Needs, add_symbols, add_types

MAX_BTF = 1 << 28
MAX_KALLSYMS = 1 << 28

FUNCTIONS = "tTwW"
"""Letters of functions in kallsyms, as nm has them."""


class CannotSave(TargetError):
    """The kernel does not say enough of itself; the text says what is missing."""


class Symbol(NamedTuple):
    """A symbol of vmlinux."""

    name: str
    address: int
    function: bool


def running_layout(needs: Needs, modules: Iterable[str], producer: str, root: str = "") -> Layout:
    """The layout of the running kernel and of those of the named modules that are loaded.

    `root` is another place than / to find its files in.  Raises CannotSave and OSError.
    """
    base = _btf(f"{root}/sys/kernel/btf/vmlinux")
    if base is None or base.pointer_size is None:
        raise CannotSave("the running kernel does not offer its types: there is no /sys/kernel/btf/vmlinux. Kernels "
                         "have it with CONFIG_DEBUG_INFO_BTF, since Linux 5.4")
    loaded = {name: _btf(f"{root}/sys/kernel/btf/{name}", base) for name in modules}
    described = {name: btf for name, btf in loaded.items() if btf is not None}
    uname = os.uname()
    build_id = elf.build_id_in(_bytes(f"{root}/sys/kernel/notes") or b"", "<" if base.byte_order == "little" else ">")
    if build_id is None:
        raise CannotSave("the running kernel has no build id in /sys/kernel/notes, by which to know its dumps")
    about = About(LINUX, build_id, uname.release, uname.machine, producer)
    layout = empty(base.byte_order, base.pointer_size, about)
    layout.parts.update((name, _module_build_id(root, name, base.byte_order)) for name in described)
    _add_symbols(layout, needs, _symbols(root))

    def lookup(name: str) -> Optional[Described]:
        for btf in [base, *described.values()]:
            found = btf.find(name)
            if found is not None:
                return found
        return None
    add_types(layout, needs.types, lookup)
    return layout


def _btf(path: str, base: Optional[Btf] = None) -> Optional[Btf]:
    raw = _bytes(path)
    try:
        return None if raw is None else Btf(raw, base)
    except BadBtf as problem:
        raise CannotSave(f"{path}: {problem}")


def _bytes(path: str, limit: int = MAX_BTF) -> Optional[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        return None


def _module_build_id(root: str, name: str, byte_order: str) -> Optional[str]:
    raw = _bytes(f"{root}/sys/module/{name}/notes/.note.gnu.build-id")
    return elf.build_id_in(raw, "<" if byte_order == "little" else ">") if raw else None


def _symbols(root: str) -> Dict[str, Symbol]:
    """The symbols of vmlinux by their names; of several by one name a global one.  Raises CannotSave."""
    text = _bytes(f"{root}/proc/kallsyms", MAX_KALLSYMS)
    if text is None:
        raise CannotSave("there is no /proc/kallsyms: the kernel was built without CONFIG_KALLSYMS")
    found: Dict[str, Symbol] = {}
    for address, letter, name in _lines(text):
        if letter.isupper() or name not in found:
            found[name] = Symbol(name, address, letter in FUNCTIONS)
    if not any(symbol.address for symbol in found.values()):
        raise CannotSave("/proc/kallsyms does not show addresses (sysctl kernel.kptr_restrict): this needs root")
    return found


def _lines(text: bytes) -> Iterator[Tuple[int, str, str]]:
    for line in text.decode("ascii", "backslashreplace").splitlines():
        words = line.split()
        if len(words) == 3:  # those of modules have a fourth
            yield int(words[0], 16), words[1], words[2]


def _add_symbols(layout: Layout, needs: Needs, found: Dict[str, Symbol]) -> None:
    """Symbols as if the kernel had been linked at address 0: where KASLR put it this time is nobody's business."""
    base = found.get(needs.base or "")
    if base is None:
        raise CannotSave(f"/proc/kallsyms lacks {needs.base}")
    functions = ((symbol.name, symbol.address) for symbol in found.values()
                 if symbol.function and symbol.address >= base.address)
    add_symbols(layout, needs, lambda name: found[name].address if name in found else None, functions)
    for name, address in layout.symbols.items():
        if address is not None:
            layout.symbols[name] = address - base.address
