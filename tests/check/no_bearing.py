"""Fields whose value alone changes no verdict on a healthy pair, and why; what is not listed here is noticed.

`python -m tests.check.no_bearing FILE` writes the documentation's page.
"""
import pathlib
import sys
from typing import Dict, Iterator, List, Tuple

from tests import corpus
from vqcheck.check.judge import judge
from vqcheck.check.verdict import HEALTHY

from .mutate import mutants

DESCRIBES = "it names or describes, and nothing is concluded from it"
WAITS = "it matters once an entry waits for it, and is then judged"
COUNTS = "it says how many or how long, of what is not late"
OPINION = "it is the other record's copy, or a choice that either side is free in"

REASONS: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    (DESCRIBES, (
        "guest: devices.bus", "guest: devices.features.names", "guest: devices.guest.address",
        "guest: devices.guest.block.address", "guest: devices.guest.block.disk", "guest: devices.guest.block.scheduler",
        "guest: devices.guest.block.queue_flags", "guest: devices.guest.disk", "guest: devices.guest.driver",
        "guest: devices.guest.linux_names", "guest: devices.guest.virtio_blk", "guest: devices.guest.virtio_device",
        "guest: devices.name", "guest: devices.type", "guest: devices.queues.driver.address",
        "guest: devices.queues.driver.callback", "guest: devices.queues.driver.indirect",
        "guest: devices.queues.driver.free_head", "guest: devices.queues.irq.name", "guest: devices.queues.irq.number",
        "guest: devices.queues.irq.shared", "guest: devices.queues.name", "guest: devices.queues.in_flight.bytes",
        "guest: devices.queues.in_flight.kind", "guest: devices.queues.in_flight.operation",
        "guest: devices.queues.in_flight.sector", "guest: devices.queues.in_flight.state",
        "guest: devices.queues.in_flight.tag", "guest: devices.queues.used.len",
        "host: devices.bus", "host: devices.features.names", "host: devices.features.offered",
        "host: devices.host.address", "host: devices.host.block.filename", "host: devices.host.block.format",
        "host: devices.host.block.node", "host: devices.host.block.tracked", "host: devices.host.net.pair",
        "host: devices.host.net.peer", "host: devices.host.qdev_id", "host: devices.host.qom_path",
        "host: devices.host.type", "host: devices.host.vhost.backend", "host: devices.name", "host: devices.type",
        "host: devices.queues.device.address", "host: devices.queues.held.looked_in",
        "host: devices.queues.held.requests.address", "host: devices.queues.held.requests.bytes",
        "host: devices.queues.held.requests.coroutine", "host: devices.queues.held.requests.descriptors",
        "host: devices.queues.held.requests.functions", "host: devices.queues.held.requests.offset",
        "host: devices.queues.held.requests.type", "host: qemu.accelerator", "host: qemu.loops", "host: threads.name")),
    (WAITS, (
        "guest: devices.guest.block.freeze_depth", "guest: devices.guest.block.quiesce_depth",
        "guest: devices.guest.block.hardware_queues", "guest: devices.guest.block.requeue",
        "guest: devices.guest.block.waiting", "guest: devices.queues.driver.event_flags_shadow",
        "guest: devices.queues.driver.event_triggered", "guest: devices.queues.driver.num_added",
        "guest: devices.queues.indicator", "host: devices.queues.indicator",
        "guest: devices.queues.irq.depth", "guest: devices.queues.irq.masked", "guest: devices.queues.irq.pending",
        "guest: devices.queues.tx_queue", "host: devices.host.block.in_flight", "host: devices.host.block.iostatus",
        "host: devices.host.block.node_in_flight", "host: devices.host.block.parked",
        "host: devices.host.block.quiesce_counter", "host: devices.host.block.throttled",
        "host: devices.host.ioeventfd_started", "host: devices.host.isr", "host: devices.host.net.link_down",
        "host: devices.host.net.packets_waiting", "host: devices.host.net.peer_packets_waiting",
        "host: devices.queues.device.notification", "host: devices.queues.device.signalled_used_valid",
        "host: devices.queues.device.shadow_avail_wrap_counter", "host: devices.queues.held.complete",
        "host: devices.queues.held.requests.detail", "host: devices.queues.held.requests.holder",
        "host: devices.queues.held.requests.node", "host: devices.queues.notify.context",
        "host: devices.queues.notify.guest_notifier", "host: devices.queues.notify.host_notifier",
        "host: devices.queues.notify.msix", "host: devices.queues.notify.polling", "host: devices.queues.notify.vector",
        "host: qemu.bql_owner", "host: qemu.incoming")),
    (COUNTS, (
        "guest: devices.guest.block.waiting_count", "guest: devices.queues.in_flight.age_ns",
        "guest: devices.queues.irq.total", "host: devices.queues.held.requests.age_ns",
        "host: devices.host.vhost.nvqs")),
    (OPINION, (
        "guest: devices.queues.packed.descriptors", "host: devices.queues.packed.descriptors",
        "host: devices.host.started",
        "host: devices.queues.role")),
)
"""Each name stands for itself and all that is below it."""


def reason(path: str) -> str:
    """Why a field has no bearing; empty for one that is to be noticed."""
    for why, names in REASONS:
        if any(path == name or path.startswith(name + ".") for name in names):
            return why
    return ""


def unnoticed() -> Iterator[Tuple[str, bool]]:
    """(field, whether the checker noticed it) for every mutant of every healthy pair of the corpus."""
    for entry in corpus.synthetic():
        snapshots = entry.snapshots()
        if entry.status != HEALTHY or len(snapshots) != 2 or len(snapshots[0].devices) > 1:
            continue
        for side, (name, snapshot) in enumerate(zip(("guest", "host"), snapshots)):
            for mutant in mutants(snapshot):
                others = (mutant.snapshot, snapshots[1]) if side == 0 else (snapshots[0], mutant.snapshot)
                yield f"{name}: {mutant.path}", judge(*others).status != HEALTHY


def by_field() -> Dict[str, List[bool]]:
    """For every field whether it was noticed, each time."""
    found: Dict[str, List[bool]] = {}
    for path, noticed in unnoticed():
        found.setdefault(path, []).append(noticed)
    return found


def page() -> str:
    """The documentation's page."""
    lines = ["<!-- Made by `python -m tests.check.no_bearing docs/no-bearing.md`; not to be edited by hand. -->\n",
             "# Fields that change no verdict by themselves\n",
             "From every healthy pair of the corpus each field was changed, one at a time.  The checker notices, as a "
             "fault or as what can't be judged, every change but those of the following fields (and all below them).  "
             "The test fails when one more goes unnoticed.\n"]
    for why, names in REASONS:
        lines += [f"## {why[0].upper()}{why[1:]}\n", *(f"* {name}" for name in sorted(names)), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text(page(), encoding="utf-8")
