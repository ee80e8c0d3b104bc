"""The driver core of a made-up guest: buses, classes, and the devices on them."""
from typing import Dict, List, NamedTuple, Optional

from .guest import Guest


class Node(NamedTuple):
    """A struct device and its struct device_private."""

    device: int
    private: int


class DriverCore:
    """Buses and classes by name, with the devices that are on them."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._members: Dict[str, Dict[str, List[int]]] = {"bus": {}, "class": {}}
        self._children: Dict[int, List[int]] = {}
        self._structs: Dict[str, int] = {}

    def device(self, name: str, at: int, label: str, parent: Optional[Node] = None, bus: Optional[str] = None,
               kind: Optional[str] = None, driver: Optional[str] = None) -> Node:
        """Register the struct device at an address, on a bus or in a class, below a parent."""
        guest = self._guest
        node = Node(at, guest.struct("device_private", f"private of {label}", device=at))
        guest.set("device", at, kobj__name=name, p=node.private, parent=parent.device if parent else 0)
        self._children[node.private] = []
        if parent:
            self._children[parent.private].append(node.private + guest.offset("device_private", "knode_parent.n_node"))
        if bus:
            guest.set("device", at, bus=self._named("bus_type", bus))
            self._on("bus", bus).append(node.private + guest.offset("device_private", "knode_bus.n_node"))
        if kind:
            guest.set("device", at, **{"class": self._named("class", kind)})
            self._on("class", kind).append(self._class_knode(node))
        if driver:
            guest.set("device", at, driver=self._named("device_driver", driver))
        return node

    def _class_knode(self, node: Node) -> int:
        inside = self._guest.member("struct device_private", "knode_class.n_node")
        if inside is not None:
            return node.private + inside.offset
        return node.device + self._guest.offset("device", "knode_class.n_node")

    def _on(self, sort: str, name: str) -> List[int]:
        return self._members[sort].setdefault(name, [])

    def _named(self, struct: str, name: str) -> int:
        key = f"{struct} {name}"
        if key not in self._structs:
            self._structs[key] = self._guest.struct(struct, key, name=name)
        return self._structs[key]

    def finish(self) -> None:
        """Link all lists, now that all devices are known."""
        guest = self._guest
        inside = guest.offset("device_private", "klist_children.k_list")
        for private, nodes in self._children.items():
            guest.link(private + inside, nodes)
        for sort, subsystems in self._members.items():
            kset = guest.struct("kset", f"{sort}_kset")
            guest.symbols[f"{sort}_kset"] = guest.new(f"pointer to {sort}_kset", guest.pointer(kset))
            entries = [self._subsystem(f"{sort} {name}", name, nodes) + guest.offset("subsys_private",
                                                                                     "subsys.kobj.entry")
                       for name, nodes in subsystems.items()]
            guest.link(kset + guest.offset("kset", "list"), entries)

    def _subsystem(self, label: str, name: str, nodes: List[int]) -> int:
        private = self._guest.struct("subsys_private", label, subsys__kobj__name=name)
        self._guest.link(private + self._guest.offset("subsys_private", "klist_devices.k_list"), nodes)
        return private
