"""What an engineer's own script for gdb would do with a QEMU 7.2: each fact by its own question to gdb.

Gathers of every virtio disk what its queues' tables show: the device's state, the queue's private indexes, the ring,
both notifiers and whether anybody watches them, the MSI-X vector, and the loop and thread that serve it.  That is less
than `vq-host` gathers: nothing of the block layer, of requests or of stacks, and no reasons.
"""
from typing import Any, Dict, Iterator, List, Set

import gdb

from .per_field import Debugger, Facts

OF_QUEUE = ("vring.num", "vring.num_default", "vring.desc", "vring.avail", "vring.used", "last_avail_idx",
            "shadow_avail_idx", "used_idx", "signalled_used", "signalled_used_valid", "notification", "inuse", "vector",
            "host_notifier.rfd", "host_notifier.initialized", "host_notifier_enabled", "guest_notifier.rfd",
            "guest_notifier.initialized")

OF_DEVICE = ("status", "guest_features", "host_features", "isr", "vm_running", "broken", "disabled", "started")

CTYPES = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long"}


def by_values() -> Debugger:
    """gdb.Value, an attribute a value; the struct that it is of is kept, and not read before something of it is."""
    structs: Dict[Any, Any] = {}
    kinds: Dict[str, Any] = {}

    def pointer_to(name: str) -> Any:
        if name not in kinds:
            kinds[name] = gdb.lookup_type(name).pointer()
        return kinds[name]

    def ask(kind: str, address: int, path: str) -> int:
        value = structs.get((kind, address))
        if value is None:
            value = gdb.Value(address).cast(pointer_to("struct " + kind)).dereference()
            structs[kind, address] = value
        for name in path.split("."):
            value = value[name]
        return int(value)

    def number(address: int, size: int) -> int:
        return int(gdb.Value(address).cast(pointer_to(CTYPES[size])).dereference())

    def string(address: int) -> str:
        return str(gdb.Value(address).cast(pointer_to("char")).string())

    return Debugger(ask, number, string, _offset, _size, _symbol, str)


def by_expressions() -> Debugger:
    """An expression a value, as `print` takes them; a convenience variable a struct keeps its type."""
    kinds: Set[str] = set()

    def ask(kind: str, address: int, path: str) -> int:
        if kind not in kinds:
            kinds.add(kind)
            gdb.execute(f"set var $of_{kind} = (struct {kind} *)0")
        return int(gdb.parse_and_eval(f"((typeof($of_{kind})){address:#x})->{path}"))

    def number(address: int, size: int) -> int:
        return int(gdb.parse_and_eval(f"*({CTYPES[size]} *){address:#x}"))

    def string(address: int) -> str:
        return str(gdb.parse_and_eval(f"(char *){address:#x}").string())

    return by_values()._replace(ask=ask, number=number, string=string)


def _offset(kind: str, path: str) -> int:
    at, found = gdb.lookup_type("struct " + kind), 0
    for name in path.split("."):
        field = at[name]
        at, found = field.type.strip_typedefs(), found + field.bitpos // 8
    return found


def _size(kind: str) -> int:
    return int(gdb.lookup_type("struct " + kind).sizeof)


def _symbol(name: str) -> int:
    return int(gdb.parse_and_eval("&" + name))


def disks(debugger: Debugger) -> List[Facts]:
    """All virtio disks of QEMU."""
    return _Walk(debugger).disks()


class _Walk:
    def __init__(self, debugger: Debugger) -> None:
        self._at = debugger
        self._ask = debugger.ask
        self._loops: Dict[int, Set[int]] = {}
        """File descriptors that are watched, by the loop's AioContext."""
        self._size = debugger.size("VirtQueue")
        self._common = [debugger.number(debugger.symbol(name), 8) for name in ("qemu_aio_context", "iohandler_ctx")]

    def disks(self) -> List[Facts]:
        return [self._disk(device) for device in self._devices()]

    def _devices(self) -> Iterator[int]:
        handler = self._at.symbol("virtio_vmstate_change")
        entry = self._at.number(self._at.symbol("vm_change_state_head"), 8)
        while entry:
            if self._ask("VMChangeStateEntry", entry, "cb") == handler:
                yield self._ask("VMChangeStateEntry", entry, "opaque")
            entry = self._ask("VMChangeStateEntry", entry, "entries.tqe_next")

    def _disk(self, device: int) -> Facts:
        proxy = self._ask("BusState", self._ask("VirtIODevice", device, "parent_obj.parent_bus"), "parent")
        plane = self._ask("VirtIOBlock", device, "dataplane")
        queues: List[Facts] = []
        first = self._ask("VirtIODevice", device, "vq")
        while self._ask("VirtQueue", first + len(queues) * self._size, "vring.num_default"):
            queues.append(self._queue(first + len(queues) * self._size, proxy, plane))
        return {
            "id": self._at.string(self._ask("VirtIOPCIProxy", proxy, "pci_dev.qdev.id")),
            "slot": self._ask("VirtIOPCIProxy", proxy, "pci_dev.devfn"),
            **{name: self._ask("VirtIODevice", device, name) for name in OF_DEVICE},
            "queues": queues,
        }

    def _queue(self, queue: int, proxy: int, plane: int) -> Facts:
        facts: Facts = {name: self._ask("VirtQueue", queue, name) for name in OF_QUEUE}
        context = self._ask("VirtIOBlockDataPlane", plane, "ctx")
        kick, call = facts["host_notifier.rfd"], facts["guest_notifier.rfd"]
        facts.update({
            "ring": self._ring(queue, facts["vring.num"]),
            "msix": self._msix(proxy, facts["vector"]),
            "kicks watched": any(kick in self._watched(one) for one in (*self._common, context)),
            "interrupts watched": any(call in self._watched(one) for one in (*self._common, context)),
            "thread": self._ask("IOThread", self._ask("VirtIOBlockDataPlane", plane, "iothread"), "thread_id"),
            "polling": self._ask("AioContext", context, "poll_started"),
        })
        return facts

    def _ring(self, queue: int, num: int) -> List[int]:
        caches = self._ask("VirtQueue", queue, "vring.caches")
        avail = self._ask("VRingMemoryRegionCaches", caches, "avail.ptr")
        used = self._ask("VRingMemoryRegionCaches", caches, "used.ptr")
        return [self._at.number(at, 2) for at in (avail, avail + 2, avail + 4 + 2 * num,
                                                  used, used + 2, used + 4 + 8 * num)]

    def _msix(self, proxy: int, vector: int) -> List[int]:
        number = self._at.number
        table, pending, used = (self._ask("VirtIOPCIProxy", proxy, "pci_dev." + name)
                                for name in ("msix_table", "msix_pba", "msix_entry_used"))
        return [number(table + 16 * vector, 8), number(table + 16 * vector + 8, 4),
                number(table + 16 * vector + 12, 4) & 1, number(pending + vector // 8, 1) >> vector % 8 & 1,
                int(number(used + 4 * vector, 4) > 0)]

    def _watched(self, context: int) -> Set[int]:
        if context not in self._loops:
            found = self._loops[context] = set()
            handler = self._ask("AioContext", context, "aio_handlers.lh_first")
            while handler:
                if not self._ask("AioHandler", handler, "node_deleted.le_prev"):
                    found.add(self._ask("AioHandler", handler, "pfd.fd"))
                handler = self._ask("AioHandler", handler, "node.le_next")
        return self._loops[context]
