"""Which QEMU process this is, and the state of the whole VM.

Source: QEMU softmmu/runstate.c (current_run_state), softmmu/vl.c (qemu_name), softmmu/globals.c (qemu_uuid).
"""
from ..snapshot.model import TargetInfo
from ..target.absence import Absences
from ..target.errors import NotSupported
from ..target.target import Target
from .qobject import enum_name, static_pointer, type_names


def system(target: Target) -> TargetInfo:
    """The process, as far as it tells."""
    identity = target.identity()
    absent = Absences()
    return TargetInfo(
        kind="qemu",
        release=absent.take("release", _machine_type, target),
        machine=identity.machine,
        name=absent.take("name", _name, target),
        uuid=absent.take("uuid", _uuid, target),
        build_id=identity.build_id,
        pid=identity.pid,
        absent=dict(absent),
    )


def run_state(target: Target) -> str:
    """The VM's run state, as QMP's query-status prints it."""
    return enum_name(target, "RunState", target.read_uint(target.address_of("current_run_state"), 4))


def _machine_type(target: Target) -> str:
    name = type_names(target, static_pointer(target, "current_machine"))[0]
    return name[:-len("-machine")] if name.endswith("-machine") else name


def _name(target: Target) -> str:
    pointer = static_pointer(target, "qemu_name")
    if pointer == 0:
        raise NotSupported("the VM was started without -name")
    return target.read_string(pointer)


def _uuid(target: Target) -> str:
    if not target.read_uint(target.address_of("qemu_uuid_set"), 1):
        raise NotSupported("the VM was started without -uuid")
    # By hand: the uuid module imports more than a debugger's cut-down Python may have.
    digits = target.read(target.address_of("qemu_uuid"), 16).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
