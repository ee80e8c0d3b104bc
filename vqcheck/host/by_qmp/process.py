"""The QEMU process as a whole, as far as it tells: which VM, its state, its vCPUs and iothreads."""
from typing import List, Optional, Tuple

from ...snapshot.device_model import ThreadState
from ...snapshot.loop_model import EventLoop, QemuState
from ...snapshot.model import TargetInfo
from ...target.absence import Absences
from ...target.errors import NotSupported
from .ask import COMMAND_NOT_FOUND, U32, Qom, Refused, ask_record, ask_records
from .careful import Careful
from .queue import UNTOLD, lacking

MACHINES = {"x86_64": "x86_64", "i386": "i686", "aarch64": "aarch64", "arm": "armv7l", "s390x": "s390x",
            "ppc64": "ppc64", "riscv64": "riscv64", "loongarch64": "loongarch64"}
"""QEMU's name of a target to the architecture as uname -m has it."""

LITTLE_ENDIAN = ("x86_64", "i686", "riscv64", "loongarch64")
"""Architectures that have no big-endian guests."""

NO_UUID = "00000000-0000-0000-0000-000000000000"
"""What query-uuid says of a VM without one."""

SOME_THREADS = "QMP tells of vCPUs and iothreads only, and not where they stand"
SOME_LOOPS = "QMP tells of the loops of iothreads only"


def system(ask: Careful) -> TargetInfo:
    """Which QEMU this is, and which VM."""
    absent = Absences({"build_id": UNTOLD, "pid": UNTOLD})
    return TargetInfo(
        kind="qemu",
        release=absent.take("release", _machine_type, ask),
        machine=absent.take("machine", _machine, ask),
        name=absent.take("name", _name, ask),
        uuid=absent.take("uuid", _uuid, ask),
        absent=dict(absent),
    )


def _machine_type(ask: Careful) -> str:
    name = Qom(ask).kind("/machine")
    return name[:-len("-machine")] if name.endswith("-machine") else name


def _machine(ask: Careful) -> str:
    arch = ask_record(ask, "query-target").text("arch")
    if arch not in MACHINES:
        raise NotSupported(f"QEMU's target {arch} is not known here")
    return MACHINES[arch]


def _name(ask: Careful) -> str:
    said = ask_record(ask, "query-name")
    if not said.has("name"):
        raise NotSupported("the VM was started without -name")
    return said.text("name")


def _uuid(ask: Careful) -> str:
    uuid = ask_record(ask, "query-uuid").text("UUID")
    if uuid == NO_UUID:
        raise NotSupported("the VM was started without -uuid")
    return uuid


def state(ask: Careful, migration: Optional[str]) -> QemuState:
    """The process as a whole; `migration` is what `migration_status` found."""
    absent = Absences({"bql_owner": UNTOLD, "loops": SOME_LOOPS})
    return QemuState(
        run_state=absent.take("run_state", lambda: ask_record(ask, "query-status").text("status")),
        accelerator=absent.take("accelerator", _accelerator, ask),
        incoming=absent.take("incoming", _incoming, migration),
        loops=absent.take("loops", _loops, ask),
        absent=dict(absent),
    )


def _accelerator(ask: Careful) -> str:
    try:
        return ask_record(ask, "query-accelerators").text("enabled")
    except Refused as problem:  # before QEMU 10.2
        if problem.kind != COMMAND_NOT_FOUND:
            raise
    if ask_record(ask, "query-kvm").flag("enabled"):
        return "kvm"
    raise NotSupported("QMP tells only that it is not KVM")


def migration_status(ask: Careful) -> Tuple[Optional[str], bool]:
    """The state of the last migration, in or out, None where there was none; and whether it sent memory (out)."""
    said = ask_record(ask, "query-migrate")
    return (said.text("status") if said.has("status") else None), said.has("ram")


def _incoming(migration: Optional[str]) -> str:
    if migration is None:
        return "none"
    raise NotSupported(f"QMP tells of migrations in and out in one: {migration}")


def _loops(ask: Careful) -> List[EventLoop]:
    return [lacking(EventLoop(name=one.text("id"), thread=one.number("thread-id", U32),
                              poll_max_ns=one.number("poll-max-ns", (1 << 63) - 1)), UNTOLD)
            for one in ask_records(ask, "query-iothreads")]


def threads(ask: Careful, loops: Optional[List[EventLoop]]) -> List[ThreadState]:
    """The threads that QMP knows of."""
    vcpus = [(one.number("thread-id", U32), f"vcpu {one.number('cpu-index', U32)}")
             for one in ask_records(ask, "query-cpus-fast")]
    own = [(one.thread, f"iothread {one.name}") for one in loops or () if one.thread is not None]
    return [lacking(ThreadState(id=id_, role=role), UNTOLD) for id_, role in sorted(vcpus + own)]
