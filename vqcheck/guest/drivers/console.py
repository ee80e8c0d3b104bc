"""virtio-console: the console of its first port that is one, else its first port.

Source: Linux drivers/char/virtio_console.c (struct ports_device, struct port), drivers/tty/hvc/hvc_console.h.
"""
from itertools import islice
from typing import Optional

from ...target.errors import Corrupt, TargetError
from ...target.view import View, container_of
from ..lists import list_entries
from .base import Driver

MAX_PORTS = 512
MAX_CONSOLES = 16
"""MAX_NR_HVC_CONSOLES."""


class ConsoleDriver(Driver):
    """A set of serial ports, some of them consoles."""

    def display_name(self) -> Optional[str]:
        try:
            found = self._console()
        except TargetError:
            found = None
        return found or next((one.name for one in self.device.below if one.subsystem == "virtio-ports"), None)

    def _console(self) -> Optional[str]:
        ports = View(self.target, "struct ports_device", self.device.view.pointer("priv"))
        for node in islice(list_entries(self.target, ports.address_of("ports")), MAX_PORTS):
            port = View(self.target, "struct port", container_of(self.target, node, "struct port", "list"))
            if port.pointer("portdev") != ports.address:
                raise Corrupt("a port of another device is on the list")
            console = port.pointer("cons.hvc")
            if console:
                index = View(self.target, "struct hvc_struct", console).sint("index")
                return f"hvc{index}" if 0 <= index < MAX_CONSOLES else None
        return None
