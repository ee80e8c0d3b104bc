"""What QEMU knows of the device under test, field by field as gdb itself prints it; to be sourced in gdb.

Takes $device (debugger.locate()) and prints one line of JSON.  Independent of the project on purpose, as a second
opinion on what its own walker reads: it imports nothing of it.
"""
import json
import os
import re

import gdb

MARK = "LAB-WITNESS"
QUEUES = 1024


def evaluated(expression):
    return gdb.parse_and_eval(expression)


def number(expression):
    return int(evaluated(expression))


def numbers(expression):
    """An array."""
    last = evaluated(expression).type.strip_typedefs().range()[1]
    return [number(f"({expression})[{place}]") for place in range(last + 1)]


def text(expression):
    """A string, an enum's name."""
    value = evaluated(expression)
    code = value.type.strip_typedefs().code
    if code == gdb.TYPE_CODE_PTR:
        return value.string() if int(value) else None
    return value.string() if code == gdb.TYPE_CODE_ARRAY else str(value)


def entries(first, following):
    """Every entry of a list in turn, as $one."""
    gdb.set_convenience_variable("one", evaluated(first))
    while number("(unsigned long) $one"):
        yield
        gdb.set_convenience_variable("one", evaluated(f"$one->{following}"))


def queues():
    gdb.execute("set $pci = (PCIDevice *) $device->parent_obj.parent_bus->parent")
    bus = text("$pci->qdev.parent_obj.class->type->name").rsplit("-", 1)[-1]
    interrupt = {"pci": vector, "ccw": indicator}.get(bus, dict)
    found = []
    while len(found) < QUEUES and number(f"$device->vq[{len(found)}].vring.num_default"):
        gdb.execute(f"set $one = &$device->vq[{len(found)}]")
        found.append({**queue(), **interrupt()})
    return found


FIELDS = ("last_avail_idx", "last_avail_wrap_counter", "shadow_avail_idx", "shadow_avail_wrap_counter", "used_idx",
          "used_wrap_counter", "signalled_used", "signalled_used_valid", "notification", "inuse", "vector",
          "host_notifier_enabled")


def queue():
    found = {name: number(f"$one->{name}") for name in FIELDS}
    found.update({name: number(f"$one->vring.{name}") for name in ("num", "desc", "avail", "used")})
    for name, side in (("kick", "host"), ("call", "guest")):
        found[f"{name}_fd"] = number(f"$one->{side}_notifier.rfd")
        found[f"{name}_count"] = count(found[f"{name}_fd"])
    return found


def count(fd):
    """What waits in an eventfd.  A platform without them delivers at once: nothing can wait there."""
    try:
        with open(f"/proc/{gdb.selected_inferior().pid}/fdinfo/{fd}") as info:
            found = re.search(r"^eventfd-count:\s*([0-9a-f]+)$", info.read(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1), 16) if found else 0


def vector():
    """The queue's entry in the MSI-X table, and its bit in the pending bit array."""
    place = number("$one->vector")
    if place == 0xFFFF or not number("$pci->msix_entries_nr"):
        return {}
    return {"msix_control": number(f"*(unsigned int *) ($pci->msix_table + 16 * {place} + 12)"),
            "msix_pending": number(f"$pci->msix_pba[{place // 8}]") >> place % 8 & 1}


def indicator():
    """The queue's bit of those in the guest's memory by which a channel device makes adapter interrupts."""
    place = number("$one->vector")
    gdb.execute("set $ccw = (VirtioCcwDevice *) $device->parent_obj.parent_bus->parent")
    if place == 0xFFFF or not number("(unsigned long) $ccw->indicators"):
        return {}
    area, bit = number("$ccw->indicators->addr"), number("$ccw->routes.adapter.ind_offset") + place
    return {"indicator_area": area, "indicator_bit": bit, "indicator_set": memory(area + bit // 8) >> 7 - bit % 8 & 1,
            "summary_set": memory(number("$ccw->summary_indicator->addr"))}


def memory(physical):
    """A byte of the guest's memory, which begins at 0 there and is a file to QEMU."""
    folder = f"/proc/{gdb.selected_inferior().pid}/fd"
    file = next(one for one in (f"{folder}/{name}" for name in os.listdir(folder)) if "/memfd:" in os.readlink(one))
    with open(file, "rb") as ram:
        ram.seek(physical)
        return ram.read(1)[0]


def block():
    """The BlockBackend $blk."""
    member = "$blk->public.throttle_group_member"
    return {
        "node": text("$blk->root->bs->node_name"),
        "in_flight": number("$blk->in_flight"),
        "quiesce_counter": number("$blk->quiesce_counter"),
        "iostatus": text("$blk->iostatus"),
        "completed": sum(numbers("$blk->stats.nr_ops")),
        "waiting": numbers(f"{member}.pending_reqs"),
        "group": group(member),
        "tracked": [[number("$one->offset"), number("$one->bytes")]
                    for _ in entries("$blk->root->bs->tracked_requests.lh_first", "list.le_next")],
    }


def group(member):
    if not number(f"(unsigned long) {member}.throttle_state"):
        return None
    offset = number("(unsigned long) &((struct ThrottleGroup *) 0)->ts")
    gdb.execute(f"set $group = (struct ThrottleGroup *) ((char *) {member}.throttle_state - {offset})")
    return {"name": text("$group->name"), "timers": numbers("$group->any_timer_armed")}


def blk():
    gdb.execute("set $blk = ((VirtIOBlock *) $device)->blk")
    parked = [number("$one->elem.index")
              for _ in entries("(VirtIOBlockReq *) ((VirtIOBlock *) $device)->rq", "next")]
    return {**block(), "parked": parked}


def scsi():
    """The one disk of the host adapter, and the heads of its requests."""
    gdb.execute("set $unit = (SCSIDevice *) ((VirtIOSCSI *) $device)->bus.qbus.children.tqh_first->child")
    gdb.execute("set $blk = $unit->conf.blk")
    return {**block(), "parked": [], "requests": [number("((VirtIOSCSIReq *) $one->hba_private)->elem.index")
                                                  for _ in entries("$unit->requests.tqh_first", "next.tqe_next")]}


def loops():
    """The file descriptors that each event loop watches."""
    contexts = {"main": "qemu_aio_context", "iohandler": "iohandler_ctx"}
    try:
        if number("(unsigned long) $blk->ctx") != number("(unsigned long) qemu_aio_context"):
            contexts["iothread1"] = "$blk->ctx"
    except gdb.error:  # a device without a disk has no $blk
        pass
    return {name: [number("$one->pfd.fd") for _ in entries(f"{context}->aio_handlers.lh_first", "node.le_next")]
            for name, context in contexts.items()}


def threads():
    """The functions that each thread stands in, but for QEMU's helpers,, innermost first, by their ids."""
    found = {}
    # Without filters: that of libgobject, which QEMU 5.2 is linked with, has gdb print frames without a name otherwise.
    output = gdb.execute("thread apply all backtrace -no-filters 64", to_string=True)
    for part in re.split(r"^Thread \d+ ", output, flags=re.MULTILINE)[1:]:
        thread = re.match(r"\(Thread 0x[0-9a-f]+ \(LWP (\d+)\)", part)
        functions = re.findall(r"^#\d+\s+(?:0x[0-9a-f]+ in )?(\S+) \(", part, re.MULTILINE)
        if not {"worker_thread", "call_rcu_thread"}.intersection(functions):
            found[thread.group(1)] = functions
    return found


def witness():
    kind = text("$device->name")
    found = {"queues": queues(), "run_state": text("current_run_state"), "vm_running": number("$device->vm_running"),
             "broken": number("$device->broken"), "isr": number("$device->isr"),
             "bus_ioeventfd_started": number("((VirtioBusState *) $device->parent_obj.parent_bus)->ioeventfd_started"),
             "block": blk() if kind == "virtio-blk" else scsi() if kind == "virtio-scsi" else None}
    return {**found, "loops": loops(), "threads": threads()}


print(f"\n{MARK} {json.dumps(witness())}")
