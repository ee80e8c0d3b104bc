"""What an engineer's own script for crash would do: each fact by its own question to the debugger.

Gathers the same as per_field_drgn.py, which is less than `vqstate` gathers of every virtio disk: no block layer, no
waiting tasks, nothing that failed and why.  Offsets and sizes are asked for once.
"""
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

Facts = Dict[str, Any]

REQUEST = ("tag", "cmd_flags", "__sector", "__data_len", "start_time_ns", "io_start_time_ns", "state")


class Debugger(NamedTuple):
    """What the script asks of a debugger; kinds are names of structs."""

    ask: Callable[[str, int, str], int]
    """A member's value, by kind, address and path."""
    number: Callable[[int, int], int]
    """An unsigned integer, by address and bytes."""
    string: Callable[[int], str]
    offset: Callable[[str, str], int]
    size: Callable[[str], int]
    symbol: Callable[[str], int]
    symbol_name: Callable[[int], Any]


class Types(NamedTuple):
    """What a debugger tells of types and symbols."""

    member: Callable[[str, str], Any]
    """(offset, size), by `struct NAME` and path."""
    size: Callable[[str], Any]
    symbol: Callable[[str], Any]
    symbol_name: Callable[[int], Any]


def by_reading(types: Types, read: Callable[[int, int], bytes]) -> Debugger:
    """A debugger of which nothing is asked but to read some bytes at an address."""
    places: Dict[Tuple[str, str], Tuple[int, int]] = {}
    sizes: Dict[str, int] = {}

    def place(kind: str, path: str) -> Tuple[int, int]:
        if (kind, path) not in places:
            places[kind, path] = types.member(f"struct {kind}", path)
        return places[kind, path]

    def ask(kind: str, address: int, path: str) -> int:
        offset, size = place(kind, path)
        return int.from_bytes(read(address + offset, size), "little")

    def number(address: int, size: int) -> int:
        return int.from_bytes(read(address, size), "little")

    def string(address: int) -> str:
        raw = b""
        while b"\0" not in raw:
            raw += read(address + len(raw), 16 - (address + len(raw)) % 16)
        return raw.split(b"\0")[0].decode("latin-1")

    def size_of(kind: str) -> int:
        if kind not in sizes:
            sizes[kind] = types.size(f"struct {kind}")
        return sizes[kind]

    return Debugger(ask, number, string, lambda kind, path: place(kind, path)[0], size_of, types.symbol,
                    types.symbol_name)


def disks(debugger: Debugger) -> List[Facts]:
    """All virtio disks of the guest."""
    return _Walk(debugger).disks()


class _Walk:
    def __init__(self, debugger: Debugger) -> None:
        self._at = debugger
        self._ask = debugger.ask

    def disks(self) -> List[Facts]:
        irqs = self._irqs()
        return [self._disk(device, irqs) for device in self._virtio_devices()
                if self._ask("virtio_device", device, "id.device") == 2]

    def _list(self, head: int, kind: str, path: str) -> Iterator[int]:
        inside = self._at.offset(kind, path)
        at = self._at.number(head, 8)
        while at != head:
            yield at - inside
            at = self._at.number(at, 8)

    def _virtio_devices(self) -> Iterator[int]:
        kset = self._at.number(self._at.symbol("bus_kset"), 8)
        for kobject in self._list(kset + self._at.offset("kset", "list"), "kobject", "entry"):
            if self._at.string(self._ask("kobject", kobject, "name")) == "virtio":
                bus = kobject - self._at.offset("subsys_private", "subsys.kobj")
                devices = bus + self._at.offset("subsys_private", "klist_devices.k_list")
                for private in self._list(devices, "device_private", "knode_bus.n_node"):
                    yield self._ask("device_private", private, "device") - self._at.offset("virtio_device", "dev")

    def _irqs(self) -> Dict[int, Tuple[int, int]]:
        """Interrupts by the dev_id of their handlers."""
        found = {}
        for descriptor in self._radix(self._ask("xarray", self._at.symbol("irq_desc_tree"), "xa_head")):
            action = self._ask("irq_desc", descriptor, "action")
            while action:
                found[self._ask("irqaction", action, "dev_id")] = descriptor, action
                action = self._ask("irqaction", action, "next")
        return found

    def _radix(self, entry: int) -> Iterator[int]:
        if entry & 3 == 2:
            slots = entry - 2 + self._at.offset("xa_node", "slots")
            for number in range(64):
                yield from self._radix(self._at.number(slots + 8 * number, 8))
        elif entry:
            yield entry

    def _irq(self, descriptor: int, action: int) -> Facts:
        def of(path: str) -> int:
            return self._ask("irq_desc", descriptor, path)
        message = of("irq_common_data.msi_desc")
        return {
            "number": self._ask("irqaction", action, "irq"),
            "name": self._at.string(self._ask("irqaction", action, "name")),
            "hwirq": of("irq_data.hwirq"),
            "chip": self._at.string(self._ask("irq_chip", of("irq_data.chip"), "name")),
            "msi": [self._ask("msi_desc", message, "msg." + name) for name in ("address_hi", "address_lo", "data")],
            "total": of("tot_count"),
            "depth": of("depth"),
            "state": of("irq_common_data.state_use_accessors"),
            "inner": of("core_internal_state__do_not_mess_with_it"),
            "unhandled": of("irqs_unhandled"),
            "affinity": self._at.number(of("irq_common_data.affinity"), 8),
            "effective_affinity": self._at.number(of("irq_common_data.effective_affinity"), 8),
        }

    def _disk(self, device: int, irqs: Dict[int, Tuple[int, int]]) -> Facts:
        queues = self._list(device + self._at.offset("virtio_device", "vqs"), "virtqueue", "list")
        parent = self._ask("virtio_device", device, "dev.parent")
        driver = self._ask("virtio_device", device, "dev.driver")
        return {
            "name": self._at.string(self._ask("virtio_device", device, "dev.kobj.name")),
            "features": self._ask("virtio_device", device, "features"),
            "bus": self._at.string(self._ask("device", parent, "kobj.name")),
            "driver": self._at.string(self._ask("device_driver", driver, "name")),
            "queues": [self._queue(queue, irqs) for queue in queues],
        }

    def _queue(self, queue: int, irqs: Dict[int, Tuple[int, int]]) -> Facts:
        def of(path: str) -> int:
            return self._ask("vring_virtqueue", queue, path)
        facts = {path.split(".")[-1]: of(path) for path in (
            "vq.index", "vq.num_free", "free_head", "num_added", "broken", "indirect", "event", "event_triggered",
            "last_used_idx")}
        facts["name"] = self._at.string(of("vq.name"))
        facts["callback"] = self._at.symbol_name(of("vq.callback"))
        facts["irq"] = self._irq(*irqs[queue])
        facts.update(self._packed(of, facts) if of("packed_ring") else self._split(of, facts))
        return facts

    def _split(self, of: Callable[[str], int], facts: Facts) -> Facts:
        number = self._at.number
        num, desc, avail, used = (of("split.vring." + name) for name in ("num", "desc", "avail", "used"))
        used_idx = number(used + 2, 2)
        waiting = [used + 4 + 8 * ((facts["last_used_idx"] + step) % num)
                   for step in range((used_idx - facts["last_used_idx"]) & 0xFFFF)]
        found = []
        for head in range(num):
            token = self._token("vring_desc_state_split", of("split.desc_state"), head)
            if token:
                found.append(self._request(head, token, self._chain(desc, head, num)))
        return {
            "num": num,
            "avail_idx_shadow": of("split.avail_idx_shadow"),
            "avail_flags_shadow": of("split.avail_flags_shadow"),
            "dma": of("split.queue_dma_addr"),
            "avail": (number(avail, 2), number(avail + 2, 2), number(avail + 4 + 2 * num, 2)),
            "used": (number(used, 2), used_idx, number(used + 4 + 8 * num, 2)),
            "waiting": [(number(at, 4), number(at + 4, 4)) for at in waiting],
            "free": self._free(of("split.desc_extra"), facts),
            "in_flight": found,
        }

    def _token(self, kind: str, states: int, head: int) -> int:
        return self._ask(kind, states + head * self._at.size(kind), "data")

    def _chain(self, table: int, head: int, num: int) -> Facts:
        number = self._at.number
        descriptors, at = 1, head
        while number(table + 16 * at + 12, 2) & 1 and descriptors < num:
            descriptors, at = descriptors + 1, number(table + 16 * at + 14, 2)
        indirect = number(table + 16 * at + 12, 2) & 4
        return {"descriptors": descriptors, "indirect": number(table + 16 * at + 8, 4) // 16 if indirect else None}

    def _packed(self, of: Callable[[str], int], facts: Facts) -> Facts:
        number = self._at.number
        num, desc, driver, device = (of("packed.vring." + name) for name in ("num", "desc", "driver", "device"))
        kind, states, found = "vring_desc_state_packed", of("packed.desc_state"), []
        for head in range(num):
            token = self._token(kind, states, head)
            if token:
                taken = self._ask(kind, states + head * self._at.size(kind), "num")
                found.append(self._request(head, token, {"descriptors": taken}))
        return {
            "num": num,
            "next_avail_idx": of("packed.next_avail_idx"),
            "avail_wrap_counter": of("packed.avail_wrap_counter"),
            "event_flags_shadow": of("packed.event_flags_shadow"),
            "dma": (of("packed.ring_dma_addr"), of("packed.driver_event_dma_addr"),
                    of("packed.device_event_dma_addr")),
            "driver": (number(driver, 2), number(driver + 2, 2)),
            "device": (number(device, 2), number(device + 2, 2)),
            "ring": [tuple(number(desc + 16 * at + offset, size) for offset, size in ((0, 8), (8, 4), (12, 2), (14, 2)))
                     for at in range(num)],
            "free": self._free(of("packed.desc_extra"), facts),
            "in_flight": found,
        }

    def _free(self, extra: int, facts: Facts) -> int:
        at, seen = facts["free_head"], set()
        while len(seen) < facts["num_free"] and at not in seen:
            seen.add(at)
            at = self._ask("vring_desc_extra", extra + at * self._at.size("vring_desc_extra"), "next")
        return len(seen)

    def _request(self, head: int, token: int, chain: Facts) -> Facts:
        request = token - self._at.size("request")
        return {"head": head, **chain, **{name: self._ask("request", request, name) for name in REQUEST}}
