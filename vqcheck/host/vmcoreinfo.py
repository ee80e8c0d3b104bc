"""Where the guest's kernel has told QEMU that its VMCOREINFO note lies: the device vmcoreinfo.

Source: QEMU hw/misc/vmcoreinfo.c (VMCoreInfoState, fw_cfg_vmci_write()), dump/dump.c (dump_init());
Linux drivers/firmware/qemu_fw_cfg.c (fw_cfg_write_vmcoreinfo()), include/uapi/linux/qemu_fw_cfg.h.
"""
from typing import NamedTuple

from ..target.errors import Corrupt, NotSupported
from ..target.target import Target
from ..target.view import View
from .qobject import static_pointer
from .qom import child, children

DEVICE = "vmcoreinfo"
FORMAT_ELF = 1
MAX_SIZE = 1 << 20
"""MAX_GUEST_NOTE_SIZE of dump/dump.c."""


class Place(NamedTuple):
    """Where a note lies."""

    physical: int
    size: int
    """Bytes, the note's header included."""


def told(target: Target) -> Place:
    """What the guest told.  Raises NotSupported, with the reason, where it told nothing, and other TargetErrors."""
    state = _device(target)
    if not state.flag("has_vmcoreinfo"):
        raise NotSupported("the VM has the device vmcoreinfo, and its guest has not loaded qemu_fw_cfg")
    # What the guest writes is little-endian, whatever either side is.
    form, size, physical = (int.from_bytes(state.raw("vmcoreinfo." + name), "little")
                            for name in ("guest_format", "size", "paddr"))
    if form != FORMAT_ELF or not 0 < size <= MAX_SIZE:
        raise Corrupt(f"the guest told the device vmcoreinfo of a note of format {form} and {size} bytes")
    return Place(physical, size)


def _device(target: Target) -> View:
    """It is no device of a bus: -device puts it in one of two places of QEMU's object tree."""
    machine = View(target, "struct Object", static_pointer(target, "current_machine"))
    for where in ("peripheral-anon", "peripheral"):
        for one in children(child(machine, where)):
            if one.type == DEVICE:
                return View(target, "struct VMCoreInfoState", one.object.address)
    raise NotSupported("the VM was started without -device vmcoreinfo (libvirt: <vmcoreinfo state='on'/>)")
