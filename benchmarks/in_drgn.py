"""`python -m benchmarks.in_drgn VMCORE VMLINUX MODULES [WORLD]`: the walk by drgn against a drgn script.

Writes to WORLD the guest for PyKdump's double: all that either reader asks of it.
"""
import pathlib
import sys
from typing import Dict, List, Tuple

from tests.crash_ext.world import described
from tests.fake_target import FakeTarget
from vqcheck.guest import snapshot
from vqcheck.target.by_drgn.kernel import open_dump
from vqcheck.target.recording import Recorder
from vqcheck.target.target import Target

from . import per_field, per_field_drgn
from .measure import compare, count


def main(vmcore: str, vmlinux: str, modules: str, world: str = "") -> None:
    """Run it."""
    target = open_dump(vmcore, vmlinux, modules)
    types = per_field.Types(target.member_of, target.size_of, target.symbol, target.symbol_name)
    compare(lambda: target, {"drgn-objects": lambda: per_field_drgn.disks(target.program)},
            lambda: count(per_field.by_reading(types, target.read)), sys.stdout.write)
    if world:
        pathlib.Path(world).write_text(_world(target))


def _world(target: Target) -> str:
    recorder = Recorder(target)
    snapshot.take(recorder)
    types = per_field.Types(recorder.member_of, recorder.size_of, recorder.symbol, recorder.symbol_name)
    per_field.disks(per_field.by_reading(types, recorder.read))
    bundle = recorder.bundle
    guest = FakeTarget()
    guest.symbols = {name: address for name, address in bundle.symbols.items() if address is not None}
    guest.symbols.update((name, address) for address, name in bundle.names.items() if name is not None)
    guest.types = {name: (size, {}) for name, size in bundle.sizes.items() if size is not None}
    for (kind, path), member in bundle.members.items():
        if member is not None:
            guest.types.setdefault(kind, (target.size_of(kind), {}))[1][path] = member
    guest.memory = {start: bytearray(raw) for start, raw in _joined(bundle.memory)}
    return described(guest, modules=(), release="6.1.0-benchmark")


def _joined(memory: Dict[Tuple[bool, int], bytes]) -> List[Tuple[int, bytes]]:
    """Spans of memory without overlaps."""
    found: List[Tuple[int, bytes]] = []
    for (_, start), raw in sorted(memory.items()):
        last, before = found[-1] if found else (0, b"")
        if found and start <= last + len(before):
            found[-1] = last, before + raw[last + len(before) - start:]
        else:
            found.append((start, raw))
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
