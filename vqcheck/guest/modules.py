"""Which kernel module describes which type, where the driver is not built into vmlinux.

Source: Linux, the C file of each module; a module's name is the one that lsmod shows.
"""
from typing import Dict, Optional, Tuple

TYPES: Dict[str, Tuple[str, ...]] = {
    # The first type of each is in all versions of the module: by it one can tell whether its description is there.
    "virtio": ("struct virtio_driver",),
    "virtio_ring": (
        "struct vring_virtqueue", "struct vring_virtqueue_split", "struct vring_virtqueue_packed",
        "struct vring", "struct vring_desc", "struct vring_avail", "struct vring_used", "struct vring_used_elem",
        "struct vring_packed_desc", "struct vring_packed_desc_event", "struct vring_desc_extra",
        "struct vring_desc_state", "struct vring_desc_state_split", "struct vring_desc_state_packed"),
    "virtio_pci": ("struct virtio_pci_device", "struct virtio_pci_vq_info"),
    "virtio_pci_modern_dev": ("struct virtio_pci_modern_device", "struct virtio_pci_common_cfg"),
    "virtio_pci_legacy_dev": ("struct virtio_pci_legacy_device",),
    "virtio_mmio": ("struct virtio_mmio_device", "struct virtio_mmio_vq_info"),
    "virtio_ccw": ("struct virtio_ccw_device", "struct vcdev_dma_area", "struct airq_info"),
    "virtio_blk": ("struct virtio_blk", "struct virtio_blk_vq", "struct virtblk_req"),
    "virtio_scsi": ("struct virtio_scsi", "struct virtio_scsi_vq", "struct virtio_scsi_cmd",
                    "struct virtio_scsi_ctrl_tmf_req", "struct virtio_scsi_event_node",
                    "struct virtio_scsi_target_state"),
    "scsi_mod": ("struct Scsi_Host", "struct scsi_device", "struct scsi_target", "struct scsi_cmnd"),
    "sd_mod": ("struct scsi_disk",),
    "virtio_net": ("struct virtnet_info", "struct send_queue", "struct receive_queue"),
    "virtio_console": ("struct ports_device", "struct port", "struct port_buffer"),
    "virtio_balloon": ("struct virtio_balloon",),
    "virtio_rng": ("struct virtrng_info",),
    "virtio_gpu": ("struct virtio_gpu_device", "struct virtio_gpu_queue", "struct virtio_gpu_vbuffer"),
    "virtio_input": ("struct virtio_input",),
    "virtio_crypto": ("struct virtio_crypto", "struct data_queue"),
    "virtio_iommu": ("struct viommu_dev",),
    "virtio_mem": ("struct virtio_mem",),
    "virtio_pmem": ("struct virtio_pmem",),
    "virtiofs": ("struct virtio_fs", "struct virtio_fs_vq"),
    "vmw_vsock_virtio_transport": ("struct virtio_vsock",),
    "9pnet_virtio": ("struct virtio_chan",),
}

_MODULES = {type_name: module for module, types in TYPES.items() for type_name in types}


def module_of(type_name: str) -> Optional[str]:
    """The module whose debug information holds a type; None for types that vmlinux describes."""
    return _MODULES.get(type_name)
