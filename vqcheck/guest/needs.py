"""What the walkers ask a guest's kernel for by name: the content of a layout file.

Whoever makes a walker ask for another symbol or type adds it here; tests hold this list against the walkers' source and
against every recording.  Of a type all members are saved, those of structs inside it too, so members need no list.
"""
import re

from . import modules

KERNEL_TYPES = (
    # Driver core, drivers/base
    "struct bus_type", "struct class", "struct device", "struct device_driver", "struct device_private",
    "struct kobject", "struct kset", "struct subsys_private",
    # Identity, clocks, containers, CPU masks
    "struct new_utsname", "struct uts_namespace", "struct timekeeper", "struct tk_data",
    "struct list_head", "struct hlist_head", "struct maple_node", "struct maple_tree",
    "struct radix_tree_node", "struct radix_tree_root", "struct xa_node", "struct xarray", "struct cpumask",
    # Modules, whose own symbol tables are read
    "struct module", "struct module_memory", "struct mod_kallsyms", "struct module_notes_attrs", "struct bin_attribute",
    # Interrupts
    "struct irq_chip", "struct irq_data", "struct irq_desc", "struct irqaction", "struct msi_desc", "struct msi_msg",
    # virtio
    "struct virtio_device", "struct virtqueue",
    # Adapter interrupts of s390
    "struct airq_struct", "struct airq_iv",
    # Block layer
    "struct block_device", "struct gendisk", "struct request", "struct request_queue", "struct blk_mq_ctx",
    "struct blk_mq_hw_ctx", "struct blk_mq_tags", "struct blk_mq_tag_set", "struct sbitmap", "struct sbitmap_queue",
    "struct sbitmap_word", "struct sbq_wait_state", "struct percpu_ref", "struct percpu_ref_data", "struct bio",
    "struct elevator_queue", "struct elevator_type",
    # Who waits for a request
    "struct task_struct", "struct completion", "struct swait_queue", "struct wait_queue_entry", "struct __wait_queue",
    "struct blkdev_dio", "struct iomap_dio", "struct dio",
    # Network
    "struct net_device", "struct netdev_queue", "struct napi_struct", "struct sk_buff", "struct softnet_data",
    # Consoles
    "struct hvc_struct",
)

TYPES = KERNEL_TYPES + tuple(kind for kinds in modules.TYPES.values() for kind in kinds)

SYMBOLS = (
    # By these the kernel is known and found: _stext and init_uts_ns are in VMCOREINFO.
    "_stext", "_text", "init_uts_ns", "__start_notes", "__stop_notes",
    # What walkers begin with
    "bus_kset", "class_kset", "modules", "irq_desc_tree", "sparse_irqs",
    "shadow_timekeeper", "timekeeper_data", "tk_core",
    "dmi_ident", "saved_command_line", "sysctl_bootid",
    "__cpu_online_mask", "cpu_online_bits", "__cpu_possible_mask", "cpu_possible_bits",
    "nr_cpu_ids", "__per_cpu_offset", "panic_cpu",
)

NAMES = re.compile(r"virt|vring|^vp_|^vm_interrupt|^(skb_recv|skb_xmit|random_recv|req)_done$|^balloon_ack$|"
                   r"^stats_request$|^(in|out|control|config)_intr$|^viommu_|_interrupt$|"
                   r"(^|_)end_?(io|bio|aio)(_|$)|^blk_end_sync_rq$")
"""Functions of vmlinux that a queue's callback, an interrupt's handler or a NAPI poll may be, where the drivers are
built in, and those in which bios and requests end.  Those of modules are found in the modules' own symbol tables."""

BASE = "_text"
"""KASLR moves what lies from here on.  On x86 the per-CPU symbols, which are offsets, lie below it until Linux 6.15
(9d7de2aa8b41 "x86/percpu/64: Use relative percpu offsets")."""

DRIVERS = ("virtio_ring", "virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net")
"""The modules that matter most: what a layout lacks of them is worth a note."""
