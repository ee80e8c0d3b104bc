"""What is in flight on a queue, as the guest knows it."""
from typing import Dict, NamedTuple, Optional

from .kinds import U16, U32, U64, Hex


class Task(NamedTuple):
    """A task of the guest.

    pid: its id in the guest's first pid namespace.
    comm: its name.
    """

    pid: U32
    comm: str


class Request(NamedTuple):
    """Something in flight under a head.

    head: head of its descriptor chain; in a packed ring its buffer id.
    token: address of what the driver attached to the head (desc_state[].data).
    kind: what that is: `block`, `scsi`, `skb`, `buffer`.
    tag: blk-mq tag.
    operation: REQ_OP_* without its prefix, in lower case; `abort` and `reset` for SCSI task management.
    sector: first sector, of 512 bytes.
    bytes: length of the data.
    cdb: SCSI command descriptor block, in hex.
    unit: SCSI device that the command is for, host:channel:id:lun.
    task: who waits for it.
    age_ns: time since the request was allocated (start_time_ns), up to capture.clock_ns; includes time in a scheduler.
    issued_ns: time since it was handed to the driver (io_start_time_ns); kept only where I/O statistics need it.
    state: MQ_RQ_* without its prefix, in lower case.
    descriptors: descriptors of its chain in the queue's table; an indirect table counts as one.
    indirect: descriptors in its indirect table; null where it has none.
    chain_problem: what is wrong with its chain of descriptors, as a loop; null for nothing.
    absent: why fields are null.
    """

    head: U16
    token: Optional[Hex] = None
    kind: Optional[str] = None
    tag: Optional[int] = None
    operation: Optional[str] = None
    sector: Optional[U64] = None
    bytes: Optional[U64] = None
    cdb: Optional[str] = None
    unit: Optional[str] = None
    task: Optional[Task] = None
    age_ns: Optional[int] = None
    issued_ns: Optional[int] = None
    state: Optional[str] = None
    descriptors: Optional[U32] = None
    indirect: Optional[U32] = None
    chain_problem: Optional[str] = None
    absent: Dict[str, str] = {}


class WaitingRequest(NamedTuple):
    """A request that has a tag and is on no ring: it waits in the block layer.

    tag: its driver tag; -1 while it has none.
    internal_tag: its scheduler tag; -1 without a scheduler.
    operation: as in Request.
    sector: as in Request.
    bytes: as in Request.
    age_ns: as in Request.
    state: as in Request.
    absent: why fields are null.
    """

    tag: Optional[int] = None
    internal_tag: Optional[int] = None
    operation: Optional[str] = None
    sector: Optional[U64] = None
    bytes: Optional[U64] = None
    age_ns: Optional[int] = None
    state: Optional[str] = None
    absent: Dict[str, str] = {}


class UsedEntry(NamedTuple):
    """A used element that the driver has not consumed.

    idx: split: its free-running index, it lies at idx mod size; packed: its position in the ring.
    id: the head that the device gave back; in a packed ring the buffer id.
    len: bytes that the device wrote into the chain's buffers; null where it did not say.
    """

    idx: U16
    id: U32
    len: Optional[U32] = None
