"""What changed from kernel to kernel in the structs that the walker reads.

`3.10` stands for RHEL 7: upstream's struct vring_virtqueue of that release under a virtio_blk that is a blk-mq driver.
Members that nothing asks for are there where real offsets depend on them: those of struct vring_virtqueue are held
against measured ones.
"""
from typing import NamedTuple

VIRTQUEUE = "list list; ptr callback; ptr name; ptr vdev; u32 index; u32 num_free;"
FLAGS = "bool weak_barriers; bool broken; bool indirect; bool event;"

FLAT_3_10 = f"""
struct virtqueue {{ {VIRTQUEUE} ptr priv; }}
struct vring_virtqueue {{
    virtqueue vq; vring vring; {FLAGS} u32 free_head; u32 num_added; u16 last_used_idx; ptr notify; ptr data[]; }}
"""

FLAT_4_5 = FLAT_3_10.replace("ptr notify;", "u16 avail_flags_shadow; u16 avail_idx_shadow; ptr notify;")

FLAT_4_18 = FLAT_4_5.replace(
    "ptr data[];",
    "bool we_own_ring; long queue_size_in_bytes; u64 queue_dma_addr; vring_desc_state desc_state[];",
).replace("struct vring_virtqueue {", "struct vring_desc_state { ptr data; ptr indir_desc; }\nstruct vring_virtqueue {")
"""In the order of the incident's printout."""

STATE = "struct vring_desc_state_split { ptr data; ptr indir_desc; }\n"
PACKED_VRING = "part packed_vring { u32 num; ptr desc; ptr driver; ptr device; }\n"
PACKED_REST = "ptr desc_state; ptr desc_extra; u64 ring_dma_addr; u64 driver_event_dma_addr; " \
              "u64 device_event_dma_addr; long ring_size_in_bytes; long event_size_in_bytes;"

SPLIT_5_10 = STATE + PACKED_VRING + f"""
struct vring_desc_state_packed {{ ptr data; ptr indir_desc; u16 num; u16 next; u16 last; }}
struct vring_desc_extra_packed {{ u64 addr; u32 len; u16 flags; }}
struct virtqueue {{ {VIRTQUEUE} ptr priv; }}
part split {{ vring vring; u16 avail_flags_shadow; u16 avail_idx_shadow; ptr desc_state; u64 queue_dma_addr;
    long queue_size_in_bytes; }}
part packed {{ packed_vring vring; bool avail_wrap_counter; bool used_wrap_counter; u16 avail_used_flags;
    u16 next_avail_idx; u16 event_flags_shadow; {PACKED_REST} }}
union rings {{ split split; packed packed; }}
struct vring_virtqueue {{ virtqueue vq; bool packed_ring; bool use_dma_api; {FLAGS} u32 free_head; u32 num_added;
    u16 last_used_idx; rings _; ptr notify; bool we_own_ring; }}
"""

EXTRA = "struct vring_desc_extra { u64 addr; u32 len; u16 flags; u16 next; }\n"
PACKED_6_1 = f"""
struct vring_desc_state_packed {{ ptr data; ptr indir_desc; u16 num; u16 last; }}
part packed {{ packed_vring vring; bool avail_wrap_counter; u16 avail_used_flags; u16 next_avail_idx;
    u16 event_flags_shadow; {PACKED_REST} }}
part split {{ vring vring; u16 avail_flags_shadow; u16 avail_idx_shadow; ptr desc_state; ptr desc_extra;
    u64 queue_dma_addr; long queue_size_in_bytes; u32 vring_align; bool may_reduce_num; }}
union rings {{ split split; packed packed; }}
"""

SPLIT_6_1 = STATE + EXTRA + PACKED_VRING + PACKED_6_1 + f"""
struct virtqueue {{ {VIRTQUEUE} u32 num_max; ptr priv; bool reset; }}
struct vring_virtqueue {{ virtqueue vq; bool packed_ring; bool use_dma_api; {FLAGS} bool premapped; u32 free_head;
    u32 num_added; u16 last_used_idx; bool event_triggered; rings _; ptr notify; bool we_own_ring; }}
"""

SPLIT_7_2 = STATE.replace("indir_desc;", "indir_desc; u32 total_in_len;") + EXTRA + PACKED_VRING + PACKED_6_1.replace(
    "u16 last; }", "u16 last; u32 total_in_len; }") + f"""
struct virtqueue {{ {VIRTQUEUE} u32 num_max; bool reset; ptr priv; }}
part batch {{ u32 id; u32 len; }}
struct vring_virtqueue {{ virtqueue vq; bool use_map_api; {FLAGS} u32 layout; u32 free_head; batch batch_last;
    u32 num_added; u16 last_used_idx; u16 last_used; bool event_triggered; rings _; ptr notify; bool we_own_ring;
    ptr map; }}
"""

VRING = "struct vring { u32 num; ptr desc; ptr avail; ptr used; }\n"

CORE = """
struct kobject { ptr name; list entry; ptr parent; ptr kset; }
struct kset { list list; u32 list_lock; kobject kobj; }
struct klist { u32 k_lock; list k_list; ptr get; ptr put; }
struct klist_node { ptr n_klist; list n_node; u32 n_ref; }
struct subsys_private { kset subsys; ptr devices_kset; klist klist_devices; }
struct device_driver { ptr name; ptr bus; }
struct bus_type { ptr name; }
struct class { ptr name; }
"""

CLASS_IN_DEVICE = """
struct device { ptr parent; ptr p; kobject kobj; ptr type; ptr bus; ptr driver; klist_node knode_class; ptr class; }
struct device_private { klist klist_children; klist_node knode_parent; klist_node knode_driver; klist_node knode_bus;
    ptr device; }
"""

CLASS_IN_PRIVATE = """
struct device { kobject kobj; ptr parent; ptr p; ptr type; ptr bus; ptr driver; ptr class; }
struct device_private { klist klist_children; klist_node knode_parent; klist_node knode_driver; klist_node knode_bus;
    klist_node knode_class; ptr device; }
"""

VIRTIO = """
part virtio_device_id { u32 device; u32 vendor; }
struct virtio_device { u32 index; device dev; virtio_device_id id; ptr config; list vqs; u64 features; ptr priv; }
struct virtio_pci_device { virtio_device vdev; ptr pci_dev; ptr vqs; }
struct virtio_pci_vq_info { ptr vq; list node; u32 msix_vector; }
struct virtio_blk { u32 num_vqs; ptr vqs; }
struct virtio_blk_vq { ptr vq; char name[16]; }
struct request_queue { ptr queuedata; }
"""

DISK_IN_PARTITION = """
part hd_struct { u64 start_sect; u64 nr_sects; device __dev; }
struct gendisk { u32 major; u32 first_minor; u32 minors; char disk_name[32]; hd_struct part0; ptr queue; }
"""

DISK_IN_BLOCK_DEVICE = """
struct block_device { u64 bd_start_sect; ptr bd_disk; ptr bd_queue; device bd_device; }
struct gendisk { u32 major; u32 first_minor; u32 minors; char disk_name[32]; ptr part0; ptr queue; }
"""

REQUEST_OLD = """
struct request { ptr q; u64 cmd_flags; u32 cmd_type; u32 __data_len; u64 __sector; u32 tag; long start_time; }
"""
"""cmd_flags of 64 bits held flags and no REQ_OP; start_time is in jiffies."""

REQUEST = """
struct request { ptr q; u32 cmd_flags; u32 tag; u32 internal_tag; u32 __data_len; u64 __sector; u64 start_time_ns;
    u64 io_start_time_ns; u32 state; }
"""

IRQ_COMMON = """
struct cpumask { long bits[4]; }
struct irqaction { ptr handler; ptr dev_id; ptr next; u32 irq; u32 flags; ptr name; }
struct irq_chip { ptr parent_device; ptr name; }
part msi_msg_ { u32 address_lo; u32 address_hi; u32 data; }
struct msi_msg { msi_msg_ _; }
struct msi_desc { u32 irq; u32 nvec_used; ptr dev; msi_msg msg; }
"""

IRQ_DESC = """ptr kstat_irqs; ptr handle_irq; ptr action; u32 status_use_accessors;
    u32 core_internal_state__do_not_mess_with_it; u32 depth; u32 wake_depth; {count} u32 irq_count;
    u32 irqs_unhandled;"""

IRQ_3_10 = f"""
struct irq_data {{ u32 mask; u32 irq; long hwirq; u32 node; u32 state_use_accessors; ptr chip; ptr domain; ptr msi_desc;
    ptr affinity; }}
struct irq_desc {{ irq_data irq_data; {IRQ_DESC.format(count="")} }}
"""

IRQ_4_5 = f"""
part irq_common_data {{ u32 state_use_accessors; ptr handler_data; ptr msi_desc; ptr affinity; }}
struct irq_data {{ u32 mask; u32 irq; long hwirq; ptr common; ptr chip; ptr domain; }}
struct irq_desc {{ irq_common_data irq_common_data; irq_data irq_data; {IRQ_DESC.format(count="")} }}
"""

IRQ_4_18 = IRQ_4_5.replace("ptr affinity;", "ptr affinity; ptr effective_affinity;")
IRQ = IRQ_4_18.replace("u32 wake_depth;", "u32 wake_depth; u32 tot_count;")

RADIX_BY_HEIGHT = """
struct radix_tree_root { u32 height; u32 gfp_mask; ptr rnode; }
struct radix_tree_node { u32 height; u32 count; ptr parent; list rcu; ptr slots[64]; }
"""
RADIX_BY_SHIFT = """
struct radix_tree_root { u32 gfp_mask; ptr rnode; }
struct radix_tree_node { u8 shift; u8 offset; u8 count; u8 exceptional; ptr parent; ptr root; list rcu; ptr slots[64]; }
"""
XARRAY = """
struct xarray { u32 xa_lock; u32 xa_flags; ptr xa_head; }
struct xa_node { u8 shift; u8 offset; u8 count; u8 nr_values; ptr parent; ptr array; list rcu; ptr slots[64]; }
"""
MAPLE_64 = """
part range_64 { ptr parent; ptr pivot[15]; ptr slot[16]; }
part arange_64 { ptr parent; ptr pivot[9]; ptr slot[10]; ptr gap[10]; u16 meta; }
"""
MAPLE_32 = """
part range_64 { ptr parent; ptr pivot[31]; ptr slot[32]; }
part arange_64 { ptr parent; ptr pivot[20]; ptr slot[21]; ptr gap[21]; u16 meta; }
"""
MAPLE = XARRAY + """
struct maple_tree { u32 lock; u32 ma_flags; ptr ma_root; }
union nodes { range_64 mr64; arange_64 ma64; }
struct maple_node { nodes _; }
"""

TIME_3_10 = """
part timespec { long tv_sec; long tv_nsec; }
struct timekeeper { ptr clock; u32 mult; u32 shift; u64 xtime_nsec; u64 xtime_sec; timespec wall_to_monotonic;
    u64 offs_boot; }
"""
TIME = """
part tk_read_base { ptr clock; u64 mask; u64 cycle_last; u32 mult; u32 shift; u64 xtime_nsec; u64 base; }
part timespec { u64 tv_sec; u64 tv_nsec; }
struct timekeeper { tk_read_base tkr_mono; tk_read_base tkr_raw; u64 xtime_sec; timespec wall_to_monotonic;
    u64 offs_boot; }
"""
TIME_DATA = TIME + "struct tk_data { u64 seq; timekeeper timekeeper; timekeeper shadow_timekeeper; }"

SYSTEM = """
struct new_utsname { char sysname[65]; char nodename[65]; char release[65]; char version[65]; char machine[65]; }
struct uts_namespace { u32 kref; new_utsname name; }
"""


class Kernel(NamedTuple):
    """A release, by what the walker has to know of it."""

    release: str
    queue: str
    device: str
    disk: str
    request: str
    irq: str
    tree: str
    time: str

    def text(self, pointer_size: int) -> str:
        """All its declarations."""
        maple = MAPLE_64 if pointer_size == 8 else MAPLE_32
        return "".join((CORE, self.device, VIRTIO, self.disk, self.request, VRING, self.queue, IRQ_COMMON, self.irq,
                        maple, self.tree, self.time, SYSTEM))

    def has(self, member: str) -> bool:
        """Whether its struct vring_virtqueue has a member of that name."""
        return f" {member};" in self.queue


KERNELS = {one.release: one for one in (
    Kernel("3.10", FLAT_3_10, CLASS_IN_DEVICE, DISK_IN_PARTITION, REQUEST_OLD, IRQ_3_10, RADIX_BY_HEIGHT, TIME_3_10),
    Kernel("4.5", FLAT_4_5, CLASS_IN_DEVICE, DISK_IN_PARTITION, REQUEST_OLD, IRQ_4_5, RADIX_BY_HEIGHT, TIME),
    Kernel("4.18", FLAT_4_18, CLASS_IN_DEVICE, DISK_IN_PARTITION, REQUEST, IRQ_4_18, RADIX_BY_SHIFT, TIME),
    Kernel("5.10", SPLIT_5_10, CLASS_IN_PRIVATE, DISK_IN_PARTITION, REQUEST, IRQ, XARRAY, TIME),
    Kernel("6.1", SPLIT_6_1, CLASS_IN_PRIVATE, DISK_IN_BLOCK_DEVICE, REQUEST, IRQ, XARRAY, TIME),
    Kernel("7.2", SPLIT_7_2, CLASS_IN_PRIVATE, DISK_IN_BLOCK_DEVICE, REQUEST, IRQ, MAPLE, TIME_DATA),
)}
