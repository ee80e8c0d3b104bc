"""The kernel's linked lists, and the lists that its driver core keeps, walked with bounds."""
from typing import Iterator, Optional, Set

from ..target.errors import Corrupt
from ..target.target import Target
from ..target.view import View

MAX_ENTRIES = 65536


def list_entries(target: Target, head: int) -> Iterator[int]:
    """Addresses of the list_head members behind a list's head.  Raises Corrupt on a list that does not close."""
    at = target.read_pointer(head)
    seen: Set[int] = set()
    while at != head:
        if at in seen or len(seen) >= MAX_ENTRIES:
            raise Corrupt(f"the list at {head:#x} does not come back to its head")
        seen.add(at)
        yield at
        at = target.read_pointer(at)  # list_head.next is its first member


def list_length(target: Target, head: int) -> int:
    """How many entries a list has.  Raises Corrupt on a list that does not close."""
    return sum(1 for _ in list_entries(target, head))


def subsystem(target: Target, kset: str, name: str) -> Optional[View]:
    """The struct subsys_private of a class (`class_kset`) or bus (`bus_kset`) by its name.

    Found by name because that works in every kernel: the symbols of a module's buses come with its debug information
    only, and the pointer `p` from class and bus to it went away (Linux 6.3 and 6.4 made both constant).
    """
    holder = View(target, "struct kset", target.read_pointer(target.address_of(kset)))
    entry = target.member_of("struct kobject", "entry").offset
    inside = target.member_of("struct subsys_private", "subsys.kobj").offset
    for node in list_entries(target, holder.address_of("list")):
        if View(target, "struct kobject", node - entry).string("name") == name:
            return View(target, "struct subsys_private", node - entry - inside)
    return None


def subsystem_devices(target: Target, private: View, knode: str) -> Iterator[View]:
    """The devices of a class (`knode_class.n_node`) or a bus (`knode_bus.n_node`), each a view on its struct device."""
    for node in list_entries(target, private.address_of("klist_devices.k_list")):
        # knode_class was a member of struct device itself until Linux 5.1.
        direct = target.member("struct device", knode)
        if direct is not None:
            yield View(target, "struct device", node - direct.offset)
        else:
            inside = target.member_of("struct device_private", knode).offset
            yield View(target, "struct device_private", node - inside).follow("struct device", "device")


def children(target: Target, device: View) -> Iterator[View]:
    """The devices whose parent a device is."""
    private = device.pointer("p")
    if private == 0:  # being registered or removed
        return
    inside = target.member_of("struct device_private", "knode_parent.n_node").offset
    head = View(target, "struct device_private", private).address_of("klist_children.k_list")
    for node in list_entries(target, head):
        yield View(target, "struct device_private", node - inside).follow("struct device", "device")
