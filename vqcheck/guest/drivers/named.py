"""Devices of which little more is known than a name of their own.

Sources: Linux drivers/char/hw_random/virtio-rng.c (struct virtrng_info), net/9p/trans_virtio.c (struct virtio_chan),
fs/fuse/virtio_fs.c (struct virtio_fs), drivers/gpu/drm/virtio/virtgpu_drv.c, drivers/nvdimm/virtio_pmem.c.
"""
from itertools import islice
from typing import List, Optional

from ...target.errors import TargetError
from ...target.view import View
from ..bus import MAX_BELOW, device_name, subsystem_name
from ..lists import children
from .base import Driver


class RngDriver(Driver):
    """A random number generator, as `virtio_rng.0`: what /sys/class/misc/hw_random/rng_available calls it."""

    def display_name(self) -> Optional[str]:
        try:
            return View(self.target, "struct virtrng_info", self.device.view.pointer("priv")).text("name") or None
        except TargetError:
            return None


class NinePDriver(Driver):
    """A 9p share, by its mount tag."""

    def display_name(self) -> Optional[str]:
        try:
            channel = View(self.target, "struct virtio_chan", self.device.view.pointer("priv"))
            if channel.pointer("vdev") != self.device.view.address:
                return None
            return channel.string("tag") or None
        except TargetError:
            return None


class FsDriver(Driver):
    """A shared file system, by its tag."""

    def display_name(self) -> Optional[str]:
        try:
            return View(self.target, "struct virtio_fs", self.device.view.pointer("priv")).string("tag") or None
        except TargetError:
            return None


class GpuDriver(Driver):
    """A graphics card."""

    def display_name(self) -> Optional[str]:
        below = [one.name for one in self.device.below if one.subsystem == "drm"]
        return next((name for name in below + self._beside() if name.startswith("card")), None)

    def _beside(self) -> List[str]:
        """DRM devices that are the virtio device's siblings.

        The card hangs on the PCI or platform device itself in later kernels: between Linux 5.10 and 6.1
        drm_dev_alloc() was given the parent.
        """
        try:
            parent = self.device.view.embedded("struct device", "dev").follow("struct device", "parent")
            return [device_name(one) or "" for one in islice(children(self.target, parent), MAX_BELOW)
                    if subsystem_name(self.target, one) == "drm"]
        except TargetError:
            return []


class PmemDriver(Driver):
    """Persistent memory: its disk hangs below the nvdimm bus, region and namespace."""

    def display_name(self) -> Optional[str]:
        return next((one.name for one in self.device.below if one.subsystem == "block"), None)
