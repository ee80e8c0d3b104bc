"""`vqcheck host`."""
import argparse
from typing import List

from .. import debugger
from ..host.by_qmp import snapshot as by_qmp
from ..host.by_qmp.careful import Careful
from ..snapshot.model import HOST
from ..snapshot.write import to_json
from ..target.layouts.process_layout import on_process
from ..target.target import Target
from . import qmp
from .drgn import needs_drgn
from .installed import ROOT
from .sides import SIDES
from .start import run_program
from .verb import FAILED, OK, Failed, put, put_snapshot

NAME = "host"
SUMMARY = "Show QEMU's view of its virtqueues, from a live process without stopping it, or from its core."
EXAMPLES = """\
  vqcheck host --pid PID                                   all devices; pgrep(1) finds the process of a VM
  vqcheck host --pid PID virtio-disk1                      one in full: who holds its requests, where threads stand
  vqcheck host --pid PID virtio-disk1 -o host.json         the snapshot for `vqcheck merge`
  vqcheck host --pid PID --stop virtio-disk1               in one go by gdb, QEMU stopped for a tenth of a second
  vqcheck host --qmp /run/vm.qmp virtio-disk1              by what QEMU says of itself: no debug info, no ptrace
  vqcheck host --qmp virsh:DOMAIN virtio-disk0             the same of one of libvirt's VMs
  vqcheck host --core qemu.core --exe /usr/bin/qemu-system-x86_64 virtio-disk1
"""

FACE = debugger.Face(name=f"vqcheck {NAME}", side=HOST, metavar="DEVICE", summary=SUMMARY, examples=EXAMPLES,
                     take=SIDES[HOST].take, show=SIDES[HOST].show, by_layout=on_process)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pid", metavar="PID", type=int, help="a live QEMU; it goes on running, and what moves "
                                                               "meanwhile is marked")
    source.add_argument("--core", metavar="FILE", help="a core of QEMU, from the kernel or gcore")
    source.add_argument("--qmp", metavar="SOCKET", help="a live QEMU from 7.2 on, by its QMP: a socket's path, "
                                                        "HOST:PORT, or virsh:DOMAIN; asks only what changes nothing")
    parser.add_argument("--exe", metavar="FILE", help="QEMU's binary or the file with its debug information; found by "
                                                      "the name that it runs under and by build id if not given")
    parser.add_argument("--stop", action="store_true", help="with --pid: stop QEMU meanwhile, by gdb, so that all is "
                                                            "of one instant, and say for how long")
    parser.add_argument("--block", action="store_true", help="with --qmp: ask the block layer too (limits, counters, "
                                                             "jobs); QEMU may hang over it if its storage hangs")
    parser.add_argument("--timeout", metavar="SECONDS", type=_seconds,
                        help=f"with --qmp: how long QEMU may take for an answer ({qmp.SECONDS:g})")
    debugger.add_options(parser, FACE)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"not a number of seconds: {text!r}")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Do it."""
    if options.qmp is not None:
        return _by_qmp(options)
    if options.block or options.timeout is not None:
        raise Failed("--block and --timeout go with --qmp")
    if options.stop:
        return _by_gdb(options)
    debugger.gather(FACE, options, debugger.with_layout(FACE, options, _open(options)), put)
    return OK


def _open(options: argparse.Namespace) -> Target:
    with needs_drgn("; or with --stop by gdb" if options.pid else ""):
        from ..target.by_drgn.process import open_core, open_pid  # noqa: PLC0415 - drgn need not be there
    if options.core:
        return open_core(options.core, options.exe, bool(options.layout))
    return open_pid(options.pid, options.exe, bool(options.layout))


def _by_gdb(options: argparse.Namespace) -> int:
    """One gdb that does everything and ends; its words are ours."""
    if not options.pid:
        raise Failed("--stop is for a live QEMU: it goes with --pid")
    words: List[str] = [options.device] if options.device else []
    words += [word for name, value in (("-o", options.output), ("--capture", options.capture),
                                       ("--layout", options.layout)) if value for word in (name, value)]
    words += [name for name, value in (("--json", options.json), ("--force", options.force)) if value]
    script = (f"import sys; sys.path.append({str(ROOT)!r}); from gdb_ext import one_go; "
              f"one_go.main({options.pid}, {words!r}, {options.exe!r})")
    return FAILED if run_program("gdb", ["-nx", "-batch", "-ex", f"python {script}"]) else OK


def _by_qmp(options: argparse.Namespace) -> int:
    """What QEMU says of itself; nothing of it is read by us, so that there is nothing to record."""
    if options.capture:
        raise Failed("--capture records what a debugger reads, and QMP is none: -o keeps the snapshot")
    if options.stop or options.exe or options.layout or options.force:
        raise Failed("--stop, --exe, --layout and --force are for debuggers: they go without --qmp")
    source = options.qmp if options.qmp.startswith(qmp.VIRSH) else options.qmp.rpartition("/")[2]
    with qmp.connected(options.qmp, options.timeout or qmp.SECONDS) as ask:
        snapshot = by_qmp.take(Careful(ask, options.block), options.device, source)
    if options.output:
        put_snapshot(snapshot, options.output, quiet=options.json)
    if options.json:
        put(to_json(snapshot))
    elif not options.output:
        put(FACE.show(snapshot, options.device is not None))
    return OK
