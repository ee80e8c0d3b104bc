"""`vqcheck inspect`: both sides out of QEMU alone, and the verdict."""
import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .. import live
from ..check.judge import judge
from ..check.pairing import Pairing, pair
from ..check.verdict import CANNOT_JUDGE
from ..guest import choose as guest_choose
from ..guest import module_symbols
from ..guest import snapshot as guest_walker
from ..host import devices as host_devices
from ..host import snapshot as host_walker
from ..render.escape import shortened
from ..snapshot.model import Snapshot
from ..snapshot.write import to_json, write_file
from ..target.files.vmcore_file import ELF, DumpFile
from ..target.layouts.layout import read_file
from ..target.layouts.layout_target import Use
from ..target.target import Target
from ..target.vmcore.write import MACHINES
from .drgn import needs_drgn
from .merge import add_judging, judged
from .verb import Failed
from .vm import Vm, add_source, find_vmcoreinfo, missing, open_vm

if TYPE_CHECKING:
    from ..target.by_drgn.inside_qemu import Guest

NAME = "inspect"
SUMMARY = "Read both sides out of one core of QEMU, or a live one, and say who lost which event."
EXAMPLES = """\
  vqcheck inspect --core qemu.core                          all devices; vmlinux from the standard places
  vqcheck inspect --core qemu.core --vmlinux vmlinux vdb    one, by the guest's name for it
  vqcheck inspect --core qemu.core --vmlinux vmlinux --modules debug/ virtio-disk1 --keep DIR
  vqcheck inspect --pid PID --vmlinux vmlinux vdb           a live QEMU, which goes on running

A VM that runs is looked at again where one look does not do: what stood still meanwhile is stuck, what went on is not.

exit status: that of merge: 0 healthy, 1 a fault was found, 2 it can't be judged or the input is bad
"""

LOOKS = 3
APART = 2.5
"""Seconds between two looks: three of them show that a request is stuck of which no age is known."""

LONGEST = 1000
"""Characters of a note at most."""


class Sides(NamedTuple):
    """Both sides' snapshots."""

    guest: Snapshot
    host: Snapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    add_source(parser)
    parser.add_argument("--vmlinux", metavar="FILE", help="the guest's kernel with debug information; looked for by "
                                                          "release and build id if not given")
    parser.add_argument("--modules", metavar="DIR", help="a folder with the modules' debug information, at any depth; "
                                                         "looked for if not given")
    parser.add_argument("--layout", metavar="FILE",
                        help="instead of the guest's debug information: what `vqcheck layout` saved")
    parser.add_argument("device", nargs="?", metavar="NAME",
                        help="one device, by the guest's name or QEMU's; all if none")
    parser.add_argument("--keep", metavar="DIR", help="keep the snapshots there, as guest.json and host.json, those of "
                                                      "further looks as guest2.json and so on")
    parser.add_argument("--looks", metavar="N", type=_number, default=LOOKS,
                        help=f"how often a VM that runs is looked at, {APART} s apart, as long as it can't be judged "
                             "(default: %(default)s)")
    add_judging(parser)


def _number(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    looks = list(several_looks(options))
    if options.keep:
        _keep(looks, options.keep)
    return judged([side for sides in looks for side in sides], options)


def several_looks(options: argparse.Namespace) -> Iterator[Sides]:
    """Both sides, and where a VM that runs can't be judged by them, both again some seconds later."""
    seen: List[Snapshot] = []
    for number in range(1, options.looks + 1):
        sides = both_sides(options, notes=number == 1)
        yield sides
        seen += sides
        if not _runs(sides) or number == options.looks or \
                judge(*seen, stuck=options.stuck).status != CANNOT_JUDGE:
            return
        _say(f"it can't be judged by {number} {'look' if number == 1 else 'looks'}: looking again in {APART} s")
        time.sleep(APART)


def _runs(sides: Sides) -> bool:
    """Whether it went on while it was read."""
    return sides.host.capture.method == "live" and sides.host.capture.instant is None


def both_sides(options: argparse.Namespace, notes: bool = True) -> Sides:
    """The snapshots of what the options name; with `notes`, what is missing is said on the way.

    Raises Failed, TargetError, OSError.
    """
    vm = open_vm(options)
    try:
        guest, more = _open_guest(vm, options)
        for note in missing(vm) + more if notes else ():
            _say(note)
        return _take(guest, vm.target, options.device, vm.runs)
    finally:
        vm.held.close()


def _say(note: str) -> None:
    sys.stderr.write(f"vqcheck {NAME}: {shortened(note, LONGEST)}\n")


# The guest.

def _open_guest(vm: Vm, options: argparse.Namespace) -> Tuple[Target, List[str]]:
    info, notes = find_vmcoreinfo(vm)
    if info is None:
        raise Failed(f"{vm.where}: {notes[0]}")
    with needs_drgn():
        from ..target.by_drgn import inside_qemu  # noqa: PLC0415 - drgn need not be there
        from ..target.by_drgn.target import Caught  # noqa: PLC0415
    known = vm.target.identity()
    caught = Caught(known.method, known.source, known.time, known.time_source, vm.runs or None)
    ranges = [(one.physical, one.size) for one in vm.memory.ranges]
    guest = inside_qemu.Guest(vm.machine, ranges, vm.memory.read, info.text, info.found, vm.where, caught)
    target, more = _by_layout(guest, options) if options.layout else _by_debug_info(guest, options)
    if vm.runs:
        more.append("the VM runs: guest and QEMU are read in turns, twice, and what moved meanwhile is left out")
    return target, notes + more


def _by_debug_info(guest: "Guest", options: argparse.Namespace) -> Tuple[Target, List[str]]:
    from ..target.by_drgn.inside_qemu import open_guest  # noqa: PLC0415 - drgn need not be there
    from ..target.by_drgn.kernel import check_vmlinux, with_debug_info  # noqa: PLC0415
    if options.vmlinux:
        check_vmlinux(options.vmlinux, guest.source, DumpFile(ELF, elf_machine=MACHINES[guest.machine].number))
    target = open_guest(guest, lambda memory: with_debug_info(memory, options.vmlinux, options.modules))
    return target, target.notes


def _by_layout(guest: "Guest", options: argparse.Namespace) -> Tuple[Target, List[str]]:
    from ..target.by_drgn.by_layout import with_layout  # noqa: PLC0415 - drgn need not be there
    from ..target.by_drgn.inside_qemu import open_guest  # noqa: PLC0415
    if options.vmlinux or options.modules:
        raise Failed("--layout stands in for debug information: it goes without --vmlinux and --modules")
    use = Use(read_file(options.layout), False, module_symbols.symbol_name)
    opened = open_guest(guest, lambda memory: with_layout(memory, use))
    return opened.target, opened.notes


# Both sides.

def _take(guest: Target, host: Target, name: Optional[str], runs: bool) -> Sides:
    """Both sides of one device, or of all."""
    named = _whose(guest, host, name)

    def of_guest() -> Snapshot:
        return guest_walker.take(guest, name if named == "guest" else None)

    def of_host() -> Snapshot:
        return host_walker.take(host, name if named == "host" else None)

    sides = Sides(*live.both(of_guest, of_host)) if runs else _of_one_instant(of_guest(), of_host())
    return sides if named is None else _partners(sides, named)


def _of_one_instant(guest: Snapshot, host: Snapshot) -> Sides:
    """Both sides of what stood still meanwhile: no index of theirs can have moved between the two."""
    instant = f"{host.capture.source or 'pid ' + str(host.target.pid)} {host.capture.time}"
    return Sides(*(one._replace(capture=one.capture._replace(instant=instant)) for one in (guest, host)))


def _whose(guest: Target, host: Target, name: Optional[str]) -> Optional[str]:
    """Which side knows the name, the guest first.  Raises Failed where neither does."""
    if name is None:
        return None
    try:
        live.walker(guest_walker.take)(guest, name)
        return "guest"
    except guest_choose.UnknownDevice as problem:
        unknown = str(problem)
    try:
        host_devices.choose(host_devices.devices(host), name)
        return "host"
    except host_devices.UnknownDevice as problem:
        raise Failed(f"{unknown}; and {problem}")


def _partners(sides: Sides, named: str) -> Sides:
    """Of the side that was not asked for by name, the devices that belong to those of the other."""
    pairing: Pairing = pair(sides.guest, sides.host)
    if named == "guest":
        wanted = {id(one.host_device) for one in pairing.pairs}
        return sides._replace(host=_only(sides.host, wanted))
    wanted = {id(one.guest_device) for one in pairing.pairs}
    return sides._replace(guest=_only(sides.guest, wanted))


def _only(snapshot: Snapshot, wanted: "set[int]") -> Snapshot:
    found = [device for device in snapshot.devices if id(device) in wanted]
    return snapshot._replace(devices=found) if found else snapshot


def _keep(looks: Sequence[Sides], directory: str) -> None:
    os.makedirs(directory, exist_ok=True)
    names = []
    for number, sides in enumerate(looks, 1):
        for side, snapshot in zip(sides._fields, sides):
            names.append(f"{side}.json" if number == 1 else f"{side}{number}.json")
            write_file(os.path.join(directory, names[-1]), to_json(snapshot).encode("ascii"))
    _say(f"snapshots written to {directory}: {', '.join(names)}")
