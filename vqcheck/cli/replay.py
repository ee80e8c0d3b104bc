"""`vqcheck replay`."""
import argparse

from ..snapshot import moving
from ..target import recording, vqcap
from .sides import SIDES
from .verb import OK, Failed, put, put_snapshot

NAME = "replay"
SUMMARY = "Run the walker again on a recording, and show what the debugger's command showed."
EXAMPLES = """\
  vqcheck replay guest.vqcap                 as `crash> vqstate vdb` showed it
  vqcheck replay guest.vqcap -o guest.json   the snapshot, for `vqcheck merge`
  vqcheck replay host.vqcap --json | jq .
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("recording", metavar="X.vqcap", help="a recording that `--capture` wrote")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("-o", "--output", metavar="FILE", help="write the snapshot as JSON")
    form.add_argument("--json", action="store_true", help="print the snapshot as JSON")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    with open(options.recording, "rb") as source:
        raw = source.read(vqcap.MAX_BYTES + 1)
    if len(raw) > vqcap.MAX_BYTES:
        raise Failed(f"{options.recording}: larger than {vqcap.MAX_BYTES >> 20} MiB, which no recording is")
    try:
        target, asked = recording.load(raw)
    except vqcap.BadBundle as problem:
        raise Failed(f"{options.recording}: {problem}")
    side = SIDES.get(asked.get("side", ""))
    if side is None:
        raise Failed(f"{options.recording}: it does not say which side it is of")
    device = asked.get("device")
    snapshot = moving.without(side.take(target, device), moving.from_words(asked))
    if options.json or options.output is not None:
        put_snapshot(snapshot, options.output)
    else:
        put(side.show(snapshot, device is not None))
    return OK
