"""Which QEMU process this is, and which VM.

Source: QEMU system/vl.c (qemu_name), system/globals.c (qemu_uuid), hw/core/machine.c; until 8.2 in softmmu/.
"""
from ..snapshot.model import TargetInfo
from ..target.absence import Absences
from ..target.errors import NotSupported
from ..target.target import Target
from .qobject import static_pointer, type_names
from .threads import vcpus

CPU_TYPES = {"x86_64-cpu": "x86_64", "i386-cpu": "i686", "aarch64-cpu": "aarch64", "arm-cpu": "armv7l",
             "s390x-cpu": "s390x", "powerpc64-cpu": "ppc64", "riscv-cpu": "riscv64", "loongarch-cpu": "loongarch64"}
"""QOM's abstract types of CPUs, the more special first on every CPU's line of ancestors."""


def system(target: Target) -> TargetInfo:
    """The process, as far as it tells."""
    identity = target.identity()
    absent = Absences()
    return TargetInfo(
        kind="qemu",
        release=absent.take("release", _machine_type, target),
        machine=absent.take("machine", machine, target),
        name=absent.take("name", _name, target),
        uuid=absent.take("uuid", _uuid, target),
        build_id=identity.build_id,
        pid=identity.pid,
        absent=dict(absent),
    )


def machine(target: Target) -> str:
    """The guest's architecture, as uname -m has it: by the type of its CPUs, which begins with its name."""
    for cpu in vcpus(target):
        for kind in type_names(target, cpu.address):
            if kind in CPU_TYPES:
                return CPU_TYPES[kind]
    raise NotSupported("the type of the VM's CPUs is not known")


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
