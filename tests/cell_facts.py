"""QEMU's side of a cell of the matrix held against QMP and the guest's console, made just now or replayed."""
from typing import Dict, List

from tests.lab import initramfs
from tests.lab.monitor import DeviceStatus
from vqcheck.snapshot.held_model import HeldRequest
from vqcheck.snapshot.model import Device, Snapshot

HANGING = {"virtio-disk0": "slow0", "scsi0": "slow3"}
"""Devices with a disk where writes hang, and the throttle group that these wait in."""

Said = Dict[str, DeviceStatus]


def device(host: Snapshot, name: str) -> Device:
    """A device by its qdev id."""
    (found,) = [one for one in host.devices if one.host and one.host.qdev_id == name]
    return found


def check_resting(before: Said, after: Said, host: Snapshot) -> None:
    """What QMP says before and after the capture was so at the capture, where both are the same."""
    resting = 0
    for name, said in before.items():
        then = {one.index: one for one in after[name].queues}
        for one in said.queues:
            if one != then.get(one.index):
                continue
            queue = device(host, name).queues[one.index]
            assert queue.device is not None and queue.rings is not None
            assert (queue.size, *queue.rings[:3]) == (one.size, one.desc, one.avail, one.used)
            assert (queue.device.last_avail_idx, queue.device.used_idx, queue.device.inuse,
                    queue.device.signalled_used) == (
                one.last_avail_idx, one.used_idx, one.inuse, one.signalled_used), (name, one.index)
            resting += 1
    assert resting > 10, "too little was at rest to compare"


def check_hanging(host: Snapshot) -> None:
    """The writes that hang wait in the throttle node of their disk, each with its place and length."""
    for name, group in HANGING.items():
        found = device(host, name)
        assert found.host is not None
        blocks = [found.host.block] if found.host.block else [one.block for one in found.host.disks or []]
        (limits,) = [one for block in blocks if block for one in block.throttling or []]
        assert (limits.group, limits.limits, limits.write_timer) == (group, "1 bytes/s written", True)
        waiting: List[HeldRequest] = [one for queue in found.queues if queue.held for one in queue.held.requests
                                      if one.holder == "throttle"]
        assert {(one.offset or 0) // 512: one.bytes for one in waiting} == initramfs.HANGING
        assert {(one.node, one.detail, one.type) for one in waiting} == {
            (limits.node, f"throttle group {group}", "write")}
        assert limits.writes_waiting == len(waiting)


def check_others(host: Snapshot) -> None:
    """What another process serves is said to be; of all else there is no vhost device."""
    for one in host.devices:
        assert one.host is not None
        served = one.host.vhost or []
        assert one.host.vhost_started == bool(served)
        for queue in one.queues:
            assert queue.notify is not None
            inside = [vhost for vhost in served if vhost.vq_index is not None and vhost.nvqs is not None
                      and vhost.vq_index <= queue.queue_index < vhost.vq_index + vhost.nvqs]
            if inside and queue.rings:
                assert (inside[0].backend, inside[0].started) == ("user", True)
                assert queue.notify.vhost is not None and queue.notify.vhost.num == queue.size
                assert queue.available is None and "vhost" in queue.absent["available"]
            elif not inside:
                assert "vhost does not serve" in queue.notify.absent["vhost"]


def check_process(host: Snapshot, iothread: bool) -> None:
    """Every loop and vCPU has its thread."""
    roles = sorted(one.role for one in host.threads or [] if one.role)
    assert roles == sorted(["main", "vcpu 0", "vcpu 1"] + ["iothread iothread1"] * iothread)
    assert host.qemu is not None
    assert (host.qemu.accelerator, host.qemu.run_state, host.qemu.incoming) == ("tcg", "running", "none")


def check_indicators(guest: Snapshot, host: Snapshot) -> None:
    """Every queue of a channel device has a bit of its own, and but for a bug of Linux the same one to both sides."""
    theirs = {(one.bus, queue.queue_index): queue for one in host.devices for queue in one.queues}
    bits = []
    for one in guest.devices:
        for queue in one.queues:
            mine, yours = queue.indicator, theirs[one.bus, queue.queue_index].indicator
            assert queue.irq is None and queue.absent["irq"].startswith("not applicable")
            assert mine is not None and yours is not None and mine.adapter and not mine.absent
            if queue.role == "reporting":  # this Linux has a bit for the queue of free page hints, which is not there
                assert (mine.area, mine.bit) == (yours.area, yours.bit + 1)
            else:
                assert mine == yours, (one.name, queue.queue_index)
            bits.append((mine.area, mine.bit))
    assert len(set(bits)) == len(bits) > len(guest.devices)
