"""The modules in a kernel, as its own list has them, and of which build each is, and the kernel.

Source: Linux kernel/module/main.c (`modules`), kernel/module/sysfs.c (add_notes_attrs()), include/linux/module.h.
"""
from typing import Iterator, Optional

from ..target.errors import NoMember, TargetError
from ..target.files import elf
from ..target.target import Target
from ..target.view import View
from .lists import list_entries

MAX_NOTES = 64
"""Sections of notes in one module; there are two or three."""
MAX_NOTE = 4096


def modules(target: Target) -> Iterator[View]:
    """Each `struct module`.  Raises TargetError."""
    inside = target.member_of("struct module", "list").offset
    for node in list_entries(target, target.address_of("modules")):
        yield View(target, "struct module", node - inside)


def build_id(target: Target, name: str) -> Optional[str]:
    """The GNU build id of a module in hex; None where the kernel has no such module, or does not keep its build id."""
    try:
        for module in modules(target):
            if module.text("name") == name:
                return _build_id(target, module)
    except TargetError:
        pass
    return None


def kernel_build_id(target: Target) -> Optional[str]:
    """The GNU build id of the kernel itself in hex, from its section of notes; None where it can't be read.

    Source: Linux include/asm-generic/vmlinux.lds.h (NOTES).
    """
    start, stop = target.symbol("__start_notes"), target.symbol("__stop_notes")
    if start is None or stop is None or not 0 < stop - start <= MAX_NOTE:
        return None
    try:
        return elf.build_id_in(target.read(start, stop - start), ">" if target.byte_order == "big" else "<")
    except TargetError:
        return None


def _build_id(target: Target, module: View) -> Optional[str]:
    if module.has("build_id"):  # CONFIG_STACKTRACE_BUILD_ID, Linux 5.14
        raw = module.raw("build_id")
        return raw.hex() if any(raw) else None
    notes = module.follow("struct module_notes_attrs", "notes_attrs")
    for address in _attributes(target, notes):
        attribute = View(target, "struct bin_attribute", address)
        raw = target.read(attribute.pointer("private"), min(attribute.uint("size"), MAX_NOTE))
        found = elf.build_id_in(raw, ">" if target.byte_order == "big" else "<")
        if found is not None:
            return found
    return None


def _attributes(target: Target, notes: View) -> Iterator[int]:
    """Addresses of the `struct bin_attribute` of each section of notes."""
    first = notes.address_of("attrs")
    try:
        count = min(notes.uint("notes"), MAX_NOTES)
    except NoMember:  # some time after Linux 6.12 they were put into an attribute_group, which ends its list by NULL
        at = notes.pointer("grp.bin_attrs", "grp.bin_attrs_new")
        for number in range(MAX_NOTES):
            attribute = target.read_pointer(at + number * target.pointer_size)
            if attribute == 0:
                return
            yield attribute
        return
    size = target.size_of("struct bin_attribute")
    for number in range(count):
        yield first + number * size
