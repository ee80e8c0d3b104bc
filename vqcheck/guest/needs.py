"""What the walkers ask a guest's kernel for by name: the content of a layout file.

Whoever makes a walker ask for another symbol or type adds it here; tests hold this list against the walkers' source and
against every recording.  Of a type all members are saved, those of structs inside it too, so members need no list.
"""
import re

TYPES = (
    # Driver core, drivers/base
    "struct bus_type", "struct class", "struct device", "struct device_driver", "struct device_private",
    "struct kobject", "struct kset", "struct subsys_private",
    # Kernel: identity, clocks, containers, CPU masks
    "struct new_utsname", "struct uts_namespace", "struct timekeeper", "struct tk_data",
    "struct list_head", "struct hlist_head", "struct maple_node", "struct maple_tree",
    "struct radix_tree_node", "struct radix_tree_root", "struct xa_node", "struct xarray", "struct cpumask",
    # Modules, whose own symbol tables are read
    "struct module", "struct module_memory", "struct mod_kallsyms",
    # Interrupts
    "struct irq_chip", "struct irq_common_data", "struct irq_data", "struct irq_desc", "struct irqaction",
    "struct msi_desc", "struct msi_msg",
    # virtio
    "struct virtio_device", "struct virtio_driver", "struct virtqueue", "struct vring_virtqueue",
    "struct vring_desc_extra", "struct vring_desc_state", "struct vring_desc_state_packed",
    "struct vring_desc_state_split", "struct virtio_pci_device", "struct virtio_pci_vq_info",
    "struct virtio_mmio_device", "struct virtio_mmio_vq_info",
    # Block layer and virtio-blk
    "struct block_device", "struct gendisk", "struct request", "struct request_queue", "struct blk_mq_ctx",
    "struct blk_mq_hw_ctx", "struct blk_mq_tags", "struct blk_mq_tag_set", "struct sbitmap", "struct sbitmap_queue",
    "struct sbitmap_word", "struct sbq_wait_state", "struct percpu_ref", "struct percpu_ref_data", "struct bio",
    "struct virtio_blk", "struct virtio_blk_vq", "struct virtblk_req",
    # SCSI and virtio-scsi
    "struct Scsi_Host", "struct scsi_device", "struct scsi_target", "struct scsi_cmnd", "struct scsi_disk",
    "struct virtio_scsi", "struct virtio_scsi_cmd", "struct virtio_scsi_event_node", "struct virtio_scsi_vq",
    # Network and virtio-net
    "struct net_device", "struct netdev_queue", "struct napi_struct", "struct sk_buff", "struct softnet_data",
    "struct virtnet_info", "struct receive_queue", "struct send_queue",
    # Other drivers
    "struct hvc_struct", "struct port", "struct ports_device", "struct virtio_balloon", "struct virtio_chan",
    "struct virtio_crypto", "struct virtio_fs", "struct virtio_fs_vq", "struct virtio_input", "struct virtio_mem",
    "struct virtio_vsock", "struct virtrng_info",
)

SYMBOLS = (
    # By these the kernel is known and found: _stext and init_uts_ns are in VMCOREINFO.
    "_stext", "_text", "init_uts_ns", "__start_notes", "__stop_notes",
    # What walkers begin with
    "bus_kset", "class_kset", "modules", "irq_desc_tree", "sparse_irqs",
    "shadow_timekeeper", "timekeeper_data", "tk_core",
    "dmi_ident", "saved_command_line", "sysctl_bootid",
    "__cpu_online_mask", "cpu_online_bits", "nr_cpu_ids", "__per_cpu_offset",
)

NAMES = re.compile(r"virt|vring|^vp_|^vm_interrupt|^(skb_recv|skb_xmit|random_recv|req)_done$|^balloon_ack$|"
                   r"^stats_request$|^(in|out|control|config)_intr$|^viommu_|_interrupt$")
"""Functions of vmlinux that a queue's callback, an interrupt's handler or a NAPI poll may be, where the drivers are
built in.  Those of modules are found in the modules' own symbol tables."""

BASE = "_text"
"""KASLR moves what lies from here on.  On x86 the per-CPU symbols, which are offsets, lie below it until Linux 6.15
(9d7de2aa8b41 "x86/percpu/64: Use relative percpu offsets")."""

KNOWN_BY = {
    "virtio_ring": "struct vring_virtqueue", "virtio_pci": "struct virtio_pci_device",
    "virtio_blk": "struct virtio_blk", "virtio_scsi": "struct virtio_scsi", "virtio_net": "struct virtnet_info",
}
"""The drivers that matter most, each with a type that only its own debug information describes."""

MODULES = (
    *KNOWN_BY, "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_mmio", "scsi_mod", "sd_mod",
    "virtio_console", "virtio_rng", "virtio_balloon", "virtio_input", "virtio_crypto", "virtio_mem", "virtiofs",
    "vmw_vsock_virtio_transport", "9pnet_virtio",
)
"""The modules that describe those types, where they are not built in."""
