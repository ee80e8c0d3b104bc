"""What differs between the two sides: how their text is drawn and how their snapshot is taken from a target."""
from typing import Callable, Dict, NamedTuple, Optional

from .. import live
from ..guest import snapshot as guest_walker
from ..host import snapshot as host_walker
from ..render import guest_text, host_text
from ..snapshot.model import GUEST, HOST, Snapshot
from ..target.target import Target


class Side(NamedTuple):
    """One side's walker and text."""

    take: Callable[[Target, Optional[str]], Snapshot]
    show: Callable[[Snapshot, bool], str]


SIDES: Dict[str, Side] = {
    GUEST: Side(live.walker(guest_walker.take), guest_text.show),
    HOST: Side(live.walker(host_walker.take), host_text.show),
}
