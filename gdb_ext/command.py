"""`(gdb) vq-host [DEVICE]`."""
from typing import List, Optional, Sequence

import gdb

from vqcheck.debugger import OK, Face, parser, run
from vqcheck.host import snapshot
from vqcheck.host.devices import devices, names
from vqcheck.render import host_text
from vqcheck.snapshot.model import HOST, Snapshot
from vqcheck.target.errors import NoSymbol, NoType, TargetError
from vqcheck.target.layouts.process_layout import on_process
from vqcheck.target.target import Target

from .target import GdbTarget

EXAMPLES = """  vq-host                            all virtqueues of all virtio devices
  vq-host virtio-disk1               one device, by its qdev id, QOM path, block node or number
  vq-host virtio-disk1 -o host.json  the snapshot for `vqcheck merge guest.json host.json`
  vq-host virtio-disk1 --capture host.vqcap
                                     a recording of kilobytes that `vqcheck replay` reads anywhere
  vq-host --layout qemu.vqlayout     with a QEMU that has no debug information
"""


def take(target: Target, name: Optional[str]) -> Snapshot:
    """The host's snapshot, with a hint where debug information is missing.  Raises TargetError."""
    try:
        return snapshot.take(target, name)
    except (NoSymbol, NoType) as problem:
        identity = target.identity()
        raise TargetError(
            f"{problem}. Is this a QEMU, and has gdb its debug information (build id {identity.build_id})? "
            "Debian and Ubuntu: package qemu-system-x86-dbgsym from the debug archive; Fedora and RHEL: "
            "`dnf debuginfo-install qemu-kvm-core`; or set debuginfod enabled on; or --layout with what `vqcheck "
            "layout save --qemu` saved where there is some")


FACE = Face(
    name="vq-host",
    side=HOST,
    metavar="DEVICE",
    summary="Show QEMU's view of its virtqueues: indexes, rings, notifiers, block layer and serving threads. "
            "Works on a live QEMU and on its core; never lets it run, calls into it or writes to it.",
    examples=EXAMPLES,
    take=take,
    show=host_text.show,
    by_layout=on_process,
)


class VqHost(gdb.Command):  # type: ignore[misc]
    """The command; its help is made from its options."""

    def __init__(self) -> None:
        self.__doc__ = parser(FACE, gdb.write).format_help()
        super().__init__(FACE.name, gdb.COMMAND_DATA)

    def invoke(self, argument: str, from_tty: bool) -> None:
        """What gdb calls."""
        complaints: List[str] = []
        status = run(FACE, gdb.string_to_argv(argument), GdbTarget, gdb.write, complaints.append)
        if status != OK:  # an error of gdb's, so that `gdb -batch` ends with 1
            raise gdb.GdbError("".join(complaints).rstrip() or "vq-host: nothing done")

    def complete(self, text: str, word: str) -> Sequence[str]:
        """Names of devices that begin with what was typed."""
        try:
            known = _names()
        except (TargetError, gdb.error):
            return []
        # gdb hands over the last word as it splits words; an id with a dash in it is more than one of those.
        typed = text.rsplit(" ", maxsplit=1)[-1]
        skip = len(typed) - len(word)
        return [name[skip:] for name in known if name.startswith(typed)]


def _names() -> List[str]:
    return [name for found in devices(GdbTarget()) for name in names(found)[:1]]


def register() -> None:
    """Make the command known to gdb."""
    VqHost()
