"""`vqcheck show`."""
import argparse
from typing import List

from ..snapshot.model import Device, Snapshot
from ..snapshot.read import read_file
from .sides import SIDES
from .verb import OK, Failed, put

NAME = "show"
SUMMARY = "Show one side's snapshot as the debugger that took it does."
EXAMPLES = """\
  vqcheck show guest.json           one device in full; several as a table
  vqcheck show guest.json vdb       one device of several in full
  vqcheck show host.json --detail   every device in full
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its options."""
    parser.add_argument("snapshot", metavar="X.json", help="a snapshot of either side")
    parser.add_argument("device", nargs="?", metavar="DEVICE", help="show this one in full")
    parser.add_argument("--detail", action="store_true", help="show all devices in full")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    snapshot = read_file(options.snapshot)
    if options.device is not None:
        snapshot = snapshot._replace(devices=_named(snapshot, options.device))
    put(SIDES[snapshot.side].show(snapshot, options.detail or len(snapshot.devices) == 1))
    return OK


def _named(snapshot: Snapshot, name: str) -> List[Device]:
    found = [device for device in snapshot.devices if device.name == name]
    if not found:
        known = ", ".join(device.name for device in snapshot.devices) or "none"
        raise Failed(f"no device {name} in this snapshot; it holds: {known}")
    return found
