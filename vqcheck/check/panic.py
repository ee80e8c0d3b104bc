"""A guest whose kernel has panicked: what its devices did after that, it has not seen, and nothing is lost by it."""
from ..snapshot.model import Snapshot
from .history import moment


def died(guest: Snapshot, host: Snapshot) -> bool:
    """The guest's kernel had panicked, and the host's side was captured after that.

    Who has the guest dump itself to see why it hangs (sysrq, an NMI, kdump) and captured the host's side before, has
    evidence of a hang: its time is before the guest's last tick.
    """
    capture = guest.capture
    if not capture.panicked:
        return False
    if capture.method in ("live", "core") or capture.instant is not None:
        return True
    last_tick, seen = moment(guest), moment(host)
    return last_tick is not None and seen is not None and seen > last_tick
