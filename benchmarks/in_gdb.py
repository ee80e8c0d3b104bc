"""`python from benchmarks import in_gdb; in_gdb.main()` in a gdb with a QEMU or its core: the walk against per-field
readers."""
import sys
from typing import Any, Callable, Dict, List

import gdb

from gdb_ext.target import GdbTarget
from vqcheck.host import snapshot
from vqcheck.snapshot.model import Device, Queue, Snapshot
from vqcheck.target.recording import Recorder

from .measure import OURS, Counted, report, rounds
from .per_field import Facts
from .per_field_gdb import by_expressions, by_values, disks

ONE = "virtio-disk1"


def main() -> None:
    """Write a line a reader, and one for the walk of one disk alone.  Raises AssertionError where readers disagree."""
    recorder, one = Recorder(GdbTarget()), Recorder(GdbTarget())
    seen = snapshot.take(recorder)
    snapshot.take(one, ONE)
    counted = Counted(by_values())
    assert disks(counted.debugger()) == expected(seen), "gdb.Value: other values"
    assert disks(by_expressions()) == expected(seen), "gdb expressions: other values"
    readers: Dict[str, Callable[[], Any]] = {
        OURS: lambda: snapshot.take(Recorder(GdbTarget())),
        f"{OURS}, one disk": lambda: snapshot.take(Recorder(GdbTarget()), ONE),
        "gdb.Value": lambda: disks(by_values()), "gdb expressions": lambda: disks(by_expressions())}
    for name, took in rounds({name: as_command(reader) for name, reader in readers.items()}).items():
        ours = {OURS: recorder, f"{OURS}, one disk": one}.get(name)
        reads, size = (ours.reads, sum(map(len, ours.bundle.memory.values()))) if ours else (counted.asked, 0)
        report(sys.stdout.write, name, took.cpu, wall=f"{took.wall:.6f}", reads=reads, bytes=size)
    gdb.execute("quit")


RUNNING: List[Callable[[], Any]] = []


def as_command(reader: Callable[[], Any]) -> Callable[[], None]:
    """A reader as a command of its own: gdb keeps the values that a command makes until it ends, and the more there are
    the longer each takes."""
    def run() -> None:
        RUNNING.append(reader)
        gdb.execute("python from benchmarks import in_gdb; in_gdb.RUNNING.pop()()")
    return run


def expected(seen: Snapshot) -> List[Facts]:
    """What the per-field readers must find, by the project's walk."""
    return [_device(device) for device in seen.devices]


def _device(device: Device) -> Facts:
    host, features = device.host, device.features
    assert host is not None and features is not None and device.bus is not None
    slot, function = (int(word, 16) for word in (device.bus.address or "").split(":")[-1].split("."))
    return {
        "id": host.qdev_id, "slot": slot << 3 | function, "status": device.status,
        "guest_features": int(features.negotiated or 0), "host_features": int(features.offered or 0), "isr": host.isr,
        "vm_running": host.vm_running, "broken": host.broken, "disabled": host.disabled, "started": host.started,
        "queues": [_queue(queue) for queue in device.queues],
    }


def _queue(queue: Queue) -> Facts:
    own, ring, rings, notify = queue.device, queue.ring, queue.rings, queue.notify
    assert own and ring and rings and notify and notify.msix and notify.host_notifier and notify.guest_notifier
    kick, call, msix = notify.host_notifier, notify.guest_notifier, notify.msix
    return {
        "vring.num": queue.size, "vring.num_default": own.num_default, "vring.desc": int(rings.desc),
        "vring.avail": int(rings.avail), "vring.used": int(rings.used), "last_avail_idx": own.last_avail_idx,
        "shadow_avail_idx": own.shadow_avail_idx, "used_idx": own.used_idx, "signalled_used": own.signalled_used,
        "signalled_used_valid": own.signalled_used_valid, "notification": own.notification, "inuse": own.inuse,
        "vector": notify.vector, "host_notifier.rfd": kick.fd, "host_notifier.initialized": kick.initialized,
        "host_notifier_enabled": kick.enabled, "guest_notifier.rfd": call.fd,
        "guest_notifier.initialized": call.initialized, "kicks watched": kick.handler,
        "interrupts watched": call.handler, "thread": notify.thread, "polling": notify.polling,
        "ring": [ring.avail_flags, ring.avail_idx, ring.used_event, ring.used_flags, ring.used_idx, ring.avail_event],
        "msix": [int(msix.address), int(msix.data), msix.masked, msix.pending, msix.in_use],
    }
