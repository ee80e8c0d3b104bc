"""What the queues of one device have in common."""
from typing import List, NamedTuple, Optional

from ..target.view import View
from .models.base import Model
from .msix import Msix
from .process import Process
from .transport import Transport


class DeviceContext(NamedTuple):
    """A device on its way into a snapshot."""

    process: Process
    device: View
    """struct VirtIODevice."""
    device_id: int
    features: int
    """The negotiated mask."""
    byte_order: str
    """Of the rings: little unless a legacy device serves a big-endian guest."""
    model: Model
    transport: Optional[Transport]
    why_no_transport: str
    msix: Optional[Msix]
    why_no_msix: str
    vhost: List[View]
    """struct vhost_dev."""

    @property
    def vhost_started(self) -> bool:
        """Whether vhost serves the rings, so that QEMU's own indexes are those of its last stop."""
        return any(one.flag("started") for one in self.vhost)
