"""What is really the case in a scene, learnt without the project: from the guest, from QEMU and from drgn."""
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, List, NamedTuple, Optional

from .capture import Capture, HostState
from .report import Report
from .vm import Machine, Options

DRGN_PYTHON = "VQCHECK_DRGN_PYTHON"
"""Names the Python that has drgn, if it is not the one that runs the lab."""
TIMEOUT = 120.0


class Request(NamedTuple):
    """A request that the guest has in flight."""
    head: int
    tag: int
    operation: int
    sector: int
    length: int
    age: float
    """Seconds since it was started, by the guest's clock."""


class GuestState(NamedTuple):
    """The driver's side of a queue, as drgn reads it from the vmcore."""
    num: int
    num_free: int
    avail_idx_shadow: int
    avail_flags_shadow: int
    last_used_idx: int
    avail_idx: int
    used_idx: int
    used_event: int
    avail_event: int
    desc: int
    in_flight: List[Request]

    def as_json(self) -> Dict[str, Any]:
        return {**self._asdict(), "in_flight": [request._asdict() for request in self.in_flight]}


class Truth(NamedTuple):
    """All independent evidence on one scene."""
    report: Report
    """The guest's last words before the capture."""
    qmp: Optional[Dict[str, Any]]
    """QEMU's own account of the queue shortly before the capture; None where the queue moved on since."""
    host: HostState
    """The device's side of the first queue."""
    guests: List[GuestState]
    """The driver's side of every queue."""
    options: Options

    @property
    def guest(self) -> GuestState:
        """The driver's side of the first queue."""
        return self.guests[0]

    def as_json(self) -> Dict[str, Any]:
        return {"options": self.options._asdict(), "report": self.report._asdict(), "qmp": self.qmp,
                "host": self.host._asdict(), "guest": self.guest.as_json()}


def guest_states(capture: Capture) -> List[GuestState]:
    """The driver's side of every queue of /dev/vdb."""
    linux = capture.kernel
    script = pathlib.Path(__file__).with_name("drgn_walk.py")
    done = subprocess.run([os.environ.get(DRGN_PYTHON, sys.executable), str(script), str(capture.vmcore),
                           str(linux.vmlinux), *map(str, sorted(linux.debug_modules.glob("*.ko")))],
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"drgn did not read the vmcore: {done.stderr[-1000:]}\n"
                           f"(if drgn is missing: pip install drgn, or name a Python that has it in {DRGN_PYTHON})")
    return [GuestState(**{**queue, "in_flight": [Request(**request) for request in queue["in_flight"]]})
            for queue in json.loads(done.stdout)]


def queue_status(machine: Machine, queue: int = 0) -> Dict[str, Any]:
    """QEMU's own account of a queue.

    Harmless for a plain virtio-blk; it would stop the ring of a vhost-user device, and x-query-virtio-queue-element
    would overwrite the shadow index.
    """
    status: Dict[str, Any] = machine.qmp.command("x-query-virtio-queue-status", path=machine.backend, queue=queue)
    return status
