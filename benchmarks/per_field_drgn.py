"""What an engineer's own drgn script would do: each fact by its own expression on drgn's objects.

Gathers a good part of what `vqcheck guest` gathers of every virtio disk: never more than that.  Independent of the
project on purpose: it imports nothing of it.
"""
from typing import Any, Dict, Iterator, List

import drgn
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.radixtree import radix_tree_for_each

Facts = Dict[str, Any]

REQUEST = ("tag", "cmd_flags", "__sector", "__data_len", "start_time_ns", "io_start_time_ns", "state")


def disks(prog: drgn.Program) -> List[Facts]:
    """All virtio disks of the guest."""
    irqs = _irqs(prog)
    return [_disk(prog, device, irqs) for device in _virtio_devices(prog) if device.id.device.value_() == 2]


def _virtio_devices(prog: drgn.Program) -> Iterator[drgn.Object]:
    buses = prog["bus_kset"].list
    for kobject in list_for_each_entry("struct kobject", buses.address_of_(), "entry"):
        if kobject.name.string_() == b"virtio":
            bus = drgn.container_of(kobject, "struct subsys_private", "subsys.kobj")
            for private in list_for_each_entry("struct device_private", bus.klist_devices.k_list.address_of_(),
                                               "knode_bus.n_node"):
                yield drgn.container_of(private.device, "struct virtio_device", "dev")


def _irqs(prog: drgn.Program) -> Dict[int, Facts]:
    """Interrupts by the dev_id of their handlers."""
    found = {}
    for _, entry in radix_tree_for_each(prog["irq_desc_tree"].address_of_()):
        descriptor = drgn.cast("struct irq_desc *", entry)
        action = descriptor.action
        while action:
            found[action.dev_id.value_()] = descriptor, action
            action = action.next
    return found


def _irq(descriptor: drgn.Object, action: drgn.Object) -> Facts:
    common, data = descriptor.irq_common_data, descriptor.irq_data
    message = common.msi_desc.msg
    return {
        "number": action.irq.value_(),
        "name": action.name.string_(),
        "hwirq": data.hwirq.value_(),
        "chip": data.chip.name.string_(),
        "msi": (message.address_hi.value_(), message.address_lo.value_(), message.data.value_()),
        "total": descriptor.tot_count.value_(),
        "depth": descriptor.depth.value_(),
        "state": common.state_use_accessors.value_(),
        "inner": descriptor.core_internal_state__do_not_mess_with_it.value_(),
        "unhandled": descriptor.irqs_unhandled.value_(),
        "affinity": common.affinity[0].bits[0].value_(),
        "effective_affinity": common.effective_affinity[0].bits[0].value_(),
    }


def _disk(prog: drgn.Program, device: drgn.Object, irqs: Dict[int, Any]) -> Facts:
    queues = list(list_for_each_entry("struct virtqueue", device.vqs.address_of_(), "list"))
    return {
        "name": device.dev.kobj.name.string_(),
        "features": device.features.value_(),
        "bus": device.dev.parent.kobj.name.string_(),
        "driver": device.dev.driver.name.string_(),
        "queues": [_queue(prog, queue, irqs) for queue in queues],
    }


def _queue(prog: drgn.Program, queue: drgn.Object, irqs: Dict[int, Any]) -> Facts:
    outer = drgn.container_of(queue, "struct vring_virtqueue", "vq")
    facts = {
        "index": queue.index.value_(),
        "name": queue.name.string_(),
        "num_free": queue.num_free.value_(),
        "callback": prog.symbol(queue.callback.value_()).name,
        "free_head": outer.free_head.value_(),
        "num_added": outer.num_added.value_(),
        "broken": outer.broken.value_(),
        "indirect": outer.indirect.value_(),
        "event": outer.event.value_(),
        "event_triggered": outer.event_triggered.value_(),
        "last_used_idx": outer.last_used_idx.value_(),
        "irq": _irq(*irqs[queue.value_()]),
    }
    facts.update(_packed(outer, facts) if outer.packed_ring else _split(outer, facts))
    return facts


def _split(outer: drgn.Object, facts: Facts) -> Facts:
    split = outer.split
    ring = split.vring
    num = ring.num.value_()
    used_idx, last_used = ring.used.idx.value_(), facts["last_used_idx"]
    waiting = [(last_used + step) % num for step in range((used_idx - last_used) & 0xFFFF)]
    return {
        "num": num,
        "avail_idx_shadow": split.avail_idx_shadow.value_(),
        "avail_flags_shadow": split.avail_flags_shadow.value_(),
        "dma": split.queue_dma_addr.value_(),
        "avail": (ring.avail.flags.value_(), ring.avail.idx.value_(), ring.avail.ring[num].value_()),
        "used": (ring.used.flags.value_(), used_idx, drgn.cast("__u16 *", ring.used.ring + num)[0].value_()),
        "waiting": [(ring.used.ring[at].id.value_(), ring.used.ring[at].len.value_()) for at in waiting],
        "free": _free(split.desc_extra, facts),
        "in_flight": [_request(head, split.desc_state[head].data, _chain(ring, head, num))
                      for head in range(num) if split.desc_state[head].data],
    }


def _chain(ring: drgn.Object, head: int, num: int) -> Facts:
    descriptors, at = 1, head
    while ring.desc[at].flags.value_() & 1 and descriptors < num:
        descriptors, at = descriptors + 1, ring.desc[at].next.value_()
    indirect = ring.desc[at].flags.value_() & 4
    return {"descriptors": descriptors, "indirect": ring.desc[at].len.value_() // 16 if indirect else None}


def _packed(outer: drgn.Object, facts: Facts) -> Facts:
    packed = outer.packed
    ring = packed.vring
    num = ring.num.value_()
    return {
        "num": num,
        "next_avail_idx": packed.next_avail_idx.value_(),
        "avail_wrap_counter": packed.avail_wrap_counter.value_(),
        "event_flags_shadow": packed.event_flags_shadow.value_(),
        "dma": (packed.ring_dma_addr.value_(), packed.driver_event_dma_addr.value_(),
                packed.device_event_dma_addr.value_()),
        "driver": (ring.driver.off_wrap.value_(), ring.driver.flags.value_()),
        "device": (ring.device.off_wrap.value_(), ring.device.flags.value_()),
        "ring": [(ring.desc[at].addr.value_(), ring.desc[at].len.value_(), ring.desc[at].id.value_(),
                  ring.desc[at].flags.value_()) for at in range(num)],
        "free": _free(packed.desc_extra, facts),
        "in_flight": [_request(head, packed.desc_state[head].data,
                               {"descriptors": packed.desc_state[head].num.value_()})
                      for head in range(num) if packed.desc_state[head].data],
    }


def _free(extra: drgn.Object, facts: Facts) -> int:
    at, seen = facts["free_head"], set()
    while len(seen) < facts["num_free"] and at not in seen:
        seen.add(at)
        at = extra[at].next.value_()
    return len(seen)


def _request(head: int, token: drgn.Object, chain: Facts) -> Facts:
    request = drgn.cast("struct request *", token) - 1
    return {"head": head, **chain, **{name: request.member_(name).value_() for name in REQUEST}}
