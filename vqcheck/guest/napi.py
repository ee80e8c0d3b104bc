"""The NAPI context of a network queue: whether it waits to be polled, and whether a CPU is inside the poll.

Source: Linux include/linux/netdevice.h (struct napi_struct, NAPI_STATE_*), net/core/dev.c (napi_enable(),
napi_disable(), napi_poll(), ____napi_schedule()), net/core/netpoll.c (poll_napi()).
"""
from typing import Optional

from ..snapshot.kernel_model import Napi
from ..snapshot.kinds import Hex
from ..target.absence import Absences
from ..target.errors import Corrupt, NotSupported
from ..target.view import View

SCHED = 1 << 0
NPSVC = 1 << 3
THREADED = 1 << 8
"""Bits of napi_struct.state.  NPSVC is here since Linux 4.11 put NAPI_STATE_MISSED before it; nothing was ever at
THREADED before Linux 5.12."""

OLD = "this kernel's NAPI state bits are older than Linux 4.12 and not told apart"


def read(napi: View, new_bits: bool, up: Optional[bool] = None) -> Napi:
    """What a struct napi_struct says.  Never raises: what is missing has its reason.

    new_bits: its state bits are those of Linux 4.12.
    up: whether the interface is; None for not known.
    """
    absent = Absences()
    state = absent.take("state", napi.uint, "state")
    if state is None:
        absent.update((field, absent["state"]) for field in ("enabled", "scheduled", "polling", "cpu"))
        return Napi(absent=dict(absent))
    if not new_bits:
        absent["enabled"] = absent["polling"] = absent["cpu"] = OLD
        return Napi(state=Hex(state), scheduled=bool(state & SCHED), absent=dict(absent))
    owner = absent.take("enabled", _netpoll, napi)
    fresh = absent.take("enabled", _is_fresh, napi, state, up)
    if "enabled" in absent:
        absent.update((field, absent["enabled"]) for field in ("scheduled", "polling", "cpu"))
        return Napi(state=Hex(state), absent=dict(absent))
    # Whoever disables NAPI takes SCHED and NPSVC and keeps them (since Linux 4.3, 2d8bff12699a "netpoll: Close race
    # condition between poll_one_napi and napi_disable"); netpoll holds both only while it is the owner.
    enabled = owner is not None or state & (SCHED | NPSVC) != SCHED | NPSVC and not fresh
    scheduled = enabled and bool(state & SCHED)
    return Napi(
        state=Hex(state),
        enabled=enabled,
        scheduled=scheduled,
        polling=absent.take("polling", _polling, napi, state) if scheduled and owner is None else owner is not None,
        cpu=absent.take("cpu", _cpu, napi) if scheduled and owner is None else owner,
        absent=dict(absent),
    )


def _is_fresh(napi: View, state: int, up: Optional[bool]) -> bool:
    """Whether a context has SCHED only because nobody has enabled it yet.

    netif_napi_add() sets it, and NPSVC too since Linux 5.9 only and in stable kernels of that time (96e97bc07e90 "net:
    disable netpoll on fresh napis").  virtnet_open() does not enable contexts of weight 0: transmit without napi_tx.
    """
    if state & (SCHED | NPSVC) != SCHED:
        return False
    return up is False or napi.has("weight") and napi.sint("weight") == 0


def _netpoll(napi: View) -> Optional[int]:
    """The CPU that polls on behalf of netpoll, or with netpoll's lock; None for nobody."""
    if not napi.has("poll_owner"):  # without CONFIG_NETPOLL
        return None
    owner = napi.sint("poll_owner")
    return owner if owner >= 0 else None


def _polling(napi: View, state: int) -> bool:
    """The softirq takes a context off its list for as long as it polls it: napi_poll(), since Linux 3.19."""
    if state & THREADED:
        raise NotSupported("it is polled by a kernel thread of its own: only the thread's stack tells")
    node = napi.address_of("poll_list")
    following, _ = napi.target.decode_pointers(napi.raw("poll_list"))
    if following == node:
        return True
    if napi.target.read_pointer(following + napi.target.pointer_size) != node:
        raise Corrupt("the list that its poll_list is on does not lead back to it")
    return False


def _cpu(napi: View) -> int:
    owner = napi.sint("list_owner")  # since Linux 6.4
    if owner < 0:
        raise NotSupported("it is on no CPU's list")
    return owner
