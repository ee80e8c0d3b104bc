"""What a scene is about: the virtio device whose queue hangs, as QEMU, the guest and the block layer call it."""
from typing import Dict, NamedTuple, Sequence, Tuple


class Subject(NamedTuple):
    """The device under test."""
    device: str
    """The qdev id of the virtio device."""
    linux: str
    """What the guest calls it."""
    handlers: Tuple[str, ...]
    """QEMU's functions that a kick of its queues ends in: in QEMU 5.2 event loops have one of their own."""
    disk: str = "vdb"
    """The disk that the guest's writers write to."""
    block: str = ""
    """The QOM path, below the device's own, of what owns the BlockBackend; empty for a device that has none."""
    requests: int = 0
    """Its first queue of requests."""
    modules: Sequence[str] = ()
    """What the guest needs besides the disks' modules."""


SUBJECTS: Dict[str, Subject] = {
    "blk": Subject("virtio-disk1", "vdb", ("virtio_blk_handle_output", "virtio_blk_data_plane_handle_output"),
                   block="virtio-disk1/virtio-backend"),
    "scsi": Subject("scsi1", "sda", ("virtio_scsi_handle_cmd", "virtio_scsi_data_plane_handle_cmd"),
                    disk="sda", block="scsi-disk1", requests=2, modules=("virtio_scsi", "sd_mod")),
    "net": Subject("nic0", "eth0", ("virtio_net_handle_rx",), modules=("virtio_net",)),
}
