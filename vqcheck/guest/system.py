"""Which kernel on which machine this is, and which boot of it.

Source: Linux include/linux/utsname.h, drivers/firmware/dmi_scan.c, drivers/char/random.c (sysctl_bootid),
init/main.c (saved_command_line).
"""
import binascii
import re
from typing import Optional

from ..snapshot.model import TargetInfo
from ..target.absence import Absences
from ..target.errors import NotSupported, TargetError
from ..target.target import Target
from ..target.view import View

DMI_PRODUCT_UUIDS = (8, 10)
"""DMI_PRODUCT_UUID in enum dmi_field of include/linux/mod_devicetable.h: since Linux 5.8 the second (f5152f4ded3c
"firmware/dmi: Report DMI Bios & EC firmware release").  Nothing that can look like a UUID ever had the other number;
the product's serial may, and need not be the VM's: OpenStack can put the host's there (sysinfo_serial)."""

COMMAND_LINE_LIMIT = 4096
"""Bytes; COMMAND_LINE_SIZE is 2048 on x86 and arm64, 4096 on s390."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def system(target: Target) -> TargetInfo:
    """The guest, as far as its memory tells."""
    absent = Absences()
    names = absent.take("release", _utsname, target)
    if names is None:
        absent["machine"] = absent["name"] = absent["release"]
    return TargetInfo(
        kind="linux",
        release=names.text("release") if names else None,
        machine=names.text("machine") if names else None,
        name=names.text("nodename") if names else None,
        uuid=absent.take("uuid", _uuid, target),
        build_id=absent.take("build_id", _build_id, target),
        boot_id=absent.take("boot_id", _boot_id, target),
        command_line=absent.take("command_line", _command_line, target),
        absent=dict(absent),
    )


def _build_id(target: Target) -> str:
    known = target.identity().build_id
    if known is None:
        raise NotSupported("the debugger does not tell it")
    return known


def _boot_id(target: Target) -> str:
    raw = target.read(target.address_of("sysctl_bootid"), 16)
    if not any(raw):
        raise NotSupported("the kernel makes it when somebody first asks for it, and nobody has")
    text = binascii.hexlify(raw).decode("ascii")
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _command_line(target: Target) -> str:
    return target.read_string(target.read_pointer(target.address_of("saved_command_line")), COMMAND_LINE_LIMIT)


def _utsname(target: Target) -> View:
    inside = target.member_of("struct uts_namespace", "name").offset
    names = View(target, "struct new_utsname", target.address_of("init_uts_ns") + inside)
    names.raw("release")
    return names


def _uuid(target: Target) -> Optional[str]:
    table = target.address_of("dmi_ident")
    for entry in DMI_PRODUCT_UUIDS:
        try:
            text = target.read_string(target.read_pointer(table + entry * target.pointer_size), 64)
        except TargetError:
            continue
        if UUID.fullmatch(text):
            return text.lower()
    raise NotSupported("the guest's firmware tables name none")
