"""Made-up guests as plain text, so that a double in another process can be that guest.  Synthetic, never captured."""
import struct
from typing import Any, Dict, Iterable

from tests.fake_target import FakeTarget

TYPES = {"virtio_blk": ["struct virtio_blk", "struct virtio_blk_vq"],
         "virtio_ring": ["struct vring_virtqueue", "struct vring_desc_state_split", "struct vring_desc_state"]}
"""What is known of a module only once its debug information is loaded."""


def described(target: FakeTarget, modules: Iterable[str] = ("virtio", "virtio_ring", "virtio_pci", "virtio_blk"),
              crash_knows: bool = True, **more: Any) -> str:
    """The guest as a Python literal; what is in no module is built in; does crash know of the modules?"""
    world: Dict[str, Any] = {
        "symbols": target.symbols,
        "types": {name: (size, {path: tuple(member) for path, member in members.items()})
                  for name, (size, members) in target.types.items()},
        "memory": {address: bytes(raw) for address, raw in target.memory.items()},
        "types_of": {name: TYPES.get(name, []) for name in modules},
        "modules": list(modules) if crash_knows else [],
        "release": "6.1.0-0-made-amd64",
        "kernel": "/nowhere/vmlinux",
        "dump": "/dumps/made-up.core",
        "page_offset": 0,
        **more,
    }
    return repr(world)


def elf(*sections: str) -> bytes:
    """A 64-bit ELF file that has nothing but empty sections of these names."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    count = len(sections) + 2
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 1, 62, 1, 0, 0, 64, 0, 64, 0, 0, 64, count,
                         count - 1)
    at = 64 + 64 * count
    table = b"\0" * 64
    for name in sections:
        table += struct.pack("<IIQQQQIIQQ", names.index(name.encode()), 1, 0, 0, at, 0, 0, 0, 1, 0)
    table += struct.pack("<IIQQQQIIQQ", names.index(b".shstrtab"), 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return header + table + names
