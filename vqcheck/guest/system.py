"""Which kernel on which machine this is.

Source: Linux include/linux/utsname.h, drivers/firmware/dmi_scan.c.
"""
import re
from typing import Optional

from ..snapshot.model import TargetInfo
from ..target.absence import Absences
from ..target.errors import NotSupported, TargetError
from ..target.target import Target
from ..target.view import View

DMI_STRINGS = 24
"""More than enum dmi_field has entries; its numbers changed over time, a UUID's form did not."""

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
        absent=dict(absent),
    )


def _utsname(target: Target) -> View:
    inside = target.member_of("struct uts_namespace", "name").offset
    names = View(target, "struct new_utsname", target.address_of("init_uts_ns") + inside)
    names.raw("release")
    return names


def _uuid(target: Target) -> Optional[str]:
    table = target.address_of("dmi_ident")
    for entry in range(DMI_STRINGS):
        try:
            text = target.read_string(target.read_pointer(table + entry * target.pointer_size), 64)
        except TargetError:
            continue
        if UUID.fullmatch(text):
            return text.lower()
    raise NotSupported("the guest's firmware tables name none")
