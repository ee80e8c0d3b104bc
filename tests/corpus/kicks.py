"""Synthetic pairs about kicks, and about who serves the queue at all."""
from functools import partial
from typing import Any, Tuple

from tests.builders import notify, pair
from vqcheck.snapshot.kinds import Hex
from vqcheck.snapshot.model import Features

from .cases import Entry, fault, healthy, unsure
from .interrupts import several

MS = 1_000_000
FOUR = {"avail": 104, "popped": 100}
STALE = {"ring": {"avail_event": 50}}
HANDLING = ["virtio_blk_handle_output", "virtio_queue_notify_vq", "aio_dispatch_handler", "aio_poll", "iothread_run"]
LOCKED = ["__lll_lock_wait", "pthread_mutex_lock", "qemu_mutex_lock_impl", "aio_context_acquire", "aio_poll"]
ARRIVED = notify(host={"eventfd_count": 1})
IN_VCPU = ["__lll_lock_wait", "bql_lock_impl", "virtio_blk_handle_output", "virtio_queue_notify",
           "virtio_pci_notify_write", "memory_region_dispatch_write"]
NO_IOEVENTFD: Any = {"notify": {**notify(host={"enabled": False, "handler": None, "eventfd_count": None}),
                                "thread": None, "context": None, "polling": None},
                     "host_part": {"ioeventfd_started": False}}
KICKING = ["event_notifier_set", "memory_region_dispatch_write_eventfds", "memory_region_dispatch_write", "io_writex"]


def made(**changes: Any) -> Any:
    """A pair with four entries that the device has not popped."""
    return partial(pair, **{**FOUR, **changes})


def vcpu(stack: Any, **changes: Any) -> Any:
    """The same, with a vCPU's thread somewhere."""
    def snapshots() -> Any:
        guest, host = made(**changes)()
        thread = host.threads[0]._replace(id=77, name="CPU 0/TCG", role="vcpu 0", functions=stack)
        return guest, host._replace(threads=[*host.threads, thread])
    return snapshots


LOST = (
    fault("the kick never arrived", "K1", made()),
    fault("without EVENT_IDX", "K1", made(event_idx=False)),
    fault("index wrapped between", "K1", partial(pair, avail=2, popped=65534)),
    fault("young by the guest's clock, but unmoved in several captures", "K1",
          several(made(age_ns=3 * MS), made(age_ns=3 * MS))),
    healthy("the handler is about to run", made(age_ns=2 * MS, stack=HANDLING)),
    healthy("the kick is in the eventfd", made(age_ns=2 * MS, notify=ARRIVED)),
    healthy("a vCPU is writing the eventfd", vcpu(KICKING, age_ns=2 * MS)),
    healthy("busy polling", made(age_ns=2 * MS, device={"notification": False}, notify={"polling": True}, **STALE)),
    healthy("still adding", made(age_ns=2 * MS, driver={"num_added": 2})),
    unsure("young, and nobody is seen to carry it", "K1", made(age_ns=2 * MS)),
    unsure("a vCPU is writing the eventfd, the request waited in the scheduler", "K1",
           vcpu(KICKING, avail=104, popped=100, used=99, age_ns=3_000 * MS)),
    unsure("the request may have waited in the scheduler", "K1",
           partial(pair, avail=104, popped=103, used=101, age_ns=3_000 * MS)),
)

BEHIND = (
    fault("kicks left off after a drain", "K2", made(device={"notification": False}, **STALE)),
    fault("stale avail_event", "K3", made(**STALE)),
    fault("NO_NOTIFY stuck", "K3", made(event_idx=False, ring={"used_flags": 1})),
    fault("the driver never decided", "K4", made(driver={"num_added": 4})),
    fault("the thread is stuck in the handler", "K5", made(stack=HANDLING, device={"notification": False})),
    fault("the thread is blocked in a lock, in two captures", "K5", several(
        made(stack=["futex_wait", "qemu_event_wait", "iothread_run"], age_ns=3 * MS),
        made(stack=["futex_wait", "qemu_event_wait", "iothread_run"], age_ns=3 * MS))),
    fault("no ioeventfd, and a thread of another device is at work", "K1", vcpu(HANDLING, **NO_IOEVENTFD)),
    fault("no ioeventfd, and the vCPU that kicks is stuck in the handler", "K5", vcpu(IN_VCPU, **NO_IOEVENTFD)),
    fault("arrived, and the loop sleeps", "K6", made(notify=ARRIVED)),
    fault("host notifier off", "K7", made(notify=notify(host={"enabled": False}))),
    fault("no handler watches it", "K7", made(notify=notify(host={"handler": False}))),
    fault("drained", "B5", made(block={"quiesce_counter": 1}, notify=notify(host={"handler": False}))),
    fault("deadlock in the block layer", "B7", several(made(stack=LOCKED), made(stack=LOCKED))),
    healthy("drained for a moment", made(age_ns=2 * MS, block={"quiesce_counter": 1},
                                         notify=notify(host={"handler": False}))),
    unsure("kicks off, whether it polls is not known", "K1",
           made(device={"notification": False}, notify={"polling": None})),
    unsure("blocked in a lock of the block layer, seen once", "B7", made(age_ns=2_000 * MS, stack=LOCKED)),
)


def pending(**changes: Any) -> Any:
    """A VM that stands still with work to do."""
    return made(host_part=changes, host={"qemu": pair()[1].qemu._replace(run_state=changes.get("run_state",
                                                                                               "running"))})


NOT_SERVED = (
    fault("device broken", "K9", made(host_part={"broken": True})),
    fault("device asks for a reset", "K9", made(host_device={"status": 0x4F})),
    unsure("queue broken in a guest that starts or shuts down", "K8", made(
        driver={"broken": True}, guest_device={"status": 0}, host_device={"status": 0})),
    fault("queue broken in the guest", "G6", made(driver={"broken": True})),
    fault("device broken and VM paused", "K9", pending(broken=True, run_state="paused", vm_running=False)),
    fault("storage error with a parked request", "B2", partial(pair, avail=104, popped=104, used=103, block={
        "parked": 1, "in_flight": 0}, host_part={"run_state": "io-error", "vm_running": False})),
    unsure("VM paused", "K11", pending(run_state="paused", vm_running=False)),
    unsure("VM being migrated away", "K11", pending(run_state="postmigrate", vm_running=False)),
    unsure("device stopped with its VM", "K11", pending(vm_running=False)),
    unsure("bus mastering off", "K10", made(host_part={"disabled": True})),
    unsure("no DRIVER_OK", "K8", made(guest_device={"status": 3}, host_device={"status": 3})),
    unsure("queue not enabled", "K12", made(device={"enabled": False})),
    unsure("no ring in QEMU", "K12", made(host_queue={"rings": None,
                                                      "absent": {"rings": "not applicable: not set up"}})),
    unsure("storage error, nothing of this queue parked", "K11", partial(pair, host_part={"run_state": "io-error"})),
)

LEGACY_FEATURES = Features(Hex(0x30006E54), [])
LEGACY = {"guest_device": {"features": LEGACY_FEATURES}, "host_device": {"features": LEGACY_FEATURES}}

IDENTITY = (
    unsure("other rings", "C15",
           made(host_queue={"rings": pair()[1].devices[0].queues[0].rings._replace(desc=Hex(0x1000))})),
    unsure("other size", "C16", made(host_queue={"size": 256})),
    unsure("other features", "C17", made(host_device={"features": pair(event_idx=False)[1].devices[0].features})),
    unsure("reset on one side", "M5", made(host_device={"status": 0})),
    unsure("one side begins at 0", "M5", lambda: (pair(avail=9000)[0], pair(avail=0)[1])),
    unsure("different VMs", "S6", lambda: (pair()[0], pair(host={"target": pair()[1].target._replace(uuid="00")})[1])),
    fault("big-endian rings of a modern device", "C18", made(host_part={"byte_order": "big"})),
    unsure("legacy device of another byte order", "C18", partial(pair, host_part={"byte_order": "big"}, **LEGACY)),
    healthy("little-endian, as it should be", partial(pair, host_part={"byte_order": "little"})),
)



def one_core(make: Any) -> Any:
    """Both sides out of one core of QEMU."""
    def snapshots() -> Any:
        return tuple(side._replace(capture=side.capture._replace(method="core",
                                                                 instant="qemu.core 1")) for side in make())
    return snapshots


def twice(make: Any) -> Any:
    """Two captures of each side that show the same."""
    return several(make, make)


OTHER_RINGS = {"rings": pair()[1].devices[0].queues[0].rings._replace(desc=Hex(0x1000))}
IN_ONE_CORE = (
    fault("other rings, in one core", "C15", one_core(made(host_queue=OTHER_RINGS))),
    fault("other size, in one core", "C16", one_core(made(host_queue={"size": 256}))),
    fault("other features, in one core", "C17", one_core(made(host_device={
        "features": pair(event_idx=False)[1].devices[0].features}))),
    fault("the driver does not keep to EVENT_IDX, in one core", "C17", one_core(made(driver={"event": False}))),
    fault("reset on one side, in one core", "M5", one_core(made(host_device={"status": 0}))),
    unsure("more than the queue holds, in one core", "C12", one_core(lambda: (
        pair(avail=300, last_used=100, guest_queue={"in_flight": None, "used": None}, driver={"num_free": None})[0],
        pair(avail=300, last_used=300)[1]))),
    Entry("sums that do not add up, in one core", one_core(lambda: (
        pair(avail=104, popped=104, last_used=100)[0], pair(avail=104, popped=104, used=102)[1])), "fault",
        ("C13", "C9")),
    healthy("idle, in one core", one_core(pair)),
    fault("bus mastering off, twice", "K10", twice(made(host_part={"disabled": True}))),
    fault("no DRIVER_OK, twice", "K8", twice(made(guest_device={"status": 3}, host_device={"status": 3}))),
    fault("queue not enabled, twice", "K12", twice(made(device={"enabled": False}))),
)

ENTRIES: Tuple[Entry, ...] = (*LOST, *BEHIND, *NOT_SERVED, *IDENTITY, *IN_ONE_CORE)
