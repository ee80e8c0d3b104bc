"""QEMU's event loops: which thread runs each, what waits in it, and who owns the big lock."""
from typing import Dict, List, NamedTuple, Optional

from .kinds import U32, Hex


class EventLoop(NamedTuple):
    """An AioContext.

    name: `main`, or the iothread's id.
    address: its address in the QEMU process.
    thread: kernel thread id of the thread that runs it.
    polling: it is busy polling (AioContext.poll_started).
    absent: why fields are null.
    """

    name: str
    address: Optional[Hex] = None
    thread: Optional[U32] = None
    polling: Optional[bool] = None
    absent: Dict[str, str] = {}


class QemuState(NamedTuple):
    """What is true of the QEMU process as a whole.

    run_state: state of the whole VM, as QMP's query-status names it.
    bql_owner: kernel thread id of the thread that holds the big QEMU lock; 0 when nobody does.
    loops: its event loops.
    absent: why fields are null.
    """

    run_state: Optional[str] = None
    bql_owner: Optional[U32] = None
    loops: Optional[List[EventLoop]] = None
    absent: Dict[str, str] = {}
