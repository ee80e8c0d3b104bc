"""`vqcheck host`."""
import argparse
from typing import List

from .. import debugger
from ..snapshot.model import HOST
from ..target.target import Target
from .drgn import needs_drgn
from .installed import ROOT
from .sides import SIDES
from .start import run_program
from .verb import FAILED, OK, Failed, put

NAME = "host"
SUMMARY = "Show QEMU's view of its virtqueues, from a live process without stopping it, or from its core."
EXAMPLES = """\
  vqcheck host --pid PID                                   all devices; `pgrep qemu` finds the VMs
  vqcheck host --pid PID virtio-disk1                      one in full: who holds its requests, where threads stand
  vqcheck host --pid PID virtio-disk1 -o host.json         the snapshot for `vqcheck merge`
  vqcheck host --pid PID --stop virtio-disk1               in one go by gdb, QEMU stopped for a tenth of a second
  vqcheck host --core qemu.core --exe /usr/bin/qemu-system-x86_64 virtio-disk1
"""

FACE = debugger.Face(name=f"vqcheck {NAME}", side=HOST, metavar="DEVICE", summary=SUMMARY, examples=EXAMPLES,
                     take=SIDES[HOST].take, show=SIDES[HOST].show)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pid", metavar="PID", type=int, help="a live QEMU; it goes on running, and what moves "
                                                               "meanwhile is marked")
    source.add_argument("--core", metavar="FILE", help="a core of QEMU, from the kernel or gcore")
    parser.add_argument("--exe", metavar="FILE", help="QEMU's binary or the file with its debug information; found by "
                                                      "the name that it runs under and by build id if not given")
    parser.add_argument("--stop", action="store_true", help="with --pid: stop QEMU meanwhile, by gdb, so that all is "
                                                            "of one instant, and say for how long")
    debugger.add_options(parser, FACE)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    if options.stop:
        return _by_gdb(options)
    debugger.gather(FACE, options, _open(options), put)
    return OK


def _open(options: argparse.Namespace) -> Target:
    with needs_drgn("; or with --stop by gdb" if options.pid else ""):
        from ..target.by_drgn.process import open_core, open_pid  # noqa: PLC0415 - drgn need not be there
    if options.core:
        return open_core(options.core, options.exe)
    return open_pid(options.pid, options.exe)


def _by_gdb(options: argparse.Namespace) -> int:
    """One gdb that does everything and ends; its words are ours."""
    if not options.pid:
        raise Failed("--stop is for a live QEMU: it goes with --pid")
    words: List[str] = [options.device] if options.device else []
    words += [word for name, value in (("-o", options.output), ("--capture", options.capture)) if value
              for word in (name, value)]
    words += ["--json"] if options.json else []
    script = (f"import sys; sys.path.append({str(ROOT)!r}); from gdb_ext import one_go; "
              f"one_go.main({options.pid}, {words!r}, {options.exe!r})")
    return FAILED if run_program("gdb", ["-nx", "-batch", "-ex", f"python {script}"]) else OK
