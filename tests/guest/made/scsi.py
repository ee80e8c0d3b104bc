"""A made-up SCSI host with two disks that share their tags, behind virtio-scsi; synthetic."""
import struct

from tests.guest.made.block import NOW, Disk, block_guest
from vqcheck.guest.bus import Below, VirtioDevice
from vqcheck.guest.drivers.scsi import ScsiDriver
from vqcheck.target.view import View

VERSION_1 = 1 << 32
RUNNING = 2


class ScsiMachine:
    """host2 with 2:0:0:0 = sda and 2:0:1:5 = sdb, and a third unit without a disk."""

    def __init__(self, release: str = "6.1", byte_order: str = "little", features: int = VERSION_1) -> None:
        self.guest = guest = block_guest(release, byte_order)
        self.host = guest.struct("Scsi_Host", "host", host_no=2, shost_state=RUNNING)
        self.device = guest.struct("virtio_device", "virtio2", priv=self.host, features=features, id__device=8)
        vqs = self.device + guest.offset("virtio_device", "vqs")
        nodes = [guest.new("vq", bytes(16)) for _ in range(4)]
        guest.link(vqs, nodes)
        first = Disk(guest)
        self.disks = [first, Disk(guest, tags=first.tags)]
        self.units = [self._unit(*place) for place in ((0, 0, self.disks[0].queue), (1, 5, self.disks[1].queue),
                                                       (2, 0, 0x777))]
        gendev = self._inside(self.host, "Scsi_Host", "shost_gendev")
        self.below = [Below("host2", "scsi", gendev, 1), Below("host2", "scsi_host", 0x10, 2)]
        for number, (name, disk) in enumerate((("2:0:0:0", "sda"), ("2:0:1:5", "sdb"), ("2:0:2:0", ""))):
            unit = self._inside(self.units[number], "scsi_device", "sdev_gendev")
            self.below += [Below("target" + name[:5], "scsi", 0x20, 2),
                           Below(name, "scsi", unit, 3),
                           Below(name, "bsg", 0x30, 4)]
            if disk:
                self.below += [Below(disk, "block", self._disk(self.disks[number]), 4),
                               Below(disk + "1", "block", 0x40, 5)]

    def _inside(self, at: int, kind: str, member: str) -> int:
        return at + self.guest.offset(kind, member)

    def _unit(self, target: int, lun: int, queue: int) -> int:
        return self.guest.struct("scsi_device", f"unit {target}", host=self.host, request_queue=queue, id=target,
                                 lun=lun, sdev_state=RUNNING)

    def _disk(self, disk: Disk) -> int:
        """The struct device of a disk with that queue."""
        guest = self.guest
        gendisk = guest.struct("gendisk", "gendisk", queue=disk.queue)
        if guest.member("struct block_device", "bd_device") is None:
            return gendisk + guest.offset("gendisk", "part0.__dev")
        part = guest.struct("block_device", "part0", bd_disk=gendisk)
        return part + guest.offset("block_device", "bd_device")

    def driver(self) -> ScsiDriver:
        """What the walker knows of the host."""
        view = View(self.guest, "struct virtio_device", self.device)
        return ScsiDriver(self.guest, VirtioDevice(view, "virtio2", None, None, self.below, None), NOW)

    def command(self, unit: int, tag: int, cdb: bytes = bytes.fromhex("2a000000201000000800")) -> int:
        """A command in flight to a unit; returns its token."""
        guest, disk = self.guest, self.disks[min(unit, 1)]
        request = disk.busy(0, tag)
        sc = request + guest.size_of("struct request")
        guest.set("scsi_cmnd", sc, device=self.units[unit], cmd_len=len(cdb))
        if guest.member("struct scsi_cmnd", "request"):
            guest.set("scsi_cmnd", sc, request=request, cmnd=guest.new("cdb", cdb))
        else:
            guest.set("scsi_cmnd", sc, cmnd=cdb.ljust(32, b"\0"))
        token = sc + guest.size_of("struct scsi_cmnd")
        guest.set("virtio_scsi_cmd", token, sc=sc)
        return token

    def management(self, subtype: int, lun: bytes, order: str = "<", kind: int = 0) -> int:
        """A task management function; returns its token."""
        raw = struct.pack(order + "II", kind, subtype) + lun
        return self.guest.struct("virtio_scsi_cmd", "tmf", req=raw.ljust(51, b"\0"))
