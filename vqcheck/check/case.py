"""One virtqueue before the court: both sides' records of it, what follows from them, and who is at work on it."""
import functools
from typing import Any, Dict, List, Optional, Set

from ..snapshot.model import Snapshot
from ..snapshot.request_model import Request
from .history import History
from .pairing import Pair
from .persistence import Observed
from .places import Places
from .stacks import DELIVERY, KICKING, Standing, Threads
from .unknown import Unknown


class Case(Places):
    """A pair of queues, from one capture of each side, with what else those captures tell."""

    def __init__(self, pair: Pair, guest: Snapshot, host: Snapshot, threads: Threads, history: History,
                 seen: Optional[Observed] = None, one_instant: bool = False) -> None:
        super().__init__(pair, guest, host)
        self.threads = threads
        self.history = history
        self.seen = seen
        self.one_instant = one_instant
        self.memory: Dict[Any, Any] = {}
        """What was found out of it once, for all who ask."""

    @functools.cached_property
    def serving(self) -> Optional[Standing]:
        """The thread that serves the queue; None where it, or its stack, is not known."""
        return self.threads.serving(self.pair)

    @property
    def standing(self) -> Standing:
        """The same.  Raises Unknown."""
        if self.serving is None:
            raise Unknown("the serving thread, or its stack, is not known")
        return self.serving

    @functools.cached_property
    def interrupt_mover(self) -> Optional[Standing]:
        """A thread that may be carrying an interrupt of this queue right now.

        QEMU evaluates the need to interrupt in the thread that returned the entry: where it has not done so for the
        entry due, and that thread sleeps, no other thread can be carrying the interrupt.
        """
        serving = self.serving
        if serving is not None and serving.at_rest and self.peek("device.signalled_used_valid") and \
                self.evaluated is False:
            return None
        return self.threads.carrying(self.pair, DELIVERY)

    @functools.cached_property
    def kick_mover(self) -> Optional[Standing]:
        """A thread that may be carrying a kick of this queue right now."""
        return self.threads.carrying(self.pair, KICKING)

    @functools.cached_property
    def returned_requests(self) -> Optional[List[Request]]:
        """The guest's requests that the device has returned; None where heads are not known."""
        in_flight, used = self.guest_queue.in_flight, self.guest_queue.used
        if in_flight is None or used is None:
            return None
        returned: Set[int] = {entry.id for entry in used}
        return [request for request in in_flight if request.head in returned]

    @functools.cached_property
    def posted_requests(self) -> Optional[List[Request]]:
        """The guest's requests that the device has not popped; None where heads are not known."""
        in_flight, back, available = self.guest_queue.in_flight, self.returned_requests, self.host_queue.available
        if in_flight is None or back is None or available is None:
            return None
        posted, returned = {entry.head for entry in available}, {request.head for request in back}
        return [request for request in in_flight if request.head in posted - returned]

    @functools.cached_property
    def popped_requests(self) -> Optional[List[Request]]:
        """The guest's requests that the device has popped and not returned; None where heads are not known."""
        in_flight, back, posted = self.guest_queue.in_flight, self.returned_requests, self.posted_requests
        if in_flight is None or back is None or posted is None:
            return None
        others = {request.head for request in (*back, *posted)}
        return [request for request in in_flight if request.head not in others]

    @property
    def where(self) -> str:
        """The queue, as people call it."""
        return f"{self.guest_device.name} = {self.host_device.name}, queue {self.guest_queue.queue_index}"
