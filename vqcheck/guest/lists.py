"""The kernel's linked lists and radix trees, walked with bounds."""
from typing import Iterator, Set, Tuple

from ..target.errors import Corrupt, NoMember
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


def tree_entries(target: Target, root: int) -> Iterator[int]:
    """All entries of a radix tree or xarray, lowest index first.  Raises Corrupt on a tree too large to be one.

    Up to 4.19 a radix tree has nodes of its own, since 4.20 it is an xarray (Linux include/linux/xarray.h; f8d5d0cc145c
    "xarray: Add definition of struct xarray"); the mark of an inner node moved from bit 0 to bit 1.
    """
    if target.type_size("struct xa_node") is not None:
        head, node_type, mark = View(target, "struct xarray", root).pointer("xa_head"), "struct xa_node", 2
    else:
        head, node_type, mark = View(target, "struct radix_tree_root", root).pointer("rnode"), \
            "struct radix_tree_node", 1
    seen: Set[int] = set()
    yield from _below(target, head, (node_type, mark), seen)


def _below(target: Target, entry: int, kind: Tuple[str, int], seen: Set[int]) -> Iterator[int]:
    node_type, mark = kind
    if entry == 0:
        return
    if entry & 3 != mark:
        yield entry
        return
    if entry in seen or len(seen) >= MAX_ENTRIES:
        raise Corrupt(f"the tree has a loop or too many nodes at {entry:#x}")
    seen.add(entry)
    for slot in target.decode_pointers(View(target, node_type, entry - mark).raw("slots")):
        yield from _below(target, slot, kind, seen)


def subsystem_devices(target: Target, owner_type: str, owner: int) -> Iterator[View]:
    """The devices of a class or a bus, each as a view on its `struct device`.

    `owner_type` is `struct class` or `struct bus_type`.
    """
    private = _subsystem(target, owner_type, owner)
    by_class = owner_type == "struct class"
    knode = "knode_class.n_node" if by_class else "knode_bus.n_node"
    for node in list_entries(target, private.address_of("klist_devices.k_list")):
        member = target.member("struct device_private", knode)
        if member is not None:
            yield View(target, "struct device_private", node - member.offset).follow("struct device", "device")
        else:  # knode_class was a member of struct device itself until Linux 5.1
            yield View(target, "struct device", node - target.member_of("struct device", knode).offset)


def _subsystem(target: Target, owner_type: str, owner: int) -> View:
    view = View(target, owner_type, owner)
    if view.has("p"):
        return view.follow("struct subsys_private", "p")
    # Linux 6.3/6.4 made classes and buses constant and took their pointer `p` away; they are found by their kset.
    kset, back = ("class_kset", "class") if owner_type == "struct class" else ("bus_kset", "bus")
    holder = View(target, "struct kset", target.read_pointer(target.address_of(kset)))
    entry = target.member_of("struct kobject", "entry").offset
    inside = target.member_of("struct subsys_private", "subsys.kobj").offset
    for node in list_entries(target, holder.address_of("list")):
        private = View(target, "struct subsys_private", node - entry - inside)
        if private.pointer(back) == owner:
            return private
    raise NoMember(owner_type, "p")
