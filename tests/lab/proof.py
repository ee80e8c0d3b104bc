"""What must be true of each scene by its independent evidence; each raises AssertionError where it is another one."""
from typing import Callable, List, Sequence

from .capture import Capture, HostState, stack
from .produce import HELD
from .truth import GuestState, Request, Truth

SETTLED = 2.0
"""Requests of a hung queue are at least so many seconds old."""

Check = Callable[[Truth, Capture], None]


def sides_agree(seen: Truth) -> None:
    """Both sides were taken from one queue at one instant, and QMP agrees where it could be asked."""
    for host, guest in zip(seen.hosts, seen.guests):
        assert host.desc == guest.desc, "the two sides are not of one queue"
        if guest.used_idx is not None:
            # Not always equal: QEMU may have been stopped between writing the ring's index and its own copy.
            assert ahead(guest.used_idx, host.used_idx) <= 1, "the two sides are not of one instant"
    for said, host in zip(seen.qmp.get("queues", ()), seen.hosts):
        assert (said["used-idx"], said["last-avail-idx"], said["signalled-used"], said["inuse"]) == (
            host.used_idx, host.last_avail_idx, host.signalled_used, host.inuse)
    assert seen.qmp["status"].replace("-", "_").upper() in seen.device["run_state"], "the run state has changed"


def posted(host: HostState, guest: GuestState) -> List[int]:
    """Heads that the driver has made available and the device has not popped (of split rings)."""
    assert guest.posted is not None and guest.avail_idx is not None
    return [head for idx, head in guest.posted if ahead(guest.avail_idx, idx) <= ahead(guest.avail_idx,
                                                                                       host.last_avail_idx)]


def popped(host: HostState, guest: GuestState) -> List[int]:
    """Heads that the device has popped and not returned."""
    others = {*guest.returned, *(posted(host, guest) if guest.layout == "split" else ())}
    return sorted(one.head for one in guest.in_flight if one.head not in others)


def _old(requests: Sequence[Request], seconds: float = SETTLED) -> List[Request]:
    return [one for one in requests if one.age is not None and one.age > seconds]


def _hung(seen: Truth) -> None:
    """Requests have been in flight for long, and the last report knew of as many."""
    in_flight = seen.guest.in_flight
    assert in_flight and len(_old(in_flight)) == len(in_flight), in_flight
    assert seen.options.queues > 1 or seen.report.in_flight == len(in_flight), "something else is in flight"
    assert nothing_waits(seen.host)


def _completed(seen: Truth) -> None:
    """The device has returned all that hangs, and no more is to be done."""
    host, guest = seen.host, seen.guest
    _hung(seen)
    assert len(guest.returned) == len(guest.in_flight), "not all that hangs has been completed"
    assert host.inuse == 0 and not popped(host, guest)
    assert guest.layout == "packed" or host.last_avail_idx == guest.avail_idx, "the device is not done"


def interrupt_lost(seen: Truth, _: Capture) -> None:
    host = seen.host
    _completed(seen)
    if seen.options.packed or seen.options.event_idx:
        assert host.used_idx != host.signalled_used, "the device has noted that it notified"
    _others_serve(seen)


def eventfd_lost(seen: Truth, _: Capture) -> None:
    _completed(seen)
    assert noted(seen), "the device's own account is not clean"


def adapter_interrupt_lost(seen: Truth, _: Capture) -> None:
    _completed(seen)
    assert noted(seen), "the device's own account is not clean"
    assert seen.host.indicator_set and seen.host.summary_set, "the indicators do not wait for the handler"


def kick_lost(seen: Truth, _: Capture) -> None:
    host, guest = seen.host, seen.guest
    _hung(seen)
    assert host.used_idx == guest.last_used_idx and host.inuse == 0, "the device has something"
    assert len(posted(host, guest)) == len(guest.in_flight), "not all that hangs is unseen"
    assert host.shadow_avail_idx == host.last_avail_idx and host.notification
    assert guest.avail_idx is not None and guest.avail_event is not None
    assert ahead(guest.avail_idx, guest.avail_event) > 0, "no kick was due"


def vector_masked(seen: Truth, _: Capture) -> None:
    host = seen.host
    _completed(seen)
    assert noted(seen), "the device's own account is not clean"
    assert host.msix_control is not None and host.msix_control & 1 and host.msix_pending, "nothing is pending"


def stuck(seen: Truth, _: Capture) -> None:
    """One request is held by the block layer for long, and the device goes on with others."""
    old = _old([one for guest in seen.guests for one in guest.in_flight], HELD)
    assert len(old) == 1 and old[0].head in popped(seen.host, seen.guest), f"one request is to hang: {seen.guests}"
    assert seen.host.inuse >= 1 and seen.device["block"]["in_flight"] >= 1, "the device does not have it"
    assert [(old[0].sector or 0) * 512, old[0].length] in seen.device["block"]["tracked"], "no block node has it"


def stuck_in_order(seen: Truth, _: Capture) -> None:
    """The block layer has the request that came first, and none of those that the device cannot return before it."""
    tracked = _all_popped(seen)
    assert len(tracked) == 1 and seen.device["block"]["in_flight"] == 1, f"one request is to hang: {tracked}"
    guest = seen.guest
    head = guest.posted[0][1] if guest.posted else guest.last_used_idx  # in a packed ring the driver's ids are places
    assert tracked == [[(one.sector or 0) * 512, one.length] for one in guest.in_flight if one.head == head], (
        "another one hangs than the first")


def flush_lost(seen: Truth, _: Capture) -> None:
    """The device has returned nothing of what it popped, and the block layer has done it all."""
    assert _all_popped(seen) == [] and seen.device["block"]["in_flight"] == 0, "something is not done"


def _all_popped(seen: Truth) -> List[List[int]]:
    """With IN_ORDER several requests hang, the device has popped them all; returns what block nodes have of them."""
    host, guest = seen.host, seen.guest
    _hung(seen)
    assert len(guest.in_flight) > 1 and not guest.returned, "nothing waits for a request before it"
    assert popped(host, guest) == sorted(one.head for one in guest.in_flight), "not all that hangs was popped"
    tracked: List[List[int]] = seen.device["block"]["tracked"]
    return tracked


def throttled(seen: Truth, _: Capture) -> None:
    """All that is in flight waits in the throttle group, and none of it in a block node."""
    host, guest, block = seen.host, seen.guest, seen.device["block"]
    _hung(seen)
    assert len(_old(guest.in_flight, HELD)) == len(guest.in_flight) == len(popped(host, guest)) == host.inuse
    assert block["waiting"] == [0, host.inuse] and block["tracked"] == [] and block["group"]["timers"][1] == 1
    assert seen.qmp["block"]["inserted"]["bps_wr"] == 1


def out_of_space(seen: Truth, _: Capture) -> None:
    """The machine is stopped, and what failed is parked in the device."""
    host, block = seen.host, seen.device["block"]
    assert seen.qmp["status"] == "io-error" and not seen.device["vm_running"]
    assert block["iostatus"] == "BLOCK_DEVICE_IO_STATUS_NOSPACE" and seen.qmp["block"]["io-status"] == "nospace"
    assert sorted(block["parked"]) == popped(host, seen.guest) != [] and host.inuse == len(block["parked"])
    assert block["in_flight"] == 0 and not host.host_notifier_enabled


def paused(seen: Truth, _: Capture) -> None:
    """The machine is stopped, its device drained, and its notifiers are torn down."""
    assert seen.qmp["status"] == "paused" and not seen.device["vm_running"]
    assert seen.host.inuse == 0 and not popped(seen.host, seen.guest) and seen.device["block"]["in_flight"] == 0
    assert not seen.host.host_notifier_enabled and not seen.device["bus_ioeventfd_started"]


def panicked(seen: Truth, capture: Capture) -> None:
    """The device has done everything and raised its interrupt, and the guest's kernel takes none any more."""
    host, guest = seen.host, seen.guest
    assert "Kernel panic" in (capture.directory / "console.log").read_text(errors="replace")
    assert guest.returned and len(guest.returned) == len(guest.in_flight) and host.inuse == 0, guest
    assert seen.device["vm_running"] and noted(seen)


def parked(seen: Truth, _: Capture) -> None:
    """The iothread stands in the queue's handler for good, and what the driver posts is not popped."""
    host, guest = seen.host, seen.guest
    (functions,) = [seen.device["threads"][str(thread)] for thread in seen.qmp["iothreads"].values()]
    assert "pause" in functions[0] and "virtio_blk_handle_vq" in functions, functions
    waiting = [one for one in guest.in_flight if one.head in posted(host, guest)]
    assert waiting and len(_old(waiting, HELD)) == len(waiting), guest
    assert guest.used_idx == host.used_idx and seen.device["vm_running"]
    assert not host.notification, "the handler is not where it takes requests"


def load(seen: Truth, _: Capture) -> None:
    assert len(_old(seen.guest.in_flight)) == 0, seen.guest.in_flight


def idle(seen: Truth, _: Capture) -> None:
    host, guest = seen.host, seen.guest
    assert not guest.in_flight and seen.report.in_flight == 0 and host.inuse == 0
    if guest.layout == "split":
        assert guest.avail_idx == guest.used_idx == guest.last_used_idx == host.last_avail_idx
    else:
        assert (guest.next_avail_idx, guest.avail_wrap_counter) == (guest.last_used_idx, guest.used_wrap_counter) == (
            host.last_avail_idx, host.last_avail_wrap_counter) == (host.used_idx, host.used_wrap_counter)
    assert nothing_waits(host)


def receive_idle(seen: Truth, _: Capture) -> None:
    """Nothing comes and nothing goes: the driver has filled the receive queues, the device holds none of it."""
    queues = list(zip(seen.hosts, seen.guests))
    assert len(queues) == 2 * seen.options.pairs + 1, "another number of queues than the pairs' and the control queue"
    for (receive, posted_there), (send, sent) in zip(queues[:-1:2], queues[1::2]):
        assert len(posted(receive, posted_there)) == len(posted_there.in_flight) > posted_there.num // 4
        assert not posted_there.returned and receive.inuse == 0 and send.inuse == 0
        assert sent.avail_idx == sent.used_idx == send.last_avail_idx, "something is to be sent"
        assert nothing_waits(receive) and nothing_waits(send)
    assert seen.device["threads"] and seen.report.in_flight == 0


def at(*functions: str) -> Check:
    """Under load, at the entry of one of some functions."""
    def check(seen: Truth, capture: Capture) -> None:
        load(seen, capture)
        assert stack(capture.output)[0] in functions
        if "event_notifier_set" in functions:
            assert noted(seen)
        elif "virtio_notify" in functions:
            assert ahead(seen.host.used_idx, seen.host.signalled_used) > 0
        else:
            assert posted(seen.host, seen.guest)
    return check


def _others_serve(seen: Truth) -> None:
    """The other queues of the device were used, and nothing hangs in them."""
    for host, guest in seen.others:
        assert host.used_idx > 0 and not _old(guest.in_flight), guest


def noted(seen: Truth) -> bool:
    """Whether the device has noted its last decision to notify; without EVENT_IDX it never notes any."""
    host = seen.host
    return host.signalled_used_valid and host.signalled_used == host.used_idx or not seen.options.event_idx


def nothing_waits(host: HostState) -> bool:
    """Whether no event is on its way in an eventfd."""
    return host.kick_count == 0 and host.call_count == 0


def ahead(index: int, other: int) -> int:
    """How far a ring index is ahead of another."""
    return (index - other) % 0x10000
