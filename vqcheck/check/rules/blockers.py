"""What keeps a queue from being served at all: K8 to K12, G6, B2, S3."""
from typing import Callable, List, Optional

from ...snapshot.model import Device, Queue
from ...virtio import features
from ..case import Case
from ..history import seconds_between
from ..persistence import EVENT_SECONDS
from ..remedies import REBIND
from ..result import Evidence, Found, Outcome
from ..rule import BLOCKERS, BROKEN, CRITICAL, HIGH, MEDIUM, NOTE, RUN_STATE, Rule
from .common import fields

RUNNING = "running"
NOT_APPLICABLE = "not applicable"
IO_ERROR = "io-error"


def _broken(case: Case) -> Outcome:
    if case.peek("host.broken"):
        return Found(
            "QEMU has marked the device broken (virtio_error(); its log says why) and no longer looks at its rings",
            [Evidence("the device is broken", None, "broken true")], blame="host: it stopped serving the device; the "
            "cause is in its log")
    for device, side in ((case.host_device, "host"), (case.guest_device, "guest")):
        if device.status is not None and device.status & features.DEVICE_NEEDS_RESET:
            value = f"status {device.status} (DEVICE_NEEDS_RESET)"
            return Found("the device asks for a reset (DEVICE_NEEDS_RESET)", [Evidence(
                "the device met an error that it can't recover from", value if side == "guest" else None,
                value if side == "host" else None)])
    case.get("host.broken")
    return "the device is not broken"


DEVICE_BROKEN = Rule(
    id="K9", slug="device-broken",
    title="The device has given up after an error in its rings",
    blame="whoever corrupted the ring; QEMU's log names the error",
    severity=CRITICAL, stage=BROKEN, test=_broken,
    holds_when="VirtIODevice.broken is set, or the status has DEVICE_NEEDS_RESET",
    needs=("host.broken",),
    explanation="virtio_error() marks the device broken.  From then on every queue looks empty to it, and kicks are "
                "ignored.  Linux's disk drivers do not recover by themselves.",
    confirm=("QEMU's log: the error, as \"Guest moved used index\", \"Virtqueue size exceeded\" or \"virtio: zero "
             "sized buffers\"", "dmesg of the guest: device needs reset"),
    actions=("read QEMU's log for the first virtio error", REBIND),
    references=("virtio 1.2, 2.1.2 (DEVICE_NEEDS_RESET)",
                "QEMU hw/virtio/virtio.c, virtio_error()",
                "QEMU commits f5ed36635d8f, 2d1df85910 (3.1), 4aedda25e8 (6.0)"),
    explains=(),
)


def _given_up(case: Case) -> Outcome:
    if not case.get("driver.broken"):
        return "the driver has not given the queue up"
    status = case.peek("host_device.status")
    if status is not None and not status & features.DRIVER_OK:
        return "the device is not in service yet, or no more, and the driver then calls its queues broken: see K8"
    return Found("the driver has marked the queue broken (vring_virtqueue.broken; dmesg says why)",
                 [Evidence("the driver takes no more from the queue", "broken true")])


QUEUE_BROKEN = Rule(
    id="G6", slug="queue-broken",
    title="The driver has given the queue up",
    blame="guest, or the device that sent it nonsense; dmesg names the error",
    severity=CRITICAL, stage=BROKEN, test=_given_up,
    holds_when="vring_virtqueue.broken is set",
    needs=("driver.broken",),
    not_when=("the device is being removed or reset",
              "DRIVER_OK is not set: kernels with VIRTIO_HARDEN_NOTIFICATION mark queues so until then, and since 6.15 "
              "a shutdown marks all of them"),
    explanation="The driver marks a queue broken when the device returns something impossible (BAD_RING), or when "
                "the device is gone.  What was in flight is not completed.",
    confirm=("dmesg of the guest: \"id N is not a head!\", \"id N out of range\"",),
    actions=("read dmesg of the guest for the first error of the device", REBIND),
    references=("Linux drivers/virtio/virtio_ring.c, BAD_RING(), virtio_break_device()",
                "Linux drivers/virtio/virtio.c, virtio_dev_shutdown()"),
)


def _storage_error(case: Case) -> Outcome:
    if _run_state(case) != IO_ERROR:
        return "the VM was not stopped by a storage error"
    block = case.peek("host.block")
    parked = (block.parked if block else None) or sum(one.requests or 0 for one in case.peek("host.disks") or [])
    if not parked or not case.peek("device.inuse"):
        return "nothing of this queue is parked; it is stopped with the VM"
    iostatus = block.iostatus if block else None
    return Found(
        "the VM was stopped by a storage error, and failed requests are parked for a retry: no event was lost",
        [Evidence("the device keeps the failed requests and will retry them", None, fields(
            run_state=IO_ERROR, parked=parked, inuse=case.peek("device.inuse"), iostatus=iostatus))],
        against=["events on the rings are not judged: the VM stands still"])


STORAGE_ERROR = Rule(
    id="B2", slug="storage-error",
    title="The VM was stopped by a storage error",
    blame="backend: the storage returned an error, and QEMU's policy (werror, rerror) is to wait for the operator",
    severity=HIGH, stage=RUN_STATE, test=_storage_error,
    holds_when="the run state is io-error, and the device holds requests that are parked after an error",
    needs=(),
    explanation="With werror=stop or enospc QEMU parks a request that failed, stops the VM and waits.  `cont` "
                "retries it.  Notifiers are torn down meanwhile, so the rest of the state looks worse than it is.",
    confirm=("BLOCK_IO_ERROR in QEMU's log and libvirt's events; query-block shows io-status",),
    actions=("mend the storage (space, path), then QMP `cont`: the requests are retried",),
    references=("QEMU hw/block/virtio-blk.c, virtio_blk_handle_rw_error()",),
    explains=("K11",),
)


def _run_state(case: Case) -> Optional[str]:
    known = [state for state in (case.peek("host.run_state"), case.peek("qemu.run_state")) if state is not None]
    return next((str(state) for state in known if state != RUNNING), known[0] if known else None)


def _stopped(case: Case) -> Outcome:
    state, running = _run_state(case), case.peek("host.vm_running")
    if state is None and running is None:
        case.get("host.run_state")
    if state in (None, RUNNING) and running is not False:
        return "the VM was running"
    torn = [name for name, value in (
        ("the device's ioeventfd", case.peek("host.ioeventfd_started")),
        ("irqfd", case.peek("notify.guest_notifier.irqfd"))) if value is False]
    says = f"the VM was not running (run state {state})" if state not in (None, RUNNING) else \
        "the device was stopped with its VM (vm_running is false)"
    return Found(
        f"{says}: QMP stop, a dump or a migration drains the disk and holds interrupts back, and the rings then look "
        "like a lost interrupt. Capture while it runs",
        [Evidence("nothing on the rings proves anything while the VM stands still", None, fields(
            run_state=state, vm_running=running)),
         *([Evidence(f"{' and '.join(torn)} is torn down, as it always is then", None, fields(
             ioeventfd_started=case.peek("host.ioeventfd_started"),
             irqfd=case.peek("notify.guest_notifier.irqfd")))] if torn else [])],
        blame=BLAME_OF.get(state or "", "operator or management: the VM was stopped, or still is"),
        actions=[ADVICE_OF.get(state or "", "QMP `cont`, if it was not the capture itself that stopped it")])


BLAME_OF = {
    IO_ERROR: "backend: a storage error stopped the VM",
    "internal-error": "host: KVM or QEMU met an error in the guest's CPU",
    "guest-panicked": "guest: its kernel panicked",
    "watchdog": "guest: its watchdog was not fed",
}
ADVICE_OF = {
    IO_ERROR: "mend the storage (space, path), then QMP `cont`",
    "internal-error": "QEMU's log shows the CPU's state; reset the VM",
    "guest-panicked": "take a dump of the guest, then reset it",
    "postmigrate": "the VM runs elsewhere now: look there",
    "inmigrate": "the VM still arrives: wait for the migration",
}

NOT_RUNNING = Rule(
    id="K11", slug="vm-not-running",
    title="The VM, or the device with it, was not running",
    blame="operator, management, or an error that stopped the VM",
    severity=NOTE, stage=RUN_STATE, test=_stopped, essential=True,
    holds_when="the run state is not running, or VirtIODevice.vm_running is false",
    needs=(),
    explanation="A VM that stands still neither kicks nor takes interrupts.  QMP stop, dump-guest-memory, savevm and "
                "the end of a migration stop it, drain its disks, and tear ioeventfd and irqfd down: a capture made "
                "then looks exactly like a lost interrupt, and is none (S3).",
    confirm=("query-status",),
    actions=("capture both sides while the VM runs, or at one stopped instant with gcore",),
    references=("QEMU hw/virtio/virtio.c, virtio_vmstate_change()",),
)


def _passing(case: Case, who: str, there: Callable[[Device], bool]) -> List[str]:
    """The doubt about a state that a device passes through; none where captures a while apart show it."""
    samples = case.history.host
    seconds = seconds_between(samples[0].snapshot, samples[-1].snapshot) if len(samples) > 1 else None
    if seconds is not None and seconds >= EVENT_SECONDS and all(there(one.device) for one in samples):
        return []
    return [f"{who} passes through this state; capture again"]


def _queue_passing(case: Case, there: Callable[[Queue], bool]) -> List[str]:
    index = case.host_queue.queue_index
    return _passing(case, "a driver that is just starting, or resets the queue,", lambda device: any(
        there(one) for one in device.queues if one.queue_index == index))


def _no_driver_ok(case: Case) -> Outcome:
    status = case.get("host_device.status")
    if status & features.DRIVER_OK:
        return "the driver has set DRIVER_OK"
    names = " ".join(features.status_names(status)) or "none set"
    guest = case.guest_device.status
    return Found(
        f"the device is not in service: its status lacks DRIVER_OK (it is {status}, {names})",
        [Evidence("the driver has not set DRIVER_OK, so the device ignores kicks", fields(status=guest),
                  f"status {status} ({names})")],
        doubts=_passing(case, "a driver that is just starting", lambda one: not (one.status or 0) & features.DRIVER_OK))


NOT_IN_SERVICE = Rule(
    id="K8", slug="no-driver-ok",
    title="The device is not in service: DRIVER_OK is missing",
    blame="guest, or the transport",
    severity=MEDIUM, stage=BLOCKERS, test=_no_driver_ok,
    holds_when="the device's status has no DRIVER_OK",
    needs=("host_device.status",),
    not_when=("the driver is still probing",),
    explanation="Before DRIVER_OK the device may not look at its queues; a kick that comes earlier can be lost.",
    confirm=("the status byte on both sides; FEATURES_OK (8)",),
    actions=(REBIND,),
    references=("virtio 1.2, 3.1.1", "QEMU commits d3f6f294ae (9.0), 5d9c9ea22a (3.0), 8b04e2c797 (4.1)"),
)


def _disabled(case: Case) -> Outcome:
    if not case.get("host.disabled"):
        return "bus mastering is on"
    return Found("QEMU has the device disabled: the guest has switched bus mastering off, and kicks have no effect",
                 [Evidence("the device may not touch memory", None, "disabled true")],
                 doubts=_passing(case, "a boot or kexec", lambda one: bool(one.host and one.host.disabled)))


DISABLED = Rule(
    id="K10", slug="bus-master-off",
    title="Bus mastering is off",
    blame="guest (PCI command register) or firmware",
    severity=HIGH, stage=BLOCKERS, test=_disabled,
    holds_when="VirtIODevice.disabled is set",
    needs=("host.disabled",),
    not_when=("the guest boots or runs kexec",),
    explanation="A PCI device whose bus master bit is off may not read or write memory, so it looks at no ring.",
    confirm=("lspci -vv in the guest: BusMaster-",),
    actions=("in the guest: setpci -s ADDRESS COMMAND=4:4", REBIND),
    references=("QEMU commit 9d7bd0826f (5.0)",),
)


def _not_enabled(case: Case) -> Outcome:
    if case.peek("device.enabled") is False:
        return Found("the queue is not enabled in QEMU, although the guest's driver uses it", [
            Evidence("the transport has the queue off: never enabled, or reset", fields(last_used_idx=case.peek(
                "driver.last_used_idx")), "enabled false")],
                     doubts=_queue_passing(case, lambda one: bool(one.device and one.device.enabled is False)))
    if case.host_queue.rings is None and case.host_queue.absent.get("rings", "").startswith(NOT_APPLICABLE) and \
            case.guest_queue.rings is not None:
        return Found("QEMU has no ring for the queue, although the guest's driver uses it", [
            Evidence("the ring's address is 0 in QEMU", f"desc {int(case.guest_queue.rings.desc):#x}", "vring.desc 0")],
                     doubts=_queue_passing(case, lambda one: one.rings is None))
    return "the queue is set up and enabled"


NOT_ENABLED = Rule(
    id="K12", slug="queue-not-enabled",
    title="The queue is not enabled in QEMU",
    blame="guest's transport, or QEMU's state load",
    severity=CRITICAL, stage=BLOCKERS, test=_not_enabled,
    holds_when="the transport has the queue off, or QEMU has no ring address for it, although the guest's driver "
               "uses it",
    needs=(),
    not_when=("the driver is starting, or resets the queue (RING_RESET)",),
    explanation="QEMU serves only queues that are enabled and have addresses.  A reset of one queue (M6), a state "
                "load that lost the flag, or a size that changed leave the guest alone with its ring.",
    confirm=("the common configuration: queue_enable; guest queue_desc_dma_addr against vring.desc",),
    actions=(REBIND,),
    references=("virtio 1.2, 2.6.1 Virtqueue Reset",
                "QEMU commits 0c9753ebda, a48aaf882b, 10d35e5819 (queue_enable), f0d634ea19 and bbc1c327d7 (8.0, "
                "8.1), d0c5f64338; 805d782d28, d1060e3dc5 (queue reset)"),
)

RULES = (DEVICE_BROKEN, QUEUE_BROKEN, STORAGE_ERROR, NOT_RUNNING, DISABLED, NOT_ENABLED, NOT_IN_SERVICE)

