"""The command `vqstate`: the same under PyKdump and under the loader."""
import os
from typing import Any, Callable, NamedTuple, Sequence

from vqcheck import debugger, live
from vqcheck.guest import snapshot
from vqcheck.render import guest_text
from vqcheck.snapshot.model import GUEST
from vqcheck.target.layouts.layout_target import in_debugger

from .target_base import CrashTarget

EXAMPLES = """  vqstate                            all queues of all virtio devices
  vqstate vdb                        one device in full, with its requests in flight
  vqstate vdb -o guest.json          the snapshot for `vqcheck merge guest.json host.json`
  vqstate vdb --capture guest.vqcap  a recording of kilobytes that `vqcheck replay` reads anywhere
  vqstate vdb --layout x.vqlayout    where modules have no debug information: what `vqcheck layout` saved
  vqstate | grep vd                  pipes and redirection are crash's own

The debug information of the virtio modules is loaded as by `mod -s`.  It is looked for where debug packages put it,
beside vmlinux, and first of all in the folder that the environment variable VQCHECK_MODULES names.
"""

FACE = debugger.Face(
    name="vqstate",
    side=GUEST,
    metavar="NAME",
    summary="Show the guest driver's view of its virtqueues: indexes, rings, interrupts and\n"
            "requests in flight.  Only looks, and never writes to the target.",
    examples=EXAMPLES,
    take=live.walker(snapshot.take),
    show=guest_text.show,
    by_layout=in_debugger,
)


class Help(NamedTuple):
    """What crash's own `help vqstate` shows."""

    name: str
    summary: str
    synopsis: str
    description: str


def run(words: Sequence[str], open_target: Callable[[], CrashTarget], write: Callable[[str], Any]) -> None:
    """Run `vqstate WORDS...`.  Whatever happens, the session goes on."""
    try:
        debugger.run(FACE, words, open_target, write)
    except KeyboardInterrupt:
        _last_words("interrupted")
    except BrokenPipeError:
        pass  # whoever read the output has seen enough
    except OSError as problem:
        _last_words(f"cannot write: {problem.strerror}")


def _last_words(text: str) -> None:
    """To standard error, as the command's own output is what failed."""
    os.write(2, f"{FACE.name}: {text}\n".encode("utf-8", "replace"))


def crash_help() -> Help:
    """The help, made from the options."""
    options = debugger.parser(FACE, print)
    usage, _, rest = options.format_help().partition("\n\n")
    synopsis = " ".join(usage.split()).replace(f"usage: {FACE.name} ", "")
    return Help(FACE.name, "state of virtio queues", synopsis,
                "\n".join("  " + line if line else "" for line in rest.splitlines()))
