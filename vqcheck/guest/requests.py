"""What is in flight on a virtio-blk queue, head by head.

Source: Linux drivers/virtio/virtio_ring.c (desc_state[].data), drivers/block/virtio_blk.c (the request's pdu is a
struct virtblk_req), include/linux/blk-mq.h (blk_mq_rq_from_pdu(): the pdu follows the request).
"""
from typing import Dict, List, Optional

from ..snapshot.request_model import Request
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported, TargetError
from ..target.target import Target
from ..target.view import View

OPERATIONS: Dict[int, str] = {0: "read", 1: "write", 2: "flush", 3: "discard", 5: "secure_erase", 9: "write_zeroes",
                              34: "drv_in", 35: "drv_out"}
"""enum req_op of include/linux/blk_types.h."""

STATES: Dict[int, str] = {0: "idle", 1: "in_flight", 2: "complete"}
"""enum mq_rq_state of include/linux/blk-mq.h."""

REQ_OP_MASK = 0xFF
NO_SECTOR = (1 << 64) - 1


def in_flight(target: Target, vring_virtqueue: View, num: int, request_queue: Optional[int],
              clock_ns: Optional[int]) -> List[Request]:
    """The heads that the driver has handed out and not got back, lowest first.  Raises TargetError."""
    return [_request(target, head, data, request_queue, clock_ns)
            for head, data in enumerate(_tokens(target, vring_virtqueue, num)) if data]


def _tokens(target: Target, queue: View, num: int) -> List[int]:
    """desc_state[].data of every head; NULL where nothing is in flight."""
    if queue.has("data"):  # up to Linux 4.6, and RHEL 7: a plain array of tokens
        start, size, offset = queue.address_of("data"), target.pointer_size, 0
    else:
        flat = not queue.has("split.desc_state")
        state = "struct vring_desc_state"
        if target.type_size(state) is None:  # renamed when the packed ring came, Linux 5.0
            state = "struct vring_desc_state_split"
        size, offset = target.size_of(state), target.member_of(state, "data").offset
        start = queue.address_of("desc_state") if flat else queue.pointer("split.desc_state")
    return target.decode_pointers(target.read(start, size * num), size, offset)


def _request(target: Target, head: int, data: int, request_queue: Optional[int], clock_ns: Optional[int]) -> Request:
    try:
        if request_queue is None:
            raise NotSupported("only the requests of a disk are known")
        request = View(target, "struct request", data - target.size_of("struct request"))
        if request.pointer("q") != request_queue:
            raise Corrupt(f"what head {head} stands for, at {data:#x}, is no request of this disk")
    except TargetError as problem:
        return Request(head, absent={"tag": str(problem)})
    absent = Absences()
    flags = absent.take("operation", request.uint, "cmd_flags")
    operation = None if flags is None else OPERATIONS.get(flags & REQ_OP_MASK, f"op_{flags & REQ_OP_MASK}")
    sector = absent.take("sector", request.uint, "__sector")
    if sector == NO_SECTOR:
        sector, absent["sector"] = None, f"a {operation} has none"
    state = absent.take("state", request.uint, "state")
    return Request(
        head=head,
        tag=absent.take("tag", request.sint, "tag"),
        operation=operation,
        sector=sector,
        bytes=absent.take("bytes", request.uint, "__data_len"),
        age_ns=absent.take("age_ns", _age, request, clock_ns, "start_time_ns"),
        issued_ns=absent.take("issued_ns", _age, request, clock_ns, "io_start_time_ns"),
        state=None if state is None else STATES.get(state, f"state_{state}"),
        absent=dict(absent),
    )


def _age(request: View, clock_ns: Optional[int], since: str) -> int:
    if clock_ns is None:
        raise NotSupported("the guest's clock is not known")
    started = request.uint(since)
    if started == 0:
        raise NotSupported(f"the kernel did not note {since}, as nobody had asked for I/O statistics")
    return max(0, clock_ns - started)  # the clock is that of the last tick, and a request may be younger
