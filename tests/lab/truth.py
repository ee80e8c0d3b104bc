"""What is really the case in a scene, learnt without the project: from the guest, from QEMU and from drgn."""
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .capture import Capture, HostState
from .options import Options
from .report import Report
from .vm import Machine

DRGN_PYTHON = "VQCHECK_DRGN_PYTHON"
"""Names the Python that has drgn, if it is not the one that runs the lab."""
TIMEOUT = 120.0


class Request(NamedTuple):
    """What the guest has in flight; only its head, where it is no request of the block layer's."""
    head: int
    tag: Optional[int] = None
    operation: Optional[int] = None
    sector: Optional[int] = None
    length: Optional[int] = None
    age: Optional[float] = None
    """Seconds since it was started, by the guest's clock."""


class GuestState(NamedTuple):
    """The driver's side of a queue, as drgn reads it from the vmcore; of a split ring, or of a packed one."""
    layout: str
    num: int
    num_free: int
    last_used_idx: int
    desc: int
    returned: List[int]
    """Heads, or buffer ids, that the device has returned and the driver has not consumed."""
    in_flight: List[Request]
    avail_idx_shadow: Optional[int] = None
    avail_flags_shadow: Optional[int] = None
    avail_idx: Optional[int] = None
    used_idx: Optional[int] = None
    used_event: Optional[int] = None
    avail_event: Optional[int] = None
    posted: Optional[List[Tuple[int, int]]] = None
    """Free-running indexes and heads of the available ring, from the used ring's index on."""
    next_avail_idx: Optional[int] = None
    avail_wrap_counter: Optional[bool] = None
    used_wrap_counter: Optional[bool] = None
    event_flags_shadow: Optional[int] = None
    driver_event: Optional[Tuple[int, int]] = None
    """(off_wrap, flags)"""
    device_event: Optional[Tuple[int, int]] = None

    def as_json(self) -> Dict[str, Any]:
        known = {name: value for name, value in self._asdict().items() if value is not None}
        return {**known, "in_flight": [
            {name: value for name, value in one._asdict().items() if value is not None} for one in self.in_flight]}


class Truth(NamedTuple):
    """All independent evidence on one scene."""
    report: Report
    """The guest's last words before the capture."""
    qmp: Dict[str, Any]
    """QEMU's own account shortly before the capture (monitor_says()); without what was in motion."""
    hosts: List[HostState]
    """The device's side of every queue."""
    device: Dict[str, Any]
    """What else gdb printed of the device, its disk and QEMU's threads (gdb_witness.py)."""
    guests: List[GuestState]
    """The driver's side of every queue."""
    options: Options

    @property
    def queue(self) -> int:
        """The index of the queue under test."""
        return self.options.queue_index

    @property
    def guest(self) -> GuestState:
        """The driver's side of the queue under test."""
        return self.guests[self.queue]

    @property
    def host(self) -> HostState:
        """The device's side of it."""
        return self.hosts[self.queue]

    @property
    def others(self) -> List[Tuple[HostState, GuestState]]:
        """The other queues of requests that the driver has set up."""
        return [(host, guest) for place, (host, guest) in enumerate(zip(self.hosts, self.guests))
                if place != self.queue and place >= self.options.subject.requests]

    def write(self, path: pathlib.Path) -> None:
        """Keep it in a file, a line for each witness."""
        found = {"options": self.options._asdict(), "report": self.report._asdict(), "qmp": self.qmp,
                 "hosts": [host._asdict() for host in self.hosts], "device": self.device,
                 "guests": [guest.as_json() for guest in self.guests]}
        path.write_text("{" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
                        + "}\n")


def read(path: pathlib.Path) -> Truth:
    """What Truth.write() kept."""
    found = json.loads(path.read_text())
    return Truth(Report(**found["report"]), found["qmp"], [HostState(**host) for host in found["hosts"]],
                 found["device"], [_guest_state(guest) for guest in found["guests"]], Options(**found["options"]))


def _guest_state(found: Dict[str, Any]) -> GuestState:
    return GuestState(**{**found, "in_flight": [Request(**request) for request in found["in_flight"]]})


def guest_states(capture: Capture, device: str = "vdb") -> List[GuestState]:
    """The driver's side of every queue of a device of the guest's."""
    linux = capture.kernel
    script = pathlib.Path(__file__).with_name("drgn_walk.py")
    done = subprocess.run([os.environ.get(DRGN_PYTHON, sys.executable), str(script), device, str(capture.vmcore),
                           str(linux.vmlinux), *map(str, sorted(linux.debug_modules.glob("*.ko")))],
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"drgn did not read the vmcore: {done.stderr[-1000:]}\n"
                           f"(if drgn is missing: pip install drgn, or name a Python that has it in {DRGN_PYTHON})")
    return [_guest_state(queue) for queue in json.loads(done.stdout)]


def monitor_says(machine: Machine, quiet: bool) -> Dict[str, Any]:
    """QEMU's own account of the machine, and where nothing moves of the device's queues and of its disk.

    What is asked of a disk waits for its event loop's lock in older QEMUs, so a loop that is blocked must not be quiet.
    x-query-virtio-queue-status is harmless for a device of QEMU's own; it would stop the ring of a vhost-user device,
    and x-query-virtio-queue-element would overwrite the shadow index.
    """
    qmp, subject = machine.qmp, machine.options.subject
    found: Dict[str, Any] = {
        "status": qmp.command("query-status")["status"],
        "iothreads": {one["id"]: one["thread-id"] for one in qmp.command("query-iothreads")},
        "vcpus": {str(one["cpu-index"]): one["thread-id"] for one in qmp.command("query-cpus-fast")},
    }
    if not quiet:
        return found
    found["queues"] = _queues(machine)
    if subject.block:
        found["block"] = _of_disk(qmp.command("query-block"), machine)
        found["stats"] = _of_disk(qmp.command("query-blockstats"), machine)["stats"]
    return found


def _queues(machine: Machine) -> List[Dict[str, Any]]:
    """Of every queue; nothing of any in a QEMU that tells nothing of them, as those before 7.2."""
    qmp = machine.qmp
    if "x-query-virtio-status" not in {one["name"] for one in qmp.command("query-commands")}:
        return []
    status = qmp.command("x-query-virtio-status", path=machine.backend)
    return [qmp.command("x-query-virtio-queue-status", path=machine.backend, queue=number)
            for number in range(status["num-vqs"])]


def _of_disk(listed: List[Dict[str, Any]], machine: Machine) -> Dict[str, Any]:
    """Its entry: QEMU names a disk by the id of the device that owns it, or by that one's path where it has none."""
    path = machine.block_path
    (found,) = [one for one in listed if one.get("qdev") in (path, path.rsplit("/", 1)[1])]
    return found
