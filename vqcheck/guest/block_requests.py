"""A request of the block layer: what a disk was asked to do, since when, and for whom.

Source: Linux include/linux/blk-mq.h (struct request, enum mq_rq_state), include/linux/blk_types.h (enum req_op).
"""
from typing import Any, Dict, Optional

from ..target.absence import Absences
from ..target.errors import NotSupported
from ..target.target import Target
from ..target.view import View

OPERATIONS: Dict[int, str] = {0: "read", 1: "write", 2: "flush", 3: "discard", 5: "secure_erase", 9: "write_zeroes",
                              32: "scsi_in", 33: "scsi_out", 34: "drv_in", 35: "drv_out"}
"""enum req_op of include/linux/blk_types.h; scsi_in and scsi_out until Linux 5.13 (da6269da4cfe "block: remove
REQ_OP_SCSI_{IN,OUT}")."""

IN_FLIGHT = 1
"""MQ_RQ_IN_FLIGHT."""

STATES: Dict[int, str] = {0: "idle", IN_FLIGHT: "in_flight", 2: "complete"}
"""enum mq_rq_state of include/linux/blk-mq.h."""

REQ_OP_MASK = 0xFF
NO_SECTOR = (1 << 64) - 1


def of_pdu(target: Target, pdu: int) -> View:
    """The request whose driver-private part lies at an address: it follows the request (blk_mq_rq_from_pdu())."""
    return View(target, "struct request", pdu - target.size_of("struct request"))


def describe(request: View, clock_ns: Optional[int], absent: Absences) -> Dict[str, Any]:
    """tag, operation, sector, bytes, age_ns and state of a request; `absent` takes the reasons."""
    operation = absent.take("operation", _operation, request)
    sector = absent.take("sector", request.uint, "__sector")
    if sector == NO_SECTOR:
        sector, absent["sector"] = None, f"a {operation} has none"
    state = absent.take("state", request.uint, "state")
    return {
        "tag": absent.take("tag", request.sint, "tag"),
        "operation": operation,
        "sector": sector,
        "bytes": absent.take("bytes", request.uint, "__data_len"),
        "age_ns": absent.take("age_ns", age, request, clock_ns, "start_time_ns"),
        "state": None if state is None else STATES.get(state, f"state_{state}"),
    }


def _operation(request: View) -> str:
    raw = request.raw("cmd_flags")
    if len(raw) == 8:
        # Linux 4.10 made it 32 bits and put the operation into the lowest 8; before, its place changed from release
        # to release.
        raise NotSupported("this kernel's cmd_flags do not hold the operation where later ones have it")
    operation = request.target.decode_uint(raw) & REQ_OP_MASK
    return OPERATIONS.get(operation, f"op_{operation}")


def age(request: View, clock_ns: Optional[int], since: str) -> int:
    """Nanoseconds since a time that the request holds.  Raises NotSupported where one of the two is not known."""
    if clock_ns is None:
        raise NotSupported("the guest's clock is not known")
    started = request.uint(since)
    if started == 0:
        raise NotSupported(f"the kernel did not note {since}, as nobody had asked for I/O statistics")
    return max(0, clock_ns - started)  # the clock is that of the last tick, and a request may be younger
